"""`rerund results`: the values of a sample, original and reruns side by side."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerund.cli.options import (
    CONFIG_DEFAULT,
    ConfigOption,
    JsonOption,
    opened_journal,
    opened_service,
)
from rerund.cli.results_table import Run, print_runs, what_became
from rerund.payload_codec import to_json, unpack

if TYPE_CHECKING:
    from rerund.journal.rows import StoredPayload


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: rerund results S001 --json")(results)


def results(
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="The sample id.")],
    config: ConfigOption = CONFIG_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show every value of a sample: first runs and reruns side by side, unmatched ones too.

    Behind a value stands what became of it: shown on the report, to review, or settled (confirmed,
    kept, discarded). What the stores have not taken yet says so. With --json one payload a line.
    Exits 1 when nothing is known of the sample.
    """
    with opened_service(config) as (service, lab_id):
        view = service.results(lab_id, sample)
    marks = what_became(view)
    runs = [Run(payload, "", marks) for payload in view.payloads]
    runs += _not_in_the_ledger(config, sample, {payload.payload_id for payload in view.payloads})
    if as_json:
        for run in runs:
            typer.echo(to_json(run.payload).decode())
    else:
        print_runs(sample, runs)
        for reason in view.reasons:
            typer.echo(f"not on a report: {_REASONS.get(reason, reason)}")
    if not runs:
        raise typer.Exit(1)


def _not_in_the_ledger(config: Path, sample: str, known: Collection[str]) -> list[Run]:
    """Return what the journal has besides: QC, and what the stores have not taken yet."""
    with opened_journal(config) as reader:
        stored = reader.payloads_of_sample(sample)
    return [
        Run(unpack(payload.body)[0], _waiting(payload))
        for payload in stored
        if payload.state != "discarded" and payload.payload_id not in known
    ]


def _waiting(payload: "StoredPayload") -> str:
    """Say why the stores do not have a payload, nothing of one that they do not keep (QC)."""
    match payload.state:
        case "pending":
            return "waiting to be delivered"
        case "held":
            return f"on hold: {payload.reason}"
        case "parked":
            return "waits behind one on hold"
        case _:
            return ""


_REASONS = {
    "no_report": "no report is registered for the sample in the time of the run",
    "no_mapping": "the test code is mapped to no parameter of a report",
    "ambiguous_sample": "two patients are possible: the ids of report and instrument differ",
}
