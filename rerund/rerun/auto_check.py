"""Auto rerun: which originals of a report qualify, and the rerun that follows. Pure decisions.

The pipeline checks the originals of a payload in the event that shows them; a caller may
have all originals of a report checked. Both ask `find_qualified` and `open_auto_rerun`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.conditions import Checked, find
from rerund.rerun.documents import SampleRerun
from rerund.rerun.draft import Draft
from rerund.rerun.identity import is_usable
from rerund.rerun.instants import seconds
from rerund.rerun.opening import Wanted, extend_rerun, open_rerun
from rerund.rerun.records import AutoCondition, EventRow, LedgerRow
from rerund.rerun.rules import Rules
from rerund.rerun.states import Action, Event, decide

NotCreated = Literal[
    "none_qualified",
    "already_rerun",
    "completed",
    "rerun_open",
    "under_review",
    "extended",
    "dry_run",
]

_NOT_FINAL = frozenset("PSID")
"""Preliminary, partial, pending, deleted. Another code means nothing or is final."""


class Qualified(msgspec.Struct, frozen=True):
    """An original that shall be repeated; `bound` is the bound passed, or the flag met."""

    index: int
    parameter_name: str
    value: str
    condition: AutoCondition
    bound: str | None


def find_qualified(
    case: ReportCase, indexes: Iterable[int], rules: Rules, at: str
) -> list[Qualified]:
    """The originals of these indexes that meet their parameter's rule at the instant `at`.

    Those that had their auto rerun are among them; `fresh` leaves them out.
    """
    found: list[Qualified] = []
    for index in dict.fromkeys(indexes):
        parameter = case.parameters.get(index)
        if parameter is None or not parameter.meta.auto_rerun:
            continue
        row = _original(case, index)
        if row is not None and _is_checked(row, rules, at):
            found += _finding(case, row)
    return sorted(found, key=lambda one: (case.parameters[one.index].order, one.index))


def fresh(case: ReportCase, qualified: Sequence[Qualified]) -> list[Qualified]:
    """Those whose index had no auto rerun yet in the life of the report."""
    return [one for one in qualified if one.index not in case.row.auto_rerun_indexes]


def _original(case: ReportCase, index: int) -> LedgerRow | None:
    """The ledger row of the original shown; without one, of the last that gave no value."""
    slot = case.slots.get(index)
    for row in reversed(case.ledger):
        if row.index != index or row.outcome != "original":
            continue
        if slot is None and row.reason == "unusable":
            return row
        if slot is not None and row.result_id == slot.result_id:
            return row
    return None


def _is_checked(row: LedgerRow, rules: Rules, at: str) -> bool:
    """Whether a value is final, recent, and not about to be repeated by the instrument."""
    result = row.result
    if result.next_action != "none" or result.run_kind == "withdrawal":
        return False
    age = seconds(at) - seconds(result.run_at or row.received_at)
    return result.result_status not in _NOT_FINAL and age <= rules.auto_rerun_max_age


def _finding(case: ReportCase, row: LedgerRow) -> Iterator[Qualified]:
    parameter, slot = case.parameters[row.index], case.slots.get(row.index)
    shown = slot is not None and slot.invalid_reason is None
    checked = Checked(
        numeric=slot.numeric if slot else None,
        comparator=slot.comparator if slot else None,
        usable=shown and is_usable(row.result),
        flags=tuple(row.result.abnormal_flags),
    )
    finding = find(parameter, case.row.sex, checked)
    if finding is not None:
        yield Qualified(row.index, parameter.parameter_name, row.value, *finding)


def open_auto_rerun(draft: Draft, qualified: Sequence[Qualified]) -> SampleRerun | None:
    """Open the auto rerun of what qualified, or extend the open one; None when neither may be.

    Raises Conflict for a redrawn report.
    """
    case, indexes = draft.case, [one.index for one in qualified]
    untouched = untouched_auto_rerun(case)
    transition = draft.step(Event.AUTO_CHECK if untouched is None else Event.AUTO_CHECK_UNTOUCHED)
    if transition.action is Action.NOTHING:
        return None
    case.row.auto_rerun_indexes = sorted({*case.row.auto_rerun_indexes, *indexes})
    if untouched is not None:
        extend_rerun(draft, untouched, indexes, transition.log)
        return untouched
    wanted = Wanted(rerun_type="auto_rerun", indexes=indexes, reason=_reason(qualified))
    return open_rerun(draft, wanted, transition.log)


def untouched_auto_rerun(case: ReportCase) -> SampleRerun | None:
    """The open rerun, when it is automatic and no value of it has arrived."""
    active = case.active
    if active is None or active.type != "Auto":
        return None
    arrived = any(value.rerun_number == active.rerun_number for value in case.values.values())
    return None if arrived or active.fulfilled_parameters or active.failed_parameters else active


def _reason(qualified: Sequence[Qualified]) -> str:
    return "auto: " + ", ".join(sorted({one.condition for one in qualified}))


def auto_check(
    case: ReportCase, draft: Draft, rules: Rules, *, dry_run: bool
) -> EventRow | dict[str, object]:
    """Check all originals of a report; the event, or only an answer when nothing is written.

    The answer's `reason` says why no rerun was created. Raises Conflict for a redrawn
    report.
    """
    decided = decide(case.row.flag, Event.AUTO_CHECK)
    if decided.action is Action.REFUSE_CALLER:
        draft.step(Event.AUTO_CHECK)
    met = find_qualified(case, case.parameters, rules, draft.at)
    qualified = fresh(case, met)
    active = case.active
    reason = _why_not(case, met, qualified)
    if reason is None and dry_run:
        reason = "dry_run"
    if reason is not None:
        return _answer(qualified, reason, active.rerun_number if active else None)
    extends = untouched_auto_rerun(case) is not None
    rerun = open_auto_rerun(draft, qualified)
    number = rerun.rerun_number if rerun else None
    return draft.close(_answer(qualified, "extended" if extends else None, number))


def _why_not(
    case: ReportCase, met: Sequence[Qualified], qualified: Sequence[Qualified]
) -> NotCreated | None:
    if case.closed_to_lims:
        return "completed"
    if not qualified:
        return "already_rerun" if met else "none_qualified"
    if case.active is not None and untouched_auto_rerun(case) is None:
        return "rerun_open"
    if case.active is None and case.row.flag:
        return "under_review"
    return None


def _answer(
    qualified: Sequence[Qualified], reason: NotCreated | None, number: int | None
) -> dict[str, object]:
    return {
        "qualified": [msgspec.structs.asdict(one) for one in qualified],
        "created": reason is None,
        "reason": reason,
        "rerun_number": number,
    }


def check_originals(draft: Draft, indexes: Sequence[int], rules: Rules) -> None:
    """Check originals that this event shows, or that it found unusable; at 0 and 3 only."""
    case = draft.case
    redrawn = decide(case.row.flag, Event.AUTO_CHECK).action is Action.REFUSE_CALLER
    if not indexes or case.closed_to_lims or redrawn:
        return
    qualified = fresh(case, find_qualified(case, indexes, rules, draft.at))
    if qualified:
        open_auto_rerun(draft, qualified)
