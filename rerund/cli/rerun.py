"""`rerund rerun`: what technicians ask of a report."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from rerund.cli.answers import listed
from rerund.cli.exits import REFUSED, UNAVAILABLE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption, load_config, opened_service
from rerund.cli.rerun_log import print_log
from rerund.cli.rerun_report import print_checked, print_confirmed, print_report
from rerund.cli.tables import print_json
from rerund.rerun.confirm import Choice, Confirmation
from rerund.rerun.refusals import Refusal
from rerund.rerun.requests import RerunRequest
from rerund.stores.ports import StoreUnavailable

if TYPE_CHECKING:
    from rerund.rerun.service import RerunService

A = TypeVar("A")

app = typer.Typer(
    help="Reruns of a report: show, log, request, confirm, cancel, auto-check.",
    no_args_is_help=True,
)

ReportArgument = Annotated[int, typer.Argument(metavar="REPORT", help="The lab_report_id.")]
UserOption = Annotated[
    int, typer.Option("--user", metavar="ID", help="Who asks: created_by and the activity log.")
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", help="Of the report as you saw it; refused if it has changed since."),
]


def _refused(error: Refusal) -> NoReturn:
    more = "".join(f", {name} {value}" for name, value in error.details.items())
    fail(f"{error.code}: {error}{more}", REFUSED)


def _asked(config: Path, ask: Callable[["RerunService", int], A]) -> A:
    """Ask the service of the configured stores, or say what it refuses and exit 1."""
    with opened_service(config) as (service, lab_id):
        try:
            return ask(service, lab_id)
        except Refusal as error:
            _refused(error)
        except StoreUnavailable as error:
            fail(str(error), UNAVAILABLE)


@app.command(epilog="Example: rerund rerun show 1001")
def show(
    report: ReportArgument,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show a report: its flag, the open rerun, originals and the values to review."""
    answer, device = _asked(
        config,
        lambda service, lab_id: (
            service.show(lab_id, report),
            service.pinned_device(lab_id, report),
        ),
    )
    if as_json:
        print_json(answer)
    else:
        print_report(answer, load_config(config).file.rerun.rerun_overdue, device)


@app.command(epilog="Example: rerund rerun log 1001")
def log(
    report: ReportArgument,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show the activity log of a report, oldest first: what was asked, came, and was decided."""
    lines = _asked(config, lambda service, lab_id: service.activity(lab_id, report))
    if as_json:
        print_json(lines)
    else:
        print_log(report, lines)


@app.command(epilog="Example: rerund rerun request 1001 --index 1 --index 3 --reason 'clot?'")
def request(
    report: ReportArgument,
    index: Annotated[
        list[int], typer.Option("--index", metavar="N", help="A parameter; may be repeated.")
    ],
    reason: Annotated[str | None, typer.Option(help="Why, for the activity log.")] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="ID", help="Only this instrument may run it.")
    ] = "",
    dilution: Annotated[str | None, typer.Option(help="For example 1:10.")] = None,
    number: Annotated[
        int | None, typer.Option(help="The rerun number you expect; refused if it is another.")
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also for a completed or signed report.")
    ] = False,
    user: UserOption = 0,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Request a rerun of parameters: the report is locked (3) until their values are in."""
    asked = RerunRequest(
        requested_parameters=tuple(index),
        rerun_number=number,
        reason=reason,
        dilution=dilution,
        device_id=device,
        confirm=confirm,
    )
    answer = _asked(
        config, lambda service, lab_id: service.request(lab_id, report, asked, user=user)
    )
    if as_json:
        print_json(answer)
    else:
        names = ", ".join(map(str, listed(answer["parameter_names"])))
        typer.echo(f"rerun {answer['rerun_number']} of report {report} requested: {names}")


@app.command(epilog="Example: rerund rerun confirm 1001 --take 1=1 --take 3=2 --version 5")
def confirm(
    report: ReportArgument,
    take: Annotated[
        list[str] | None,
        typer.Option(
            "--take",
            metavar="INDEX=NUMBER",
            help="Show this rerun's value; may be repeated."
            " 0 or left out keeps what the report shows.",
        ),
    ] = None,
    version: VersionOption = None,
    close_open: Annotated[
        bool, typer.Option("--close-open", help="Give up what an open rerun still waits for.")
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Also for a completed or signed report: it is amended."),
    ] = False,
    user: UserOption = 0,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Choose which values a report shows; every rerun under review is settled."""
    confirmation = Confirmation(
        version=version,
        values=tuple(map(_choice, take or [])),
        close_open=close_open,
        confirm=confirm,
    )
    answer = _asked(
        config, lambda service, lab_id: service.confirm(lab_id, report, confirmation, user=user)
    )
    if as_json:
        print_json(answer)
    else:
        print_confirmed(report, answer)


def _choice(text: str) -> Choice:
    index, equals, number = text.partition("=")
    if not (equals and index.isdecimal() and number.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not INDEX=NUMBER", param_hint="--take")
    return Choice(index=int(index), rerun_number=int(number))


@app.command(epilog="Example: rerund rerun auto-check 1001 --dry-run")
def auto_check(
    report: ReportArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be repeated.")
    ] = False,
    user: UserOption = 0,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Check the originals of a report by its auto rules, and open a rerun of what qualifies."""
    answer = _asked(
        config,
        lambda service, lab_id: service.auto_check(lab_id, report, dry_run=dry_run, user=user),
    )
    if as_json:
        print_json(answer)
    else:
        print_checked(report, answer)


@app.command(epilog="Example: rerund rerun cancel 1001 --reason 'sample lost'")
def cancel(
    report: ReportArgument,
    reason: Annotated[str | None, typer.Option(help="Why, for the activity log.")] = None,
    version: VersionOption = None,
    user: UserOption = 0,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Give up the open rerun, or all runs that wait for review. Originals stay."""
    answer = _asked(
        config,
        lambda service, lab_id: service.cancel(
            lab_id, report, user=user, version=version, reason=reason
        ),
    )
    if as_json:
        print_json(answer)
    else:
        numbers = ", ".join(map(str, listed(answer["cancelled"])))
        flag = answer["sampleRedrawFlag"]
        typer.echo(f"rerun {numbers} of report {report} cancelled; sampleRedrawFlag {flag}")
