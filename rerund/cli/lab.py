"""`rerund lab` and `rerund order`: formats, mappings and reports, for a lab without a LIMS."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rerund.cli.exits import REFUSED, fail, fail_with
from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    load_config,
    opened_stores,
)
from rerund.cli.tables import print_json, print_table

lab_app = typer.Typer(help="The lab's formats, mappings and reports.", no_args_is_help=True)
order_app = typer.Typer(help="Reports to be made: add and list.", no_args_is_help=True)


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


@order_app.command(epilog="Example: rerund order add S001 --format 1 --sex F")
def add(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="The sample id.")],
    report_format: Annotated[
        int, typer.Option("--format", metavar="ID", help="The report format.")
    ],
    report: Annotated[
        int | None, typer.Option("--report", metavar="ID", help="Default: the lab's next.")
    ] = None,
    registered_at: Annotated[str | None, typer.Option(help="ISO 8601; default: now.")] = None,
    patient_id: Annotated[
        str | None, typer.Option(help="The lab's own; results of another are not taken.")
    ] = None,
    patient_name: Annotated[str | None, typer.Option(help="As it shall stand there.")] = None,
    sex: Annotated[str | None, typer.Option(help="M, F or U.")] = None,
    birth_date: Annotated[str | None, typer.Option(help="YYYY-MM-DD.")] = None,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Register a report for a sample; results that are there already find it."""
    from rerund.lab.orders import UnknownFormat, add_order
    from rerund.stores.lab_tables import Order, OrderClash

    order = Order(
        sample_id=sample,
        report_format_id=report_format,
        lab_report_id=report,
        registered_at=registered_at,
        patient_id=patient_id,
        patient_name=patient_name,
        sex=sex,
        birth_date=birth_date,
    )
    loaded = load_config(config)
    with opened_stores(loaded) as stores:
        lab_id = loaded.file.daemon.lab_id
        try:
            number = add_order(lab_id, order, stores.stores.reports, stores.lab)
        except (UnknownFormat, OrderClash, ValueError) as error:
            fail(str(error), REFUSED)
    if as_json:
        print_json({"lab_report_id": number, "sample_id": sample})
    else:
        typer.echo(f"report {number} registered for sample {sample}")


@order_app.command("list", epilog="Example: rerund order list --sample S001")
def list_orders(
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="SAMPLE", help="Only this sample.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 100,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """List reports, newest registration first."""
    loaded = load_config(config)
    with opened_stores(loaded) as stores:
        rows = stores.lab.orders(loaded.file.daemon.lab_id, sample, limit)
    if as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return
    print_table(
        ["report", "sample", "format", "registered at", "sampleRedrawFlag", "completed", "signed"],
        [
            [
                row.lab_report_id,
                row.sample_id,
                row.report_format_id,
                row.registered_at,
                row.flag,
                "yes" if row.is_completed else "",
                "yes" if row.is_signed else "",
            ]
            for row in rows
        ],
    )
