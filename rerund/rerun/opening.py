"""An open rerun and its row of the waiting list: made, extended, given up."""

from collections.abc import Collection, Sequence

import msgspec

from rerund.rerun.documents import DOCUMENT_TYPE, SampleRerun
from rerund.rerun.draft import SYSTEM_USER, Draft
from rerund.rerun.instants import seconds
from rerund.rerun.model import RerunType
from rerund.rerun.records import ANY_DEVICE, OPEN_WAITING, WaitingRow
from rerund.rerun.states import ActivityCode


class Wanted(msgspec.Struct, kw_only=True, frozen=True):
    """What is to be repeated, for whom and why; an automatic rerun is nobody's."""

    rerun_type: RerunType
    indexes: Sequence[int]
    created_by: int = SYSTEM_USER
    reason: str | None = None
    dilution: str | None = None
    device_id: str = ANY_DEVICE
    priority: str | None = None


def open_rerun(draft: Draft, wanted: Wanted, log: ActivityCode | None) -> SampleRerun:
    """Write an active rerun under the next number, its waiting-list row and the log line."""
    row, number, now = draft.case.row, draft.next_number(), int(seconds(draft.at))
    rerun = SampleRerun(
        lab_id=row.lab_id,
        lab_report_id=row.lab_report_id,
        sample_id=row.sample_id,
        type=DOCUMENT_TYPE[wanted.rerun_type],
        rerun_number=number,
        is_active=True,
        requested_parameters=list(wanted.indexes),
        parameter_names=_names(draft, wanted.indexes),
        reason=wanted.reason,
        dilution=wanted.dilution,
        run_key=f"request/{number}",
        created_by=wanted.created_by,
        created_at=now,
        updated_by=wanted.created_by,
        updated_at=now,
        version=draft.version,
    )
    draft.write_rerun(rerun)
    _add_to_waiting_list(draft, rerun, wanted)
    draft.number = number
    log_requested(draft, rerun, wanted.indexes, log)
    return rerun


def extend_rerun(
    draft: Draft, rerun: SampleRerun, indexes: Sequence[int], log: ActivityCode | None
) -> None:
    """Ask for more parameters under an open rerun of which nothing has come yet."""
    rerun.requested_parameters = [*rerun.requested_parameters, *indexes]
    rerun.parameter_names = [*rerun.parameter_names, *_names(draft, indexes)]
    rerun.updated_by, rerun.updated_at = draft.user, int(seconds(draft.at))
    draft.write_rerun(rerun)
    for row in draft.case.waiting:
        if row.rerun_number == rerun.rerun_number and row.status in OPEN_WAITING:
            row.requested = [*row.requested, *indexes]
            row.remaining = [*row.remaining, *indexes]
            touch_waiting(draft, row)
    draft.number = rerun.rerun_number
    log_requested(draft, rerun, indexes, log)


def log_requested(
    draft: Draft, rerun: SampleRerun, indexes: Collection[int], code: ActivityCode | None
) -> None:
    """What is asked for, beside what the report shows."""
    slots = draft.case.slots
    shown: dict[str, object] = {str(i): slots[i].value for i in indexes if i in slots}
    asked: dict[str, object] = {"requested_parameters": list(indexes)}
    new = {**asked, "type": rerun.type, "reason": rerun.reason}
    draft.log(code, rerun.rerun_number, old={"values": shown}, new=new)


def _names(draft: Draft, indexes: Sequence[int]) -> list[str]:
    return [draft.case.parameters[index].parameter_name for index in indexes]


def _add_to_waiting_list(draft: Draft, rerun: SampleRerun, wanted: Wanted) -> None:
    draft.case.touch_waiting(
        WaitingRow(
            lab_id=rerun.lab_id,
            lab_report_id=rerun.lab_report_id,
            device_id=wanted.device_id,
            rerun_number=rerun.rerun_number,
            rerun_type=wanted.rerun_type,
            requested=rerun.requested_parameters,
            remaining=rerun.requested_parameters,
            priority=wanted.priority,
            status="pending",
            reason=wanted.reason,
            version=1,
            created_at=draft.at,
            updated_at=draft.at,
            sample_id=rerun.sample_id,
            report_format_id=draft.case.row.report_format_id,
        )
    )


def touch_waiting(draft: Draft, row: WaitingRow) -> None:
    """A waiting-list row has changed."""
    row.updated_at = draft.at
    draft.case.touch_waiting(row)


def measure_ordered(draft: Draft, indexes: Collection[int]) -> None:
    """Take what the report now shows from its original orders: no instrument need measure it."""
    for row in draft.case.waiting:
        remaining = [index for index in row.remaining if index not in indexes]
        if row.rerun_number or row.status not in OPEN_WAITING or remaining == row.remaining:
            continue
        row.remaining = remaining
        if not remaining:
            row.status = "resulted"
        touch_waiting(draft, row)


def close_rerun(draft: Draft, number: int) -> None:
    """Delete a rerun and its values (tombstones) and close its rows of the waiting list."""
    case, now = draft.case, int(seconds(draft.at))
    rerun = case.reruns[number]
    rerun.is_active = False
    rerun.deleted_at = rerun.updated_at = now
    rerun.updated_by = draft.user
    draft.write_rerun(rerun)
    for value in [v for v in case.values.values() if v.rerun_number == number]:
        value.deleted_at = now
        draft.write_value(value)
    for waiting in case.waiting:
        if waiting.rerun_number == number and waiting.status in OPEN_WAITING:
            waiting.status = "cancelled"
            touch_waiting(draft, waiting)
