"""Which reports a sample's values belong to."""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from rerund.rerun.instants import seconds
from rerund.rerun.records import ReportRow
from rerund.rerun.rules import Rules

Unmatched = Literal["no_report", "ambiguous_sample", "unreliable_id"]


class Run(NamedTuple):
    """What matching needs of a run: when (Unix seconds), of whom, and whether a repeat."""

    at: float
    is_rerun: bool
    patient_ids: Collection[str] = ()


class Match(NamedTuple):
    """The reports found, or why none may be used."""

    reports: list[ReportRow]
    reason: Unmatched | None = None


def match(run: Run, reports: Iterable[ReportRow], rules: Rules) -> Match:
    """The newest registration per report format among a sample's reports.

    Reports whose registration lies outside the windows around the run, or that were
    completed before it, are left out. Where two patients are possible nothing is chosen.
    """
    candidates = [r for r in reports if _in_windows(run, r, rules) and _takes_part(run, r, rules)]
    if not candidates:
        return Match([], "no_report")
    chosen = _newest_per_format(candidates)
    if _ambiguous(run, chosen, candidates):
        return Match([], "ambiguous_sample")
    return Match(chosen)


def _in_windows(run: Run, report: ReportRow, rules: Rules) -> bool:
    registered = seconds(report.registered_at)
    return run.at - rules.sample_id_window <= registered <= run.at + rules.late_order_window


def _takes_part(run: Run, report: ReportRow, rules: Rules) -> bool:
    if report.completed_at is None or not (report.is_completed or report.is_signed):
        return True
    age = run.at - seconds(report.completed_at)
    return age <= 0 or (run.is_rerun and age <= rules.history_window)


def _newest_per_format(reports: list[ReportRow]) -> list[ReportRow]:
    newest: dict[int, ReportRow] = {}
    for report in sorted(reports, key=lambda r: (seconds(r.registered_at), r.lab_report_id)):
        newest[report.report_format_id] = report
    return sorted(newest.values(), key=lambda r: r.lab_report_id)


def _ambiguous(run: Run, chosen: list[ReportRow], candidates: list[ReportRow]) -> bool:
    patients = {report.patient_id for report in chosen if report.patient_id}
    if len(patients) > 1:
        return True
    if patients and run.patient_ids and not patients & set(run.patient_ids):
        return True
    # A newer registration takes the barcode over; but one made after the run may be the
    # late order of this patient or the first of the next.
    late = any(seconds(report.registered_at) > run.at for report in chosen)
    return late and len({r.patient_id for r in candidates if r.patient_id}) > 1
