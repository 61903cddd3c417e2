"""The command `rerund` and what every subcommand shares."""

import typer

from rerund import __version__
from rerund.cli import (
    daemon,
    decode,
    demo,
    drivers,
    journal,
    lab,
    order,
    rerun,
    results,
    simulate,
    store,
    token,
)

app = typer.Typer(
    name="rerund",
    help="Instrument daemon for clinical laboratories: keeps every result, knows a rerun.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rerund {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


for module in (daemon, decode, simulate, results, demo):
    module.register(app)
for name, group in (
    ("drivers", drivers.app),
    ("journal", journal.app),
    ("lab", lab.lab_app),
    ("order", order.order_app),
    ("rerun", rerun.app),
    ("db", store.app),
    ("token", token.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; the exit code tells a script what happened (see exits.py)."""
    app()
