"""Rerun values that somebody submits to one report by its indexes, instead of an instrument.

They go the way of an instrument's values from their ledger rows on. What stands for a run
that the report has already is left out before, so that sending again changes nothing.
"""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from drivers.result import Result
from drivers.sections import ResultSection
from drivers.values import compile_value
from rerund import __version__
from rerund.rerun.case import ReportCase
from rerund.rerun.delivery import Delivery, ledger_row, run_identity
from rerund.rerun.draft import Draft
from rerund.rerun.identity import UNUSABLE_STATUSES
from rerund.rerun.instants import iso, seconds
from rerund.rerun.lab import Lab
from rerund.rerun.model import MACHINE_RERUN, RerunType
from rerund.rerun.placing import Placed
from rerund.rerun.receive import RERUN_TYPE, register
from rerund.rerun.records import EventRow, LedgerRow, Mapping, Origin
from rerund.rerun.refusals import Impossible
from rerund.rerun.rules import Rules
from rerund.rerun.sorting import Sorter
from rerund.rerun.units import canonical, convert

DRIVER = "http"
"""`driver` of what was submitted."""

_SUBMISSIONS = uuid.UUID("f1d0f2a6-2f0c-4b0e-9a4b-6f0f2f8f5f3d")

_LAST_INSTANT = seconds("9999-12-31T23:59:59Z")

_NO_NUMBER = {"pattern": r"^(-{2,}|\*+)$", "reason": "no_value"}  # what no instrument means else
_read_value = compile_value(
    ResultSection.model_validate({"test_code": "R.3", "invalid": [_NO_NUMBER]})
)


class SubmittedValue(msgspec.Struct, kw_only=True, frozen=True):
    """One value at an index of a report; without `units` it is in the report's.

    `run_at` is ISO 8601, UTC when it names no zone.
    """

    index: int
    value: str
    parameter_name: str | None = None
    units: str | None = None
    run_at: str | None = None
    abnormal_flags: tuple[str, ...] = ()
    result_status: str | None = None


class Submitted(msgspec.Struct, kw_only=True, frozen=True):
    """The values of one run. `rerun_number` alone says which: -1 is the instrument's own."""

    sample_id: str
    device_id: str
    device_name: str
    rerun_type: RerunType
    rerun_number: int
    values: tuple[SubmittedValue, ...]


class Submission(NamedTuple):
    """What was submitted, whether under a key of its sender, and the rules it is judged by."""

    submitted: Submitted
    keyed: bool
    rules: Rules


def receive_submitted(
    case: ReportCase, lab: Lab, submission: Submission, draft: Draft
) -> EventRow | dict[str, object]:
    """Register submitted values in a report; only an answer when all are known already.

    Raises Impossible for values that the report could never take: another sample, an
    unknown index, a number that was never given.
    """
    submitted = submission.submitted
    _check(case, submitted)
    delivery = _delivery(case, submission, draft)
    ignored: list[LedgerRow] = []
    placed: list[Placed] = []
    for position, value in enumerate(submitted.values, 1):
        one = _place(case, lab, delivery, (position, value))
        earlier = _earlier(case, one, submission, draft.at)
        if earlier is not None and _unchanged(one.result, earlier):
            ignored.append(earlier)
            continue
        if earlier is not None:
            one.result.run_kind, one.result.supersedes = "status_update", earlier.result_id
        placed.append(one)
    if not placed:
        return _known_answer(case, ignored)
    number = submitted.rerun_number
    sorter = Sorter(
        case, delivery, set(), submission.rules, None if number == MACHINE_RERUN else number
    )
    event = register(draft, placed, sorter, submission.rules)
    event.answer["ignored"] = [*(row.index for row in ignored), *_listed(event.answer["ignored"])]
    return event


def _check(case: ReportCase, submitted: Submitted) -> None:
    number = submitted.rerun_number
    if submitted.sample_id != case.row.sample_id:
        raise Impossible("other_sample", "the report is of another sample", "sample_id")
    if not submitted.values:
        raise Impossible("no_values", "no value is submitted", "device_data")
    if number != MACHINE_RERUN and not 1 <= number <= case.row.last_rerun_number:
        raise Impossible("unknown_rerun", f"rerun {number} was never requested", "rerun_number")
    for value in submitted.values:
        if value.index not in case.parameters:
            message = f"the report has no index {value.index}"
            raise Impossible("unknown_parameter", message, "device_data")
        if not _is_instant(value.run_at):
            message = f"run_at of index {value.index} is no instant from 1970 to 9999 (UTC)"
            raise Impossible("bad_run_at", message, "device_data")


def _is_instant(text: str | None) -> bool:
    """Whether there is none, or one that the stores can keep: as UTC, its year of four digits."""
    try:
        return text is None or 0 < seconds(text) <= _LAST_INSTANT
    except (ValueError, OverflowError):
        return False


