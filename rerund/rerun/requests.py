"""What people ask of a report: a rerun, or that one be given up. Pure decisions."""

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.draft import Draft
from rerund.rerun.lab import Lab
from rerund.rerun.opening import Wanted, close_rerun, open_rerun
from rerund.rerun.records import ANY_DEVICE, EventRow
from rerund.rerun.refusals import Conflict, Impossible, check_version
from rerund.rerun.states import Action, Event

_LONGEST = {"reason": 255, "dilution": 64, "priority": 16}


class RerunRequest(msgspec.Struct, kw_only=True, frozen=True):
    """A technician's request. `confirm` is needed for a completed or signed report.

    `parameter_names`, where given, must be those of the parameters: a caller that has
    another format in mind would repeat the wrong tests.
    """

    requested_parameters: tuple[int, ...]
    parameter_names: tuple[str, ...] | None = None
    rerun_number: int | None = None
    reason: str | None = None
    dilution: str | None = None
    device_id: str = ANY_DEVICE
    priority: str | None = None
    confirm: bool = False


def request(
    case: ReportCase, lab: Lab, asked: RerunRequest, draft: Draft, also_in: list[dict[str, object]]
) -> EventRow:
    """Open a manual rerun: active `SampleRerun`, waiting-list row, flag 3, log 981.

    Raises Impossible for parameters that the report cannot repeat and Conflict for a
    number that is not the next one or a flag that does not allow it.
    """
    indexes = list(dict.fromkeys(asked.requested_parameters))
    _check_parameters(case, indexes)
    _check_names(case, asked)
    _check_lengths(asked)
    _check_device(case, lab, asked.device_id, indexes)
    transition = draft.step(Event.REQUEST)
    expected = case.row.last_rerun_number + 1
    if asked.rerun_number not in (None, expected):
        raise Conflict(
            "number_taken", f"the next number is {expected}", "rerun_number", next=expected
        )
    if case.closed_to_lims and not asked.confirm:
        raise Conflict("completed", "the report is completed or signed", "confirm")
    wanted = Wanted(
        rerun_type="manual_rerun",
        indexes=indexes,
        created_by=draft.user,
        reason=asked.reason,
        dilution=asked.dilution,
        device_id=asked.device_id,
        priority=asked.priority,
    )
    rerun = open_rerun(draft, wanted, transition.log)
    answer = {**as_json(rerun), "also_in": also_in, "sampleRedrawFlag": case.row.flag}
    return draft.close(answer)


def _check_parameters(case: ReportCase, indexes: list[int]) -> None:
    if not indexes:
        raise Impossible("no_parameters", "no parameter is requested", "requested_parameters")
    for index in indexes:
        parameter = case.parameters.get(index)
        if parameter is None:
            raise Impossible(
                "unknown_parameter", f"the report has no index {index}", "requested_parameters"
            )
        if not parameter.meta.manual_rerun:
            raise Impossible(
                "not_repeatable", f"index {index} has no manual_rerun", "requested_parameters"
            )


def _check_names(case: ReportCase, asked: RerunRequest) -> None:
    if asked.parameter_names is None:
        return
    names = {case.parameters[index].parameter_name for index in asked.requested_parameters}
    if set(asked.parameter_names) != names:
        raise Impossible(
            "other_names", "these are not the names of the parameters", "parameter_names"
        )


def _check_lengths(asked: RerunRequest) -> None:
    """What does not fit its column is refused here: a server would only say that it does not."""
    for field, longest in _LONGEST.items():
        text = getattr(asked, field)
        if text is not None and len(text) > longest:
            raise Impossible("too_long", f"{field} has more than {longest} characters", field)


def _check_device(case: ReportCase, lab: Lab, device_id: str, indexes: list[int]) -> None:
    if device_id == ANY_DEVICE:
        return
    names = lab.get_rerun_format_machine_names_map(case.row.report_format_id, indexes)
    if device_id not in names:
        raise Impossible(
            "not_on_device", f"instrument {device_id} measures none of them", "device_id"
        )


def cancel(case: ReportCase, draft: Draft, version: int | None, reason: str | None) -> EventRow:
    """Give up the open rerun, or without one every run that waits for review; log 985.

    Originals stay. `version` is the report's as the caller saw it: Conflict `changed`
    when it is another by now; None cancels whatever is there.
    """
    check_version(case.row.rerun_version, version)
    active = case.active
    others = active is not None and any(r is not active for r in case.reruns.values())
    transition = draft.step(Event.CANCEL_ONE if others else Event.CANCEL)
    only_open = transition.action is Action.DISCARD_OPEN and active is not None
    numbers = [active.rerun_number] if only_open and active else sorted(case.reruns)
    old = {str(key[1]): value.value for key, value in case.values.items() if key[0] in numbers}
    for number in numbers:
        _discard(draft, number)
    draft.number = numbers[-1] if numbers else None
    draft.log(
        transition.log,
        draft.number,
        old={"values": old, "rerun_numbers": numbers},
        new={"reason": reason},
    )
    return draft.close(
        {
            "cancelled": numbers,
            "sampleRedrawFlag": case.row.flag,
            "version": draft.version,
            "next_rerun_number": case.row.last_rerun_number + 1,
        }
    )


def _discard(draft: Draft, number: int) -> None:
    """Delete a rerun, and settle what the ledger holds of it; what is shown stays shown."""
    case = draft.case
    close_rerun(draft, number)
    for row in case.ledger:
        if row.rerun_number == number and row.outcome == "registered" and row.settled is None:
            row.settled = "kept" if case.shows(row) else "discarded"
            case.touch_row(row)


def as_json(document: SampleRerun | SampleRerunValues) -> dict[str, object]:
    """A document as it is answered, with its `_id` and without the mark of a tombstone."""
    fields = msgspec.structs.asdict(document)
    del fields["deleted_at"]
    return {"_id": document.id, **fields}
