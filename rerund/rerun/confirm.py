"""Confirming: a person chooses which values a report shows, and every run is settled. Pure."""

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.documents import SampleRerunValues
from rerund.rerun.draft import Draft
from rerund.rerun.opening import close_rerun
from rerund.rerun.records import EventRow, LedgerRow
from rerund.rerun.refusals import Conflict, Impossible, check_version
from rerund.rerun.slots import chosen_slot
from rerund.rerun.states import ActivityCode, Event

Chosen = dict[int, SampleRerunValues]
"""The value to show, by index."""


class Choice(msgspec.Struct, kw_only=True, frozen=True):
    """The run whose value an index shall show; `rerun_number` 0 keeps what it shows."""

    index: int
    rerun_number: int


class Confirmation(msgspec.Struct, kw_only=True, frozen=True):
    """What a person has decided. `version` is the report's as seen, None for whatever it is.

    `close_open` gives up what has not come of an open rerun; `confirm` is needed to change
    a completed or signed report.
    """

    version: int | None
    values: tuple[Choice, ...] = ()
    close_open: bool = False
    confirm: bool = False


def confirm(case: ReportCase, confirmation: Confirmation, draft: Draft) -> EventRow:
    """Show the chosen values, settle all runs of the report, flag 0, log 980.

    A signature is taken back when what the report shows changes; whether it is completed
    stays as the LIMS says. Raises Conflict (`changed`, `rerun_open`, `nothing_to_review`,
    `redrawn`, `completed`) and Impossible for a choice that nobody could make.
    """
    check_version(case.row.rerun_version, confirmation.version)
    closing = confirmation.close_open
    transition = draft.step(Event.CONFIRM_CLOSING if closing else Event.CONFIRM)
    chosen = _chosen(case, confirmation.values)
    amended = case.closed_to_lims and not all(map(case.shows, chosen.values()))
    if amended and not confirmation.confirm:
        raise Conflict("completed", "the report is completed or signed", "confirm")
    reviewed = sorted({value.index for value in case.values.values()})
    old = _shown(case, reviewed)
    numbers = sorted(case.reruns)
    _settle(case, chosen)
    for value in chosen.values():
        case.touch_slot(chosen_slot(draft, value, _row_of(case, value), _replicates(case, value)))
    for number in numbers:
        close_rerun(draft, number)
    if amended:
        case.row.is_signed = False
    draft.number = numbers[-1] if numbers else None
    _log(draft, transition.log, chosen, old, amended=amended)
    return draft.close(
        {
            "confirmed": [_as_answer(value, old) for value in chosen.values()],
            "kept": [index for index in reviewed if index not in chosen],
            "settled": numbers,
            "amended": amended,
            "sampleRedrawFlag": case.row.flag,
            "version": draft.version,
            "next_rerun_number": case.row.last_rerun_number + 1,
        }
    )


def _chosen(case: ReportCase, choices: tuple[Choice, ...]) -> Chosen:
    chosen: Chosen = {}
    seen: set[int] = set()
    for choice in choices:
        if choice.index in seen:
            raise _impossible("same_index", f"index {choice.index} is chosen twice")
        seen.add(choice.index)
        if choice.index not in case.parameters:
            raise _impossible("unknown_parameter", f"the report has no index {choice.index}")
        if choice.rerun_number:
            chosen[choice.index] = _value(case, choice)
        elif choice.index not in case.slots:
            raise _impossible("no_value", f"index {choice.index} has no original to keep")
    return chosen


def _value(case: ReportCase, choice: Choice) -> SampleRerunValues:
    """The instrument's mean, else the first replicate that can be used."""
    index, number = choice.index, choice.rerun_number
    if number not in case.reruns:
        raise _impossible("unknown_rerun", f"no rerun {number} waits for review")
    values = [v for v in case.values.values() if (v.index, v.rerun_number) == (index, number)]
    if not values:
        raise _impossible("no_value", f"rerun {number} has no value of index {index}")
    usable = [value for value in values if value.invalid_reason is None]
    if not usable:
        mismatch = any(value.invalid_reason == "unit_mismatch" for value in values)
        code = "unit_mismatch" if mismatch else "unusable"
        raise _impossible(code, f"the value of index {index} in rerun {number} cannot be used")
    return min(usable, key=lambda value: value.replicate)


def _impossible(code: str, message: str) -> Impossible:
    return Impossible(code, message, "values")


def _row_of(case: ReportCase, value: SampleRerunValues) -> LedgerRow:
    rows = case.by_result[value.result_id]
    return next(row for row in rows if row.index == value.index)


def _replicates(case: ReportCase, value: SampleRerunValues) -> int:
    """How many replicates of a value's index came in its run."""
    run = (value.index, value.rerun_number)
    return sum(1 for v in case.values.values() if v.replicate and (v.index, v.rerun_number) == run)


def _settle(case: ReportCase, chosen: Chosen) -> None:
    """Say in the ledger what became of the runs under review and of what they compete with."""
    picked = {(value.result_id, index) for index, value in chosen.items()}
    reviewed = {value.index for value in case.values.values()}
    for row in case.ledger:
        competes = row.index in reviewed and case.shows(row)
        under_review = row.outcome == "registered" and row.settled is None
        if not (competes or (under_review and row.rerun_number in case.reruns)):
            continue
        if (row.result_id, row.index) in picked:
            row.settled = "confirmed"
        elif competes and row.index not in chosen:
            row.settled = row.settled or "kept"
        else:
            row.settled = "discarded"
        case.touch_row(row)


def _shown(case: ReportCase, indexes: list[int]) -> dict[str, object]:
    return {str(i): case.slots[i].value if i in case.slots else None for i in indexes}


def _log(
    draft: Draft,
    code: ActivityCode | None,
    chosen: Chosen,
    old: dict[str, object],
    *,
    amended: bool,
) -> None:
    """Old and new per parameter under review, and which of them a person changed."""
    new = {**old, **{str(index): value.value for index, value in chosen.items()}}
    numbers = {str(index): value.rerun_number for index, value in chosen.items()}
    said: dict[str, object] = {"values": new, "rerun_numbers": numbers}
    if amended:
        said["amended"] = True
    draft.log(code, draft.number, old={"values": old}, new=said)


def _as_answer(value: SampleRerunValues, old: dict[str, object]) -> dict[str, object]:
    return {
        "index": value.index,
        "parameter_name": value.parameter_name,
        "rerun_number": value.rerun_number,
        "value": value.value,
        "units": value.units,
        "old": old.get(str(value.index)),
    }
