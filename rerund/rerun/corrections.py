"""Corrections, withdrawals and status updates: a run that is known changes in place."""

from typing import NamedTuple

from rerund.rerun.case import ReportCase
from rerund.rerun.documents import SampleRerunValues
from rerund.rerun.draft import Draft
from rerund.rerun.placing import Placed
from rerund.rerun.records import LedgerRow
from rerund.rerun.slots import invalid_reason
from rerund.rerun.states import Event


class Correction(NamedTuple):
    """A value, the ledger row of the run it changes, and where that run is shown."""

    value: Placed
    old: LedgerRow
    shown: bool
    reviewed: SampleRerunValues | None


def find_corrected(case: ReportCase, value: Placed) -> Correction | None:
    """The run that a value changes in place.

    None when the run is unknown, or the report shows it and is completed or signed, or
    what could not be used, or not be shown in its unit, becomes usable: such a value is
    registered like any other, so that a person decides or the empty slot is filled.
    """
    old = _latest(case, value)
    if old is None:
        return None
    if case.shows(old):
        return None if case.closed_to_lims else Correction(value, old, True, None)
    reviewed = _reviewed(case, old)
    empty = value.index not in case.slots
    left_out = old.outcome == "ignored" or (old.outcome == "original" and empty)
    if reviewed is None and left_out and value.usable:
        return None
    return Correction(value, old, False, reviewed)


def _latest(case: ReportCase, value: Placed) -> LedgerRow | None:
    """The row of the superseded run, or of what superseded that one meanwhile.

    A value that names no run changes none: every original has a None there too. One that
    names a run which had come again changes the run itself.
    """
    wanted = value.result.supersedes
    if wanted is None:
        return None
    found = _follow(case, value.index, wanted)
    run = None if found is None else _came_before(case, found)
    return found if run is None else _follow(case, value.index, run.result_id)


def _follow(case: ReportCase, index: int, result_id: str) -> LedgerRow | None:
    found: LedgerRow | None = None
    for row in case.ledger:
        if row.index == index and result_id in (row.result_id, row.result.supersedes):
            found = row
            result_id = row.result_id
    return found


def _came_before(case: ReportCase, again: LedgerRow) -> LedgerRow | None:
    """The row of the run that a row was ignored for; None for any other row."""
    if again.reason != "known_run":
        return None
    of_index = (row for row in case.ledger if row.index == again.index)
    same = (row for row in of_index if row.identity == again.identity)
    return next((row for row in same if row.reason != again.reason), None)


def _reviewed(case: ReportCase, old: LedgerRow) -> SampleRerunValues | None:
    key = (old.rerun_number, old.index, old.result.replicate)
    value = case.values.get(key)
    return value if value is not None and value.result_id == old.result_id else None


def apply_correction(draft: Draft, correction: Correction) -> None:
    """Change the run in place, keep both rows in the ledger and log old and new."""
    value, old = correction.value, correction.old
    transition = draft.step(Event.CORRECTION)
    row = value.row
    row.outcome, row.rerun_number, row.settled = old.outcome, old.rerun_number, old.settled
    row.requested = old.requested
    row.reason = value.result.run_kind
    old.outcome = "superseded"
    draft.case.touch_row(old)
    draft.case.touch_row(row)
    if correction.shown:
        _change_slot(draft, value)
    if correction.reviewed is not None:
        _change_reviewed(draft, value, correction.reviewed)
    draft.log(
        transition.log,
        row.rerun_number or None,
        old={"index": old.index, "value": old.value, "status": old.result.result_status},
        new={
            "index": row.index,
            "value": row.value,
            "status": row.result.result_status,
            "change": value.result.run_kind,
        },
    )


def _invalid_reason(value: Placed) -> str | None:
    if value.result.run_kind == "withdrawal":
        return value.result.invalid_reason or "withdrawn"
    return invalid_reason(value)


def _change_slot(draft: Draft, value: Placed) -> None:
    slot = draft.case.slots[value.index]
    slot.invalid_reason = _invalid_reason(value)
    slot.result_status = value.result.result_status
    slot.abnormal_flags = value.result.abnormal_flags
    slot.result_id = value.result.result_id
    slot.updated_at = draft.at
    if value.shown is not None and value.result.run_kind != "withdrawal":
        slot.value, slot.numeric = value.shown.value, value.shown.numeric
        slot.comparator = value.result.comparator
        slot.device_value, slot.device_units = value.result.value, value.result.units
        slot.run_at = value.result.run_at
    draft.case.touch_slot(slot)


def _change_reviewed(draft: Draft, value: Placed, reviewed: SampleRerunValues) -> None:
    reviewed.invalid_reason = _invalid_reason(value)
    reviewed.result_status = value.result.result_status
    reviewed.abnormal_flags = value.result.abnormal_flags
    reviewed.result_id = value.result.result_id
    if value.shown is not None and value.result.run_kind != "withdrawal":
        reviewed.value, reviewed.numeric = value.shown.value, value.shown.numeric
        reviewed.units = value.shown.units
        reviewed.comparator = value.result.comparator
        reviewed.run_at = value.result.run_at
    draft.write_value(reviewed)
    rerun = draft.case.reruns[reviewed.rerun_number]
    rerun.count(reviewed.index, usable=reviewed.invalid_reason is None)
    draft.write_rerun(rerun)
