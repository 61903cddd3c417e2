"""The table of `sampleRedrawFlag`: total, and as the specification says."""

import runpy
from itertools import product
from pathlib import Path

import pytest

from rerund.rerun.states import TABLE, Action, ActivityCode, Event, Flag, decide


def test_the_table_has_an_entry_for_every_flag_and_event():
    assert set(TABLE) == set(product(Flag, Event))


def test_the_flag_of_a_redrawn_report_never_changes_here():
    for (flag, _), transition in TABLE.items():
        if flag in (Flag.REDRAWN, Flag.REDRAWN_AGAIN):
            assert transition.to is flag
        else:
            assert transition.to not in (Flag.REDRAWN, Flag.REDRAWN_AGAIN)


def test_an_entry_that_does_nothing_keeps_the_flag_and_logs_nothing():
    quiet = (Action.NOTHING, Action.REFUSE_CALLER, Action.IMPOSSIBLE)
    for (flag, _), transition in TABLE.items():
        if transition.action in quiet:
            assert (transition.to, transition.log) == (flag, None)


def test_every_refusal_of_a_caller_has_a_code():
    for transition in TABLE.values():
        assert (transition.action is Action.REFUSE_CALLER) == (transition.refusal is not None)


@pytest.mark.parametrize(
    ("flags", "event", "to", "log"),
    [
        ((0, 4), Event.REQUEST, 3, ActivityCode.RERUN_REQUESTED),
        ((0,), Event.AUTO_CHECK, 3, ActivityCode.RERUN_REQUESTED),
        ((3,), Event.AUTO_CHECK_UNTOUCHED, 3, ActivityCode.RERUN_REQUESTED),
        ((3,), Event.REQUESTED_VALUES, 3, ActivityCode.RERUN_VALUES_RECEIVED),
        ((3,), Event.LAST_REQUESTED_VALUES, 4, ActivityCode.RERUN_VALUES_RECEIVED),
        ((0, 4), Event.RUN, 4, ActivityCode.RERUN_VALUES_RECEIVED),
        ((3,), Event.RUN, 3, ActivityCode.RERUN_VALUES_RECEIVED),
        ((4,), Event.CONFIRM, 0, ActivityCode.RERUN_VALUES_CONFIRMED),
        ((3, 4), Event.CONFIRM_CLOSING, 0, ActivityCode.RERUN_VALUES_CONFIRMED),
        ((3, 4), Event.CANCEL, 0, ActivityCode.RERUN_CANCELLED),
        ((3,), Event.CANCEL_ONE, 4, ActivityCode.RERUN_CANCELLED),
    ],
    ids=lambda value: value.value if isinstance(value, Event) else str(value),
)
def test_where_an_event_leads(flags, event, to, log):
    for flag in flags:
        transition = decide(flag, event)
        assert (transition.to, transition.log) == (to, log)


@pytest.mark.parametrize("event", [Event.ORIGINAL, Event.CLOSED_RERUN_VALUES, Event.CORRECTION])
def test_events_that_keep_every_flag(event):
    assert [decide(flag, event).to for flag in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("flag", [1, 2])
def test_rerun_values_of_a_redrawn_report_are_refused_and_logged(flag):
    transition = decide(flag, Event.RUN)
    assert (transition.action, transition.log) == (Action.REFUSE_VALUES, 984)


@pytest.mark.parametrize(
    ("flag", "event", "code"),
    [
        (3, Event.REQUEST, "rerun_open"),
        (1, Event.REQUEST, "redrawn"),
        (2, Event.AUTO_CHECK, "redrawn"),
        (3, Event.CONFIRM, "rerun_open"),
        (0, Event.CONFIRM, "nothing_to_review"),
        (0, Event.CONFIRM_CLOSING, "nothing_to_review"),
        (0, Event.CANCEL, "nothing_to_cancel"),
        (1, Event.CANCEL, "redrawn"),
        (2, Event.CANCEL_ONE, "redrawn"),
        (2, Event.CONFIRM, "redrawn"),
    ],
)
def test_what_a_caller_is_refused(flag, event, code):
    assert decide(flag, event).refusal == code


def test_an_event_that_contradicts_the_flag_is_a_bug():
    with pytest.raises(ValueError, match="requested_values cannot be at sampleRedrawFlag 0"):
        decide(0, Event.REQUESTED_VALUES)


def test_a_flag_outside_the_table_is_a_bug():
    with pytest.raises(ValueError, match="5"):
        decide(5, Event.RUN)


def test_the_document_is_drawn_from_the_table():
    docs = Path(__file__).parents[3] / "docs"
    drawn = runpy.run_path(str(docs / "draw_report_states.py"))["draw"]()
    assert (docs / "report-states.md").read_text() == drawn, "run python docs/draw_report_states.py"
