"""`rerund results`: the values of a sample, original and reruns side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from drivers.result import Result
from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    opened_journal,
    opened_service,
)
from rerund.cli.tables import print_table
from rerund.payload_codec import to_json, unpack
from rerund.rerun.model import Payload


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: rerund results S001 --json")(results)


def results(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="The sample id.")],
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show every value of a sample: first runs and reruns side by side, unmatched ones too.

    With --json one payload a line. Exits 1 when nothing is known of the sample.
    """
    with opened_service(config) as (service, lab_id):
        view = service.results(lab_id, sample)
    payloads = view.payloads
    payloads = [*payloads, *_not_in_the_ledger(config, sample, payloads)]
    if as_json:
        for payload in payloads:
            typer.echo(to_json(payload).decode())
    else:
        _print(sample, payloads)
        for reason in view.reasons:
            typer.echo(f"not on a report: {_REASONS.get(reason, reason)}")
    if not payloads:
        raise typer.Exit(1)


def _not_in_the_ledger(config: Path, sample: str, known: Sequence[Payload]) -> list[Payload]:
    """Return what the journal has besides: QC, and what the stores have not taken yet."""
    ids = {payload.payload_id for payload in known}
    with opened_journal(config) as reader:
        stored = reader.payloads_of_sample(sample)
    decoded = [unpack(payload.body)[0] for payload in stored if payload.state != "discarded"]
    return [payload for payload in decoded if payload.payload_id not in ids]


def _print(sample: str, payloads: Sequence[Payload]) -> None:
    if not payloads:
        typer.echo(f"nothing is known of sample {sample}")
        return
    for report in sorted({payload.lab_report_id or 0 for payload in payloads}):
        runs = [payload for payload in payloads if (payload.lab_report_id or 0) == report]
        typer.echo(f"sample {sample}, " + (f"report {report}" if report else "no report"))
        rows = [[name, *(cells)] for name, cells in _side_by_side(runs)]
        print_table(["", *(_heading(run) for run in runs)], rows)


def _heading(payload: Payload) -> str:
    return f"{_run_name(payload)}\n{payload.device_name}\n{payload.results[0].run_at or ''}"


def _run_name(payload: Payload) -> str:
    if payload.kind != "patient":
        return payload.kind
    if not payload.is_rerun:
        return "original" if payload.results[0].supersedes is None else "correction"
    number = payload.assigned_rerun_number or payload.rerun_number
    who = "by the instrument" if payload.machine_triggered_rerun else "requested"
    return f"rerun {number}, {who}" if number > 0 else f"rerun, {who}"


def _side_by_side(runs: Sequence[Payload]) -> Iterable[tuple[str, list[str]]]:
    names: dict[str, None] = {}
    cells: dict[tuple[str, int], str] = {}
    for column, run in enumerate(runs):
        for result in run.results:
            name = result.parameter_name or result.test_code
            names.setdefault(name)
            cells[name, column] = _cell(result)
    for name in names:
        yield name, [cells.get((name, column), "") for column in range(len(runs))]


def _cell(result: Result) -> str:
    text = " ".join(filter(None, (result.value, result.units, "".join(result.abnormal_flags))))
    return f"{text} [{result.invalid_reason}]" if result.invalid_reason else text


_REASONS = {
    "no_report": "no report is registered for the sample in the time of the run",
    "no_mapping": "the test code is mapped to no parameter of a report",
    "ambiguous_sample": "two patients are possible: the ids of report and instrument differ",
}
