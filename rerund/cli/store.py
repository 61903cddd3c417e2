"""`rerund db`: the schema of the stores."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption, load_config
from rerund.cli.tables import print_json

if TYPE_CHECKING:
    from rerund.stores.database import Database

app = typer.Typer(help="The schema of the stores: status and upgrade.", no_args_is_help=True)


@app.command(epilog="Example: rerund db status --json")
def status(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """Say which version the tables are of; exits 1 when a daemon would not start on them."""
    from rerund.stores.migrate import status as schema_status
    from rerund.stores.ports import StoreError

    path = _path(config)
    if not path.exists():
        fail(f"{path} does not exist; a daemon makes it at its first start", UNAVAILABLE)
    database = _open(path)
    try:
        found = schema_status(database)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    finally:
        database.close()
    if as_json:
        print_json({"found": found.found, "expected": found.expected, "current": found.current})
    else:
        typer.echo(f"{path}: version {found.found or 'none'}, expected {found.expected}")
    if not found.current:
        raise typer.Exit(REFUSED)


@app.command(epilog="Example: rerund db upgrade")
def upgrade(config: ConfigOption = CONFIG_DEFAULT) -> None:
    """Bring the tables to the version of this rerund; all of it or nothing."""
    from rerund.stores.migrate import upgrade as upgrade_schema
    from rerund.stores.ports import StoreError

    path = _path(config)
    if not path.parent.is_dir():
        fail(f"{path.parent} does not exist", UNAVAILABLE)
    database = _open(path)
    try:
        now = upgrade_schema(database)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    finally:
        database.close()
    typer.echo(f"{path}: version {now.found}")


def _path(config: Path) -> Path:
    return load_config(config).store_path


def _open(path: Path) -> "Database":
    from rerund.stores.database import Database

    return Database(path, "store")
