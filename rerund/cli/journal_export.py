"""`rerund journal export`: the bytes of entries as they came, as a capture."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rerund.cli.exits import USAGE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, opened_journal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", epilog="Example: rerund journal export 17 18 --output capture.astm")(
        export
    )


def export(
    entries: Annotated[list[int], typer.Argument(metavar="ENTRY...", help="The entries' ids.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Default: stdout. Never overwritten."),
    ] = None,
    config: ConfigOption = CONFIG_DEFAULT,
) -> None:
    """Write the frames or blocks of entries as they came, to be decoded or drafted from.

    They hold patient data: the file is readable by its owner only.
    """
    with opened_journal(config) as reader:
        missing = [entry for entry in entries if reader.entry(entry) is None]
        if missing:
            fail(f"there is no entry {missing[0]}")
        data = b"".join(frame for entry in entries for frame in reader.frames(entry))
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"{output}: {error.strerror}", USAGE)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    typer.echo(f"{output} written: {len(data)} bytes of {len(entries)} entries")
