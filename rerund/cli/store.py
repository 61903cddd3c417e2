"""`rerund db`: the schema of the stores."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption, load_config
from rerund.cli.tables import print_json

if TYPE_CHECKING:
    from rerund.stores.parts import PartStatus

app = typer.Typer(help="The schema of the stores: status and upgrade.", no_args_is_help=True)


@app.command(epilog="Example: rerund db status --json")
def status(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Look at each store; exits 1 when a daemon would not start on them, 69 when one is away."""
    from rerund.stores import parts

    found = parts.status(load_config(config).stores)
    _print(found, as_json, _version)
    _end(found)


@app.command(epilog="Example: rerund db upgrade")
def upgrade(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Bring the stores to the version of this rerund; again after one that failed half-way.

    Says of each store whether anything was done; exits 69 when one can not be had.
    """
    from rerund.stores import parts

    found = parts.upgrade(load_config(config).stores)
    _print(found, as_json, _upgraded)
    _end(found)


def _end(found: "list[PartStatus]") -> None:
    """Exit as the stores are that a daemon needs."""
    if any(part.needed and part.problem for part in found):
        raise typer.Exit(UNAVAILABLE)
    if not all(part.current for part in found):
        raise typer.Exit(REFUSED)


def _print(found: "list[PartStatus]", as_json: bool, said: "Callable[[PartStatus], str]") -> None:
    current = all(part.current for part in found)
    if as_json:
        rows = [{**msgspec.structs.asdict(part), "current": part.current} for part in found]
        print_json({"current": current, "parts": rows})
        return
    for part in found:
        typer.echo(f"{part.part}: {part.place}: {part.problem or said(part)}")


def _version(part: "PartStatus") -> str:
    if part.missing:
        return f"without index {', '.join(part.missing)}: rerund db upgrade"
    if part.expected is None:
        return part.note
    if part.found is None:
        return f"no tables, expected version {part.expected}: rerund db upgrade"
    if part.found < part.expected:
        return f"version {part.found}, expected {part.expected}: rerund db upgrade"
    if part.found > part.expected:
        return f"version {part.found}, expected {part.expected}: made by another rerund"
    return f"version {part.found}, as expected"


def _upgraded(part: "PartStatus") -> str:
    if part.changed:
        return f"upgraded to version {part.found}" if part.expected else "indexes made"
    if part.expected is None:
        return part.note
    return f"version {part.found} already, nothing was done"
