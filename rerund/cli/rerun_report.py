"""How `rerund rerun` prints a report and what was decided on it."""

import time
from datetime import UTC, datetime

import typer

from rerund.cli.answers import Object, objects, words
from rerund.cli.tables import print_table

_FLAGS = ("normal", "redrawn", "redrawn", "rerun requested", "rerun values to review")

_REASONS = {
    "none_qualified": "no original qualifies",
    "already_rerun": "what qualifies has had its auto rerun",
    "completed": "the report is completed or signed",
    "rerun_open": "a rerun is open",
    "under_review": "rerun values wait for review",
    "extended": "the open auto rerun asks for them too",
    "dry_run": "nothing was requested",
}


def print_report(answer: Object, overdue: float, device: str) -> None:
    """Print the fetch answer; a rerun that is open for `overdue` seconds says so.

    `device` is the instrument that alone may run it, if it was asked for.
    """
    flag = int(str(answer["sampleRedrawFlag"]))
    typer.echo(
        f"report {answer['lab_report_id']}: sampleRedrawFlag {flag} ({_FLAGS[flag]}),"
        f" version {answer['version']}, next rerun {answer['next_rerun_number']}"
    )
    active = answer["active"]
    if isinstance(active, dict):
        _print_open(active, overdue, device)
    _print_originals(objects(answer["originals"]))
    _print_reruns(objects(answer["reruns"]))


def _print_open(active: Object, overdue: float, device: str) -> None:
    since = int(str(active["created_at"]))
    late = ", OVERDUE" if time.time() - since > overdue else ""
    asked = f"by user {active['created_by']}" if active["type"] == "Manual" else "by rule"
    typer.echo(
        f"open rerun {active['rerun_number']} ({active['type']}, requested {asked}"
        f" at {datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%SZ}{late}):"
        f" {words(active['parameter_names'])}"
    )
    typer.echo(
        f"  requested {words(active['requested_parameters'])};"
        f" came {words(active['fulfilled_parameters'])};"
        f" failed {words(active['failed_parameters'])}"
    )
    given = {"reason": active["reason"], "dilution": active["dilution"], "instrument": device}
    said = "; ".join(f"{name}: {text}" for name, text in given.items() if text)
    if said:
        typer.echo(f"  {said}")


def _print_originals(originals: list[Object]) -> None:
    print_table(
        ["index", "parameter", "shown", "units", "run at", "instrument", "from"],
        [
            [
                v["index"],
                v["parameter_name"],
                _text(v),
                v.get("units"),
                v.get("run_at"),
                v.get("device_name"),
                _source(v),
            ]
            for v in originals
        ],
    )


def _source(value: Object) -> str:
    if "source" not in value:
        return "no usable value"
    return f"rerun {value['rerun_number']}" if value["source"] == "rerun" else "original"


def _text(value: Object) -> object:
    reason = value.get("invalid_reason")
    return f"{value['value']} ({reason})" if reason else value["value"]


def _print_reruns(reruns: list[Object]) -> None:
    if not reruns:
        return
    print_table(
        [
            "index",
            "parameter",
            "rerun",
            "value",
            "units",
            "run at",
            "instrument",
            "type",
            "requested",
        ],
        [
            [
                v["index"],
                v["parameter_name"],
                v["rerun_number"],
                _text(v),
                v["units"],
                v["run_at"],
                v["device_name"],
                v["rerun_type"],
                "yes" if v["requested"] else "no",
            ]
            for v in reruns
        ],
    )


def print_confirmed(report: int, answer: Object) -> None:
    """Print what a confirmation changed."""
    amended = ", amended" if answer["amended"] else ""
    typer.echo(
        f"rerun {words(answer['settled'])} of report {report} settled{amended};"
        f" sampleRedrawFlag {answer['sampleRedrawFlag']}"
    )
    for value in objects(answer["confirmed"]):
        old = "" if value["old"] is None else f", was {value['old']}"
        typer.echo(
            f"  {value['parameter_name']}: {value['value']} of rerun {value['rerun_number']}{old}"
        )
    typer.echo(f"  kept as they were: {words(answer['kept'])}")


def print_checked(report: int, answer: Object) -> None:
    """Print what an auto-check found and did."""
    if answer["created"]:
        typer.echo(f"rerun {answer['rerun_number']} of report {report} requested")
    else:
        typer.echo(f"no rerun of report {report} was created: {_REASONS[str(answer['reason'])]}")
    qualified = objects(answer["qualified"])
    if qualified:
        print_table(
            ["index", "parameter", "value", "condition", "bound"],
            [
                [q["index"], q["parameter_name"], q["value"], q["condition"], q["bound"]]
                for q in qualified
            ],
        )
