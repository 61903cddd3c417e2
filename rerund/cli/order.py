"""`rerund order`: reports to be made, and what of them waits for instruments."""

from typing import Annotated

import msgspec
import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE, fail
from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    load_config,
    opened_service,
    opened_stores,
)
from rerund.cli.tables import print_json, print_table
from rerund.stores.ports import StoreUnavailable

order_app = typer.Typer(
    help="Reports to be made: add, list, what instruments are asked, and asking them again.",
    no_args_is_help=True,
)


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
    index: Annotated[
        list[int] | None,
        typer.Option(
            "--index", metavar="N", help="What instruments are to measure; default: everything."
        ),
    ] = None,
    priority: Annotated[
        str | None, typer.Option(help="S for urgent, R for routine; as the instruments say it.")
    ] = None,
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
        requested=index,
        priority=priority,
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


@order_app.command("waiting", epilog="Example: rerund order waiting --sample S001")
def list_waiting(
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="SAMPLE", help="Closed ones too.")
    ] = None,
    report: Annotated[
        int | None, typer.Option("--report", metavar="ID", help="Closed ones too.")
    ] = None,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """List what instruments are asked to measure, and what became of it."""
    loaded = load_config(config)
    lab_id = loaded.file.daemon.lab_id
    with opened_stores(loaded) as stores:
        reports = stores.stores.reports
        if sample is None and report is None:
            open_rows = reports.orders(lab_id, "1970-01-01T00:00:00Z")
            keys = {(row.lab_report_id, row.device_id, row.rerun_number) for row in open_rows}
            of_reports = reports.waiting_rows(lab_id, {key[0] for key in keys})
            rows = [
                row
                for row in of_reports
                if (row.lab_report_id, row.device_id, row.rerun_number) in keys
            ]
        else:
            of_sample = reports.reports_of_samples(lab_id, [sample]) if sample else []
            wanted = {row.lab_report_id for row in of_sample} | ({report} if report else set())
            rows = reports.waiting_rows(lab_id, wanted)
    if as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return
    print_table(
        [
            "report",
            "sample",
            "rerun",
            "instrument",
            "requested",
            "remaining",
            "status",
            "taken by",
            "reason",
        ],
        [
            [
                row.lab_report_id,
                row.sample_id,
                row.rerun_number or "",
                row.device_id or "any",
                _list(row.requested),
                _list(row.remaining),
                row.status,
                row.taken_by or "",
                row.reason or "",
            ]
            for row in rows
        ],
    )


@order_app.command(epilog="Example: rerund order again 1001 --rerun 2")
def again(
    report: Annotated[int, typer.Argument(metavar="REPORT", help="The lab_report_id.")],
    rerun: Annotated[
        int | None,
        typer.Option(
            "--rerun", metavar="N", min=0, help="Only this rerun; 0 is the original order."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="ID", help="Only what this instrument has, or alone may run."
        ),
    ] = None,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Have orders of a report sent to instruments once more.

    For an instrument that has lost them, or refused them for want of something.
    What is open and was sent, accepted or refused waits for an instrument again;
    what was never sent, and what is closed, stays as it is.
    """
    from rerund.rerun.refusals import Refusal

    with opened_service(config) as (service, lab_id):
        try:
            rows = service.order_again(lab_id, report, rerun, device)
        except Refusal as error:
            fail(f"{error.code}: {error}", REFUSED)
        except StoreUnavailable as error:
            fail(str(error), UNAVAILABLE)
    if as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
        return
    for row in rows:
        which = f"rerun {row.rerun_number}" if row.rerun_number else "the original order"
        whom = f"instrument {row.device_id}" if row.device_id else "any instrument"
        typer.echo(f"{which} of report {report} waits for {whom} again")


def _list(indexes: list[int]) -> str:
    return " ".join(map(str, indexes))
