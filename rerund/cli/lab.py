"""`rerund lab`: formats, instruments and mappings, for a lab without a LIMS."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rerund.cli.exits import fail_with
from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    load_config,
    opened_stores,
)
from rerund.cli.tables import print_json, print_table

lab_app = typer.Typer(help="The lab's formats, mappings and reports.", no_args_is_help=True)


@lab_app.command(epilog="Example: rerund lab load config/lab.example.toml")
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Lab files.")],
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Load lab files, all or nothing; loading them again changes nothing."""
    from rerund.lab.load import LabFileError, load_files

    loaded = load_config(config)
    with opened_stores(loaded) as stores:
        try:
            changes = load_files(
                files, loaded.file.daemon.lab_id, stores.stores.reports, stores.lab
            )
        except LabFileError as error:
            fail_with(error.problems)
    counts = msgspec.to_builtins(changes)
    if as_json:
        print_json(counts)
        return
    for kind, counted in counts.items():
        said = ", ".join(f"{number} {word}" for word, number in counted.items() if number)
        typer.echo(f"{kind}: {said or 'none'}")


@lab_app.command(epilog="Example: rerund lab devices --json")
def devices(config: ConfigOption = CONFIG_DEFAULT, as_json: JsonOption = False) -> None:
    """List the lab's instruments and which daemon receives from each, until when."""
    loaded = load_config(config)
    with opened_stores(loaded) as stores:
        reports, lab_id = stores.stores.reports, loaded.file.daemon.lab_id
        leases = reports.leases(lab_id)
        names = {one.device_id: one.name for one in reports.lab_data(lab_id).devices}
    rows = [{"name": names.get(lease.device_id), **msgspec.to_builtins(lease)} for lease in leases]
    if as_json:
        print_json([{name: row[name] for name in _DEVICE} for row in rows])
        return
    for row in rows:
        row["held"] = "yes" if row["held"] else ""
    print_table(
        ["instrument", "name", "held", "owner", "until"],
        [[row[name] for name in _DEVICE] for row in rows],
    )


_DEVICE = ("device_id", "name", "held", "owner", "until")
