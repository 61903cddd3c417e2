"""The report's `sampleRedrawFlag` as one total table: what every event does at every flag.

The flag: 0 normal; 1 and 2 redrawn, an older workflow that is never written here; 3 a
rerun is requested; 4 rerun values wait for review. 3 and 4 lock the report for a LIMS.

Who has read a report names the event (whether values count for the open rerun, whether
others wait for review); the table alone says where the flag goes, what is done and what
is logged. Refusing, ignoring and impossible are entries too. Impossible means that the
event contradicts the flag it was derived from: a bug here, never somebody's mistake.
"""

from enum import Enum, IntEnum
from typing import NamedTuple


class Flag(IntEnum):
    """The values of `sampleRedrawFlag`."""

    NORMAL = 0
    REDRAWN = 1
    REDRAWN_AGAIN = 2
    REQUESTED = 3
    REVIEW = 4


class Event(Enum):
    """What can happen to a report."""

    ORIGINAL = "original"
    REQUEST = "request"
    AUTO_CHECK = "auto_check"
    AUTO_CHECK_UNTOUCHED = "auto_check_untouched"
    REQUESTED_VALUES = "requested_values"
    LAST_REQUESTED_VALUES = "last_requested_values"
    RUN = "run"
    CLOSED_RERUN_VALUES = "closed_rerun_values"
    CONFIRM = "confirm"
    CONFIRM_CLOSING = "confirm_closing"
    CANCEL = "cancel"
    CANCEL_ONE = "cancel_one"
    CORRECTION = "correction"


class Action(Enum):
    """What is done with the report's documents and rows."""

    FILL_SLOT = "fill_slot"
    OPEN_RERUN = "open_rerun"
    EXTEND_RERUN = "extend_rerun"
    STORE_REQUESTED = "store_requested"
    FULFILL_RERUN = "fulfill_rerun"
    STORE_RUN = "store_run"
    REFUSE_VALUES = "refuse_values"
    SETTLE = "settle"
    DISCARD_OPEN = "discard_open"
    DISCARD_ALL = "discard_all"
    CORRECT = "correct"
    NOTHING = "nothing"
    REFUSE_CALLER = "refuse_caller"
    IMPOSSIBLE = "impossible"


class ActivityCode(IntEnum):
    """The constants of the activity log."""

    RERUN_VALUES_RECEIVED = 979
    RERUN_VALUES_CONFIRMED = 980
    RERUN_REQUESTED = 981
    RERUN_FAILED = 984
    RERUN_CANCELLED = 985


class Transition(NamedTuple):
    """An entry: the next flag, what is done, what is logged, and a refusal's error code."""

    to: Flag
    action: Action
    log: ActivityCode | None = None
    refusal: str | None = None


_CODE = ActivityCode
_REDRAWN = (Flag.REDRAWN, Flag.REDRAWN_AGAIN)
_OTHERS = (Flag.NORMAL, *_REDRAWN, Flag.REVIEW)


def _same(
    event: Event,
    flags: tuple[Flag, ...],
    action: Action,
    log: ActivityCode | None = None,
    refusal: str | None = None,
) -> dict[tuple[Flag, Event], Transition]:
    return {(flag, event): Transition(flag, action, log, refusal) for flag in flags}


