"""`rerund rerun`: what technicians ask of a report."""

from typing import Annotated, NoReturn

import typer

from rerund.cli.exits import REFUSED, UNAVAILABLE, fail
from rerund.cli.options import CONFIG_DEFAULT, ConfigOption, JsonOption, opened_service
from rerund.cli.tables import print_json, print_table
from rerund.rerun.refusals import Refusal
from rerund.rerun.requests import RerunRequest
from rerund.stores.ports import StoreUnavailable

app = typer.Typer(help="Reruns of a report: show, request, cancel.", no_args_is_help=True)

ReportArgument = Annotated[int, typer.Argument(metavar="REPORT", help="The lab_report_id.")]
UserOption = Annotated[
    int, typer.Option("--user", metavar="ID", help="Who asks: created_by and the activity log.")
]


def _refused(error: Refusal) -> NoReturn:
    more = "".join(f", {name} {value}" for name, value in error.details.items())
    fail(f"{error.code}: {error}{more}", REFUSED)


@app.command(epilog="Example: rerund rerun show 1001")
def show(
    report: ReportArgument,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show a report: its flag, the open rerun, originals and rerun values."""
    with opened_service(config) as (service, lab_id):
        try:
            answer = service.show(lab_id, report)
        except Refusal as error:
            _refused(error)
        except StoreUnavailable as error:
            fail(str(error), UNAVAILABLE)
    if as_json:
        print_json(answer)
        return
    typer.echo(f"report {report}: sampleRedrawFlag {answer['sampleRedrawFlag']} ", nl=False)
    typer.echo(f"({_FLAGS[int(str(answer['sampleRedrawFlag']))]}), version {answer['version']}")
    _print_values(answer)


def _print_values(answer: dict[str, object]) -> None:
    originals = answer["originals"]
    reruns = answer["reruns"]
    assert isinstance(originals, list)
    assert isinstance(reruns, list)
    print_table(
        ["index", "parameter", "original", "units", "run at"],
        [
            [v["index"], v["parameter_name"], v["value"], v.get("units"), v.get("run_at")]
            for v in originals
        ],
    )
    if reruns:
        print_table(
            ["index", "parameter", "rerun", "value", "units", "run at", "type", "requested"],
            [
                [
                    v["index"],
                    v["parameter_name"],
                    v["rerun_number"],
                    v["value"],
                    v["units"],
                    v["run_at"],
                    v["rerun_type"],
                    "yes" if v["requested"] else "no",
                ]
                for v in reruns
            ],
        )


_FLAGS = ("normal", "redrawn", "redrawn", "rerun requested", "rerun values to review")


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
    with opened_service(config) as (service, lab_id):
        try:
            answer = service.request(lab_id, report, asked, user=user)
        except Refusal as error:
            _refused(error)
        except StoreUnavailable as error:
            fail(str(error), UNAVAILABLE)
    if as_json:
        print_json(answer)
    else:
        names = ", ".join(map(str, _listed(answer["parameter_names"])))
        typer.echo(f"rerun {answer['rerun_number']} of report {report} requested: {names}")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@app.command(epilog="Example: rerund rerun cancel 1001 --reason 'sample lost'")
def cancel(
    report: ReportArgument,
    reason: Annotated[str | None, typer.Option(help="Why, for the activity log.")] = None,
    version: Annotated[
        int | None, typer.Option(help="Of the report as you saw it; refused if it has changed.")
    ] = None,
    user: UserOption = 0,
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Give up the open rerun, or all runs that wait for review. Originals stay."""
    with opened_service(config) as (service, lab_id):
        try:
            answer = service.cancel(lab_id, report, user=user, version=version, reason=reason)
        except Refusal as error:
            _refused(error)
        except StoreUnavailable as error:
            fail(str(error), UNAVAILABLE)
    if as_json:
        print_json(answer)
    else:
        numbers = ", ".join(map(str, _listed(answer["cancelled"])))
        flag = answer["sampleRedrawFlag"]
        typer.echo(f"rerun {numbers} of report {report} cancelled; sampleRedrawFlag {flag}")
