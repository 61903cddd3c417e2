"""How `rerund results` prints a sample: a table for each report, a column for each run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer

from drivers.result import Result
from rerund.cli.answers import Object, objects
from rerund.cli.tables import print_table
from rerund.rerun.model import Payload

if TYPE_CHECKING:
    from rerund.rerun.views import SampleView

Place = tuple[int | None, int | None, str]
"""A report, an index of it, and a result."""


class Run(NamedTuple):
    """One payload, why the stores do not have it yet, and what became of the values of all."""

    payload: Payload
    waiting: str
    marks: Mapping[Place, str] = {}


def what_became(view: "SampleView") -> dict[Place, str]:
    """Return what became of each value that a report knows, in a word or two."""
    marks: dict[Place, str] = {}
    for report in view.reports:
        number = int(str(report.answer["lab_report_id"]))
        for original in objects(report.answer["originals"]):
            marks |= {_place(number, original, other): _fate(other) for other in _others(original)}
            if "result_id" in original:
                marks[_place(number, original, original)] = "shown"
        for value in objects(report.answer["reruns"]):
            marks[_place(number, value, value)] = "to review"
    return marks


def _others(original: Object) -> list[Object]:
    return objects(original["others"])


def _place(report: int, parameter: Object, value: Object) -> Place:
    return report, int(str(parameter["index"])), str(value["result_id"])


def _fate(other: Object) -> str:
    """What became of a value that is not shown: how it was settled, else why it never was shown."""
    settled, outcome = other["settled"], str(other["outcome"])
    return str(settled) if settled else {"original": "not shown"}.get(outcome, outcome)


def print_runs(sample: str, runs: Sequence[Run]) -> None:
    """Print a table for each report, and one for what is on none."""
    if not runs:
        typer.echo(f"nothing is known of sample {sample}")
        return
    for report in sorted({run.payload.lab_report_id or 0 for run in runs}):
        columns = [run for run in runs if (run.payload.lab_report_id or 0) == report]
        typer.echo(f"sample {sample}, " + (f"report {report}" if report else "no report"))
        print_table(["", *map(_heading, columns)], _side_by_side(columns))


def _heading(run: Run) -> str:
    payload = run.payload
    lines = [_run_name(payload), payload.device_name, payload.results[0].run_at or "", run.waiting]
    return "\n".join(lines).rstrip("\n")


def _run_name(payload: Payload) -> str:
    if payload.kind != "patient":
        return payload.kind
    if not payload.is_rerun:
        return "original" if payload.results[0].supersedes is None else "correction"
    number = payload.assigned_rerun_number or payload.rerun_number
    who = "by the instrument" if payload.machine_triggered_rerun else "requested"
    return f"rerun {number}, {who}" if number > 0 else f"rerun, {who}"


def _side_by_side(runs: Sequence[Run]) -> Iterator[list[str]]:
    names: dict[str, None] = {}
    cells: dict[tuple[str, int], str] = {}
    for column, run in enumerate(runs):
        for result in run.payload.results:
            name = result.parameter_name or result.test_code
            names.setdefault(name)
            cells[name, column] = _cell(result, _mark(run, result))
    for name in names:
        yield [name, *(cells.get((name, column), "") for column in range(len(runs)))]


def _mark(run: Run, result: Result) -> str:
    return run.marks.get((run.payload.lab_report_id, result.index, result.result_id), "")


def _cell(result: Result, mark: str) -> str:
    reason = f"[{result.invalid_reason}]" if result.invalid_reason else ""
    parts = (result.value, result.units, "".join(result.abnormal_flags), reason)
    return _joined((*parts, f"({mark})" if mark else ""))


def _joined(parts: Iterable[str | None]) -> str:
    return " ".join(part for part in parts if part)
