"""`rerund db`: the schema of the stores."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption, load_config
from rerund.cli.tables import print_json

if TYPE_CHECKING:
    from rerund.stores.parts import PartStatus

app = typer.Typer(help="The schema of the stores: status and upgrade.", no_args_is_help=True)


@app.command(epilog="Example: rerund db status --json")
def status(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Say which version the stores are of; exits 1 when a daemon would not start on them."""
    from rerund.hindrance import hindrance
    from rerund.stores import parts
    from rerund.stores.ports import StoreError

    settings = load_config(config).stores
    path = Path(settings.path)
    if settings.mysql is None and not hindrance(path) and not path.exists():
        fail(f"{settings.path} does not exist; a daemon makes it at its first start", UNAVAILABLE)
    try:
        found = parts.status(settings)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    _print(found, as_json)
    if not all(part.current for part in found):
        raise typer.Exit(REFUSED)


@app.command(epilog="Example: rerund db upgrade")
def upgrade(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Bring the stores to the version of this rerund; again after one that failed half-way."""
    from rerund.stores import parts
    from rerund.stores.ports import StoreError

    settings = load_config(config).stores
    try:
        found = parts.upgrade(settings)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    _print(found, as_json)


def _print(found: "list[PartStatus]", as_json: bool) -> None:
    current = all(part.current for part in found)
    if as_json:
        rows = [{**msgspec.structs.asdict(part), "current": part.current} for part in found]
        print_json({"current": current, "parts": rows})
        return
    for part in found:
        typer.echo(f"{part.part}: {part.place}: {_version(part)}")


def _version(part: "PartStatus") -> str:
    if part.missing:
        return f"without index {', '.join(part.missing)}"
    if part.expected is None:
        return "has no version"
    return f"version {part.found or 'none'}, expected {part.expected}"