def _name(case: ReportCase, submission: Submission, draft: Draft) -> str:
    """What ids are made of, the same after any crash: the key, else the runs themselves.

    Runs without a time are no others' equals, so theirs follow from this one event.
    """
    values = submission.submitted.values
    if submission.keyed or any(value.run_at is None for value in values):
        return uuid.uuid5(_SUBMISSIONS, draft.event_id).hex
    content = msgspec.json.encode([case.row.lab_id, case.row.lab_report_id, submission.submitted])
    return uuid.uuid5(_SUBMISSIONS, content.decode()).hex


def _delivery(case: ReportCase, submission: Submission, draft: Draft) -> Delivery:
    submitted, name = submission.submitted, _name(case, submission, draft)
    number = submitted.rerun_number
    rerun = case.reruns.get(number)
    own = number == MACHINE_RERUN
    origin = Origin(
        payload_id=name,
        device_id=submitted.device_id,
        device_name=submitted.device_name,
        driver=DRIVER,
        driver_version=__version__,
        entry_id=0,
        received_at=draft.at,
        sample_id=submitted.sample_id,
        kind="patient",
        id_reliable=True,
        is_rerun=True,
        rerun_number=number,
        rerun_type=RERUN_TYPE[rerun.type] if rerun else submitted.rerun_type,
        machine_triggered_rerun=own,
        run_key=f"{submitted.device_id}/{submitted.sample_id}/{name}",
        open_report=None if own else case.row.lab_report_id,
    )
    return Delivery(case.row.lab_id, origin, [], {})


def _place(
    case: ReportCase, lab: Lab, delivery: Delivery, numbered: tuple[int, SubmittedValue]
) -> Placed:
    """A value at its index. Its test code is the index: no mapping shall place it again."""
    position, value = numbered
    origin, parameter = delivery.origin, case.parameters[value.index]
    result = _result(f"{origin.payload_id}-{position}", value)
    delivery.results.append(result)
    mapping = lab.mapping_of(origin.device_id, case.row.report_format_id, value.index)
    row = ledger_row(delivery, result)
    row.lab_report_id, row.index = case.row.lab_report_id, value.index
    row.late = case.closed_to_lims
    if mapping is not None:
        by_wire = msgspec.structs.replace(result, test_code=mapping.test_code)
        row.identity = run_identity(origin.device_id, origin.sample_id, by_wire)
    neutral = Mapping(
        origin.device_id, result.test_code, case.row.report_format_id, value.index, ""
    )
    shown = convert(result, mapping if mapping and value.units else neutral, parameter)
    if shown is not None:
        row.value, row.units = shown.value, shown.units
    return Placed(result, value.index, parameter, shown, row)


def _result(result_id: str, value: SubmittedValue) -> Result:
    read = _read_value(value.value.strip())
    status = value.result_status or None
    unusable = "status" if status in UNUSABLE_STATUSES else None
    return Result(
        result_id=result_id,
        test_code=f"#{value.index}",
        value=read.text,
        comparator=read.comparator,
        numeric=read.numeric,
        invalid_reason=read.invalid_reason or unusable,
        units=value.units or None,
        abnormal_flags=list(value.abnormal_flags),
        result_status=status,
        run_at=None if value.run_at is None else _instant(value.run_at),
        run_kind="rerun",
        evidence="explicit",
    )


def _instant(text: str) -> str:
    return iso(seconds(text)).replace(".000Z", "Z")


def _earlier(case: ReportCase, one: Placed, submission: Submission, at: str) -> LedgerRow | None:
    """The same run in the ledger, the one with the same status and flags first.

    Without a run time only what came just before, unless its sender tells retries by keys.
    """
    rows = [row for row in reversed(case.ledger) if _run(row) == _run(one.row)]
    if one.result.run_at is None:
        window = -1.0 if submission.keyed else submission.rules.resend_window
        rows = [row for row in rows if seconds(at) - seconds(row.received_at) <= window]
    return next((row for row in rows if _unchanged(one.result, row)), rows[0] if rows else None)


def _run(row: LedgerRow) -> tuple[object, ...]:
    """A run as the report has it: a unit may be spelled in several ways, or left out."""
    return (row.device_id, row.index, row.value, canonical(row.units or ""), row.run_at)


def _unchanged(result: Result, earlier: LedgerRow) -> bool:
    """Whether nothing that is said differs; who sends no status or flags says nothing of them."""
    then = earlier.result
    same_status = result.result_status in (None, then.result_status)
    return same_status and result.abnormal_flags in ([], then.abnormal_flags)


def _known_answer(case: ReportCase, ignored: Sequence[LedgerRow]) -> dict[str, object]:
    number = max((row.rerun_number for row in ignored), default=0)
    rerun = case.reruns.get(number)
    return {
        "rerun_number": number or None,
        "accepted": [],
        "ignored": [row.index for row in ignored],
        "refused": [],
        "fulfilled": rerun.fulfilled_parameters if rerun else [],
        "sampleRedrawFlag": case.row.flag,
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
