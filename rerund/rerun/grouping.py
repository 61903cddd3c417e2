"""Payloads: the values of a message grouped by sample, run state and run."""

import uuid
from collections.abc import Sequence

import msgspec

from drivers.result import Result, SampleResults
from rerund.rerun.classify import CHANGING_KINDS, Findings
from rerund.rerun.history import SampleHistory
from rerund.rerun.identity import payload_id, run_key, seconds_between
from rerund.rerun.model import KnownRun, Payload, PayloadContext
from rerund.rerun.qualify import Verdict

_ORDER = {"original": 0, "change": 1, "rerun": 2}


class Source(msgspec.Struct, frozen=True):
    """Where values came from: instrument, driver, and the entry of the journal."""

    device_id: str
    device_name: str
    driver: str
    driver_version: str
    lab_id: int | None
    journal_id: str
    journal: uuid.UUID
    entry_id: int
    received_at: str | None


def process_reports_for_rerun(
    sample: SampleResults,
    ordinal: int,
    values: Sequence[tuple[Result, Verdict]],
    history: SampleHistory,
    findings: Findings,
    source: Source,
) -> list[tuple[Payload, PayloadContext]]:
    """Make the payloads of one sample of one message: originals first, then runs in order.

    `ordinal` tells the samples of a message apart.
    """
    groups: dict[str, tuple[Verdict, list[Result]]] = {}
    for result, verdict in values:
        groups.setdefault(verdict.group, (verdict, []))[1].append(result)
    in_order = sorted(groups.values(), key=lambda group: _ORDER[group[0].state])
    compared = tuple(findings.compared)
    return [
        (
            make_payload(sample, ordinal, results, verdict, source),
            _context(sample, ordinal, results, verdict, history, compared, source),
        )
        for verdict, results in in_order
    ]


def make_payload(
    sample: SampleResults, ordinal: int, results: list[Result], verdict: Verdict, source: Source
) -> Payload:
    """Make the payload of one group of values."""
    return Payload(
        payload_id(source.journal, source.entry_id, sample.message, f"{ordinal}-{verdict.group}"),
        source.lab_id,
        source.device_id,
        source.device_name,
        source.driver,
        source.driver_version,
        source.entry_id,
        source.received_at,
        sample.sample_id,
        None,
        sample.kind,
        verdict.state == "rerun",
        verdict.number,
        verdict.rerun_type,
        verdict.rerun_type == "machine_rerun",
        None,
        results,
    )


def first_run_key(sample: SampleResults, ordinal: int, group: str, source: Source) -> str:
    """Return the key of a run that begins with this message."""
    return run_key(
        source.device_id,
        sample.sample_id,
        source.journal_id,
        source.entry_id,
        f"{sample.message}-{ordinal}-{group}",
    )


def _context(
    sample: SampleResults,
    ordinal: int,
    results: Sequence[Result],
    verdict: Verdict,
    history: SampleHistory,
    compared: tuple[str, ...],
    source: Source,
) -> PayloadContext:
    requested = verdict.requested
    return PayloadContext(
        _joined_run(results, verdict, history)
        or first_run_key(sample, ordinal, verdict.group, source),
        sample.id_reliable,
        sample.patient,
        requested.lab_report_id if requested else None,
        requested.version if requested else None,
        compared,
    )


def _joined_run(results: Sequence[Result], verdict: Verdict, history: SampleHistory) -> str | None:
    """Return the key of the run that these values continue, if they do.

    The run's last message came less than `run_window` before, it has none of these tests
    yet, and it is of the same kind.
    """
    if verdict.state == "change":
        return None
    alike = [
        run
        for run in history.runs
        if run.rerun_number == verdict.number and run.run_kind not in CHANGING_KINDS
    ]
    if not alike:
        return None
    run = [other for other in alike if other.run_key == alike[-1].run_key]
    gap = seconds_between(alike[-1].received_at, history.setting.received_at)
    if gap is None or gap >= history.setting.windows.run_window:
        return None
    if run[0].run_kind != results[0].run_kind or _tests(run) & _tests(results):
        return None
    return alike[-1].run_key


def _tests(runs: Sequence[KnownRun | Result]) -> set[tuple[str, int]]:
    return {(run.test_code, run.replicate) for run in runs}
