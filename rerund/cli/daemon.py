"""`rerund run` and `rerund check`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from rerund.cli.exits import CONFIG, UNAVAILABLE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, load_config


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: rerund run -c /etc/rerund/rerund.toml")(run)
    app.command(epilog="Example: rerund check /etc/rerund/rerund.toml lab.toml")(check)


def run(config: ConfigOption = CONFIG_DEFAULT) -> None:
    """Run the daemon until it is told to stop; it says on stderr when it is ready."""
    loaded = load_config(config)
    # The daemon brings everything along; other commands start without it.
    from rerund import logs
    from rerund.daemon import Daemon
    from rerund.journal.errors import JournalError
    from rerund.stores.ports import StoreError

    logs.configure(loaded.file.daemon.log_format, loaded.file.daemon.log_level)
    logs.take_library_logs()
    try:
        code = asyncio.run(Daemon(loaded).run())
    except (JournalError, StoreError, OSError) as error:
        fail(str(error), UNAVAILABLE)
    raise typer.Exit(code)


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Configurations, profiles, lab files.")
    ],
) -> None:
    """Check files and print every problem with file, line and key; exits 0, or 78."""
    from rerund.checking import problems

    found = [problem for file in files for problem in problems(file)]
    for problem in found:
        typer.echo(str(problem), err=True)
    if found:
        raise typer.Exit(CONFIG)
    typer.echo(f"{len(files)} {'file' if len(files) == 1 else 'files'} checked, no problem")