TABLE: dict[tuple[Flag, Event], Transition] = {
    # usable original, slot empty
    **_same(Event.ORIGINAL, tuple(Flag), Action.FILL_SLOT),
    # request
    (Flag.NORMAL, Event.REQUEST): Transition(
        Flag.REQUESTED, Action.OPEN_RERUN, _CODE.RERUN_REQUESTED
    ),
    (Flag.REVIEW, Event.REQUEST): Transition(
        Flag.REQUESTED, Action.OPEN_RERUN, _CODE.RERUN_REQUESTED
    ),
    **_same(Event.REQUEST, (Flag.REQUESTED,), Action.REFUSE_CALLER, refusal="rerun_open"),
    **_same(Event.REQUEST, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # auto-check qualifies
    (Flag.NORMAL, Event.AUTO_CHECK): Transition(
        Flag.REQUESTED, Action.OPEN_RERUN, _CODE.RERUN_REQUESTED
    ),
    **_same(Event.AUTO_CHECK, (Flag.REQUESTED, Flag.REVIEW), Action.NOTHING),
    **_same(Event.AUTO_CHECK, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # auto-check qualifies, the open rerun is automatic and no value of it has arrived
    (Flag.REQUESTED, Event.AUTO_CHECK_UNTOUCHED): Transition(
        Flag.REQUESTED, Action.EXTEND_RERUN, _CODE.RERUN_REQUESTED
    ),
    **_same(Event.AUTO_CHECK_UNTOUCHED, _OTHERS, Action.IMPOSSIBLE),
    # values of requested parameters, some remain
    (Flag.REQUESTED, Event.REQUESTED_VALUES): Transition(
        Flag.REQUESTED, Action.STORE_REQUESTED, _CODE.RERUN_VALUES_RECEIVED
    ),
    **_same(Event.REQUESTED_VALUES, _OTHERS, Action.IMPOSSIBLE),
    # the last one: requested is a subset of fulfilled and failed
    (Flag.REQUESTED, Event.LAST_REQUESTED_VALUES): Transition(
        Flag.REVIEW, Action.FULFILL_RERUN, _CODE.RERUN_VALUES_RECEIVED
    ),
    **_same(Event.LAST_REQUESTED_VALUES, _OTHERS, Action.IMPOSSIBLE),
    # instrument-triggered run, or parallel, that does not count for the open rerun
    (Flag.NORMAL, Event.RUN): Transition(
        Flag.REVIEW, Action.STORE_RUN, _CODE.RERUN_VALUES_RECEIVED
    ),
    **_same(
        Event.RUN, (Flag.REQUESTED, Flag.REVIEW), Action.STORE_RUN, _CODE.RERUN_VALUES_RECEIVED
    ),
    **_same(Event.RUN, _REDRAWN, Action.REFUSE_VALUES, _CODE.RERUN_FAILED),
    # repeated values of a closed rerun
    **_same(Event.CLOSED_RERUN_VALUES, tuple(Flag), Action.REFUSE_VALUES, _CODE.RERUN_FAILED),
    # confirm
    (Flag.REVIEW, Event.CONFIRM): Transition(
        Flag.NORMAL, Action.SETTLE, _CODE.RERUN_VALUES_CONFIRMED
    ),
    **_same(Event.CONFIRM, (Flag.REQUESTED,), Action.REFUSE_CALLER, refusal="rerun_open"),
    **_same(Event.CONFIRM, (Flag.NORMAL,), Action.REFUSE_CALLER, refusal="nothing_to_review"),
    **_same(Event.CONFIRM, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # confirm with close_open
    (Flag.REQUESTED, Event.CONFIRM_CLOSING): Transition(
        Flag.NORMAL, Action.SETTLE, _CODE.RERUN_VALUES_CONFIRMED
    ),
    (Flag.REVIEW, Event.CONFIRM_CLOSING): Transition(
        Flag.NORMAL, Action.SETTLE, _CODE.RERUN_VALUES_CONFIRMED
    ),
    **_same(
        Event.CONFIRM_CLOSING, (Flag.NORMAL,), Action.REFUSE_CALLER, refusal="nothing_to_review"
    ),
    **_same(Event.CONFIRM_CLOSING, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # cancel; nothing else waits for review
    (Flag.REQUESTED, Event.CANCEL): Transition(
        Flag.NORMAL, Action.DISCARD_OPEN, _CODE.RERUN_CANCELLED
    ),
    (Flag.REVIEW, Event.CANCEL): Transition(Flag.NORMAL, Action.DISCARD_ALL, _CODE.RERUN_CANCELLED),
    **_same(Event.CANCEL, (Flag.NORMAL,), Action.REFUSE_CALLER, refusal="nothing_to_cancel"),
    **_same(Event.CANCEL, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # cancel of the open rerun while other runs wait for review
    (Flag.REQUESTED, Event.CANCEL_ONE): Transition(
        Flag.REVIEW, Action.DISCARD_OPEN, _CODE.RERUN_CANCELLED
    ),
    **_same(Event.CANCEL_ONE, (Flag.NORMAL, Flag.REVIEW), Action.IMPOSSIBLE),
    **_same(Event.CANCEL_ONE, _REDRAWN, Action.REFUSE_CALLER, refusal="redrawn"),
    # correction, withdrawal, status update of a run that may change in place
    **_same(Event.CORRECTION, tuple(Flag), Action.CORRECT, _CODE.RERUN_VALUES_RECEIVED),
}


def decide(flag: int, event: Event) -> Transition:
    """The entry for `event` at `flag`.

    Raises ValueError for a flag outside 0-4 and for an event that contradicts the flag.
    """
    transition = TABLE[Flag(flag), event]
    if transition.action is Action.IMPOSSIBLE:
        raise ValueError(f"{event.value} cannot be at sampleRedrawFlag {flag}")
    return transition
