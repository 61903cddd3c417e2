"""rerun.md 4: the order of decision, one table per rule."""

import pytest

from drivers.result import Result


def only(outcome) -> Result:
    ((payload, _),) = outcome.payloads
    (result,) = payload.results
    return result


def facts(result: Result):
    return (result.run_kind, result.evidence, result.confidence, result.conflict)


# Each: the first message's value, the second's, and what the second is.
SECOND = {
    "the same run again is a retransmission": ({}, {}, None),
    "the same run with a new status is a status update": (
        {"result_status": "P"},
        {"result_status": "F"},
        ("status_update", "history", "high", False),
    ),
    "the same run with new flags is a status update": (
        {"abnormal_flags": ["H"]},
        {"abnormal_flags": ["HH"]},
        ("status_update", "history", "high", False),
    ),
    "another time is a repeat even with the same value": (
        {},
        {"at": "10:20"},
        ("repeat", "history", "medium", False),
    ),
    "another value at the same time is a repeat": (
        {},
        {"text": "5.1"},
        ("repeat", "history", "medium", False),
    ),
    "another unit is another run": (
        {"units": "g/L"},
        {"units": "g/dL"},
        ("repeat", "history", "medium", False),
    ),
    "a mark decides before history": (
        {},
        {"at": "10:20", "run_kind": "rerun", "evidence": "explicit"},
        ("rerun", "explicit", "high", False),
    ),
    "an original by its mark contradicts history": (
        {},
        {"at": "10:20", "run_kind": "original", "evidence": "explicit"},
        ("original", "explicit", "high", True),
    ),
    "another dilution is a diluted repeat": (
        {},
        {"at": "10:20", "dilution": "1:10"},
        ("repeat_diluted", "history", "medium", False),
    ),
    "the same dilution written otherwise is a plain repeat": (
        {"dilution": "1:10"},
        {"at": "10:20", "dilution": "10"},
        ("repeat", "history", "medium", False),
    ),
    "a marked repeat with another dilution is a diluted repeat": (
        {},
        {"at": "10:20", "dilution": "1:10", "run_kind": "repeat", "evidence": "explicit"},
        ("repeat_diluted", "explicit", "high", False),
    ),
    "an unusable earlier run makes no repeat": (
        {"text": "----", "invalid_reason": "no_number"},
        {"at": "10:20"},
        ("original", "none", "high", False),
    ),
    "a diluted run after an unusable one is a diluted repeat": (
        {"text": "++++", "invalid_reason": "overflow"},
        {"at": "10:20", "dilution": "1:10"},
        ("repeat_diluted", "history", "medium", False),
    ),
    "an unusable run after a good one is a repeat": (
        {},
        {"at": "10:20", "text": "----", "invalid_reason": "no_number"},
        ("repeat", "history", "medium", False),
    ),
    "a run measured before the known one came late": (
        {},
        {"at": "09:40"},
        ("repeat", "history", "medium", True),
    ),
    "a re-send of an unknown run goes on as if unmarked": (
        {},
        {"at": "10:20", "run_kind": "retransmission", "evidence": "explicit"},
        ("repeat", "history", "medium", True),
    ),
    "a re-send of a known run is a retransmission whatever its status": (
        {"result_status": "F"},
        {"result_status": "R", "run_kind": "retransmission", "evidence": "explicit"},
        None,
    ),
    "a correction names what it corrects": (
        {},
        {"text": "5.4", "run_kind": "correction", "evidence": "explicit"},
        ("correction", "explicit", "high", False),
    ),
    "a withdrawal of the same value stays a withdrawal": (
        {"result_status": "F"},
        {"result_status": "D", "run_kind": "withdrawal", "evidence": "explicit"},
        ("withdrawal", "explicit", "high", False),
    ),
    "a reflex mark on a known test contradicts history": (
        {},
        {"at": "10:20", "run_kind": "reflex", "evidence": "explicit"},
        ("reflex", "explicit", "high", True),
    ),
    "no run time and an equal value is a doubtful repeat": (
        {"at": None},
        {"at": None},
        ("repeat", "history", "low", False),
    ),
    "no run time and another value is a repeat": (
        {"at": None},
        {"at": None, "text": "5.1"},
        ("repeat", "history", "medium", False),
    ),
    "no run time, but marked as sent again, is a retransmission": (
        {"at": None},
        {"at": None, "run_kind": "retransmission", "evidence": "explicit"},
        None,
    ),
}


@pytest.mark.parametrize(("first", "second", "expected"), SECOND.values(), ids=SECOND)
def test_second_value_of_a_test(instrument, value, first, second, expected):
    instrument.send(value("GLU", **first), at="11:00")
    outcome = instrument.send(value("GLU", **second), at="11:20")
    if expected is None:
        assert (outcome.state, outcome.payloads) == ("retransmission", [])
        assert outcome.retransmitted == ["42-1-1-3"]
    else:
        assert facts(only(outcome)) == expected


FIRST = {
    "an unmarked value is an original": ({}, ("original", "none", "high", False)),
    "an original by its mark": (
        {"run_kind": "original", "evidence": "explicit"},
        ("original", "explicit", "high", False),
    ),
    "a rerun that history knows nothing of": (
        {"run_kind": "rerun", "evidence": "explicit"},
        ("rerun", "explicit", "high", True),
    ),
    "a re-send that we see for the first time": (
        {"run_kind": "retransmission", "evidence": "explicit"},
        ("original", "none", "high", True),
    ),
    "a correction of something unknown": (
        {"run_kind": "correction", "evidence": "explicit"},
        ("correction", "explicit", "high", True),
    ),
    "a single part of an n-fold order": ({"replicate": 1}, ("original", "none", "high", False)),
    "a later part of an n-fold order": (
        {"replicate": 2},
        ("replicate", "run_index", "high", False),
    ),
    "a marked repeat with a dilution": (
        {"run_kind": "repeat", "evidence": "explicit", "dilution": "1:10"},
        ("repeat_diluted", "explicit", "high", True),
    ),
}


@pytest.mark.parametrize(("first", "expected"), FIRST.values(), ids=FIRST)
def test_first_value_of_a_sample(instrument, value, first, expected):
    assert facts(only(instrument.send(value("GLU", **first)))) == expected


def test_an_incomplete_history_makes_originals_doubtful_and_contradicts_nothing(
    new_instrument, value
):
    instrument = new_instrument(complete=False)
    assert facts(only(instrument.send(value("GLU"), sample="A"))) == (
        "original",
        "none",
        "low",
        False,
    )
    marked = value("GLU", run_kind="rerun", evidence="explicit")
    assert facts(only(instrument.send(marked, sample="B"))) == ("rerun", "explicit", "high", False)


def test_a_status_update_names_the_run_it_changes(instrument, value):
    instrument.send(value("GLU", result_status="P"))
    assert only(instrument.send(value("GLU", result_status="F"))).supersedes == "42-1-1-3"


def test_each_state_of_a_run_is_known(instrument, value):
    for status in "PF":
        instrument.send(value("GLU", result_status=status))
    for status in "PF":
        assert instrument.send(value("GLU", result_status=status)).state == "retransmission"


def test_a_correction_means_the_run_of_its_time_else_the_latest(instrument, value):
    instrument.send(value("GLU", "5.0", "10:00"))
    instrument.send(value("GLU", "6.0", "10:30"))
    correction = {"run_kind": "correction", "evidence": "explicit"}
    assert only(instrument.send(value("GLU", "5.5", "10:00", **correction))).supersedes == (
        "42-1-1-3"
    )
    assert only(instrument.send(value("GLU", "6.5", "10:40", **correction))).supersedes == (
        "42-2-1-3"
    )


def test_a_withdrawn_run_makes_no_repeat(instrument, value):
    instrument.send(value("GLU", result_status="F"))
    instrument.send(value("GLU", result_status="D", run_kind="withdrawal", evidence="explicit"))
    assert only(instrument.send(value("GLU", "5.2", "10:30"))).run_kind == "original"


def test_a_rerun_mark_on_a_test_that_history_lacks_is_a_reflex(instrument, value, kinds):
    instrument.send(value("WBC"), value("PLT"))
    mark = {"run_kind": "rerun", "evidence": "explicit", "at": "10:20"}
    outcome = instrument.send(value("PLT", **mark), value("RET", **mark))
    assert kinds(outcome) == {"PLT": "rerun", "RET": "reflex"}
    assert outcome.conflicts == []


class TestSeveralValuesOfOneTestInAMessage:
    def test_are_successive_runs_in_the_order_of_their_times(self, instrument, value, summary):
        outcome = instrument.send(value("GLU", "7.0", "10:20"), value("GLU", "5.0", "10:00"))
        assert summary(outcome) == [(0, ["GLU"]), (-1, ["GLU"])]
        original, repeat = (payload.results[0] for payload, _ in outcome.payloads)
        assert (original.value, original.run_kind) == ("5.0", "original")
        assert (repeat.value, repeat.run_kind, repeat.evidence) == ("7.0", "repeat", "run_index")

    def test_are_in_the_order_of_the_message_without_times(self, instrument, value):
        outcome = instrument.send(value("GLU", "7.0", None), value("GLU", "5.0", None))
        assert [payload.results[0].value for payload, _ in outcome.payloads] == ["7.0", "5.0"]

    def test_are_diluted_repeats_by_their_dilution(self, instrument, value):
        outcome = instrument.send(
            value("GLU", "++", "10:00"), value("GLU", "50", "10:20", dilution="10")
        )
        second = outcome.payloads[1][0].results[0]
        assert facts(second) == ("repeat_diluted", "dilution_changed", "high", False)

    def test_are_doubtful_when_equal_and_without_times(self, instrument, value):
        outcome = instrument.send(value("GLU", "5.0", None), value("GLU", "5.0", None))
        assert facts(outcome.payloads[1][0].results[0]) == ("repeat", "run_index", "low", False)

    def test_are_one_run_when_they_agree_in_everything(self, instrument, value, summary):
        outcome = instrument.send(value("GLU"), value("GLU"))
        assert summary(outcome) == [(0, ["GLU"])]

    def test_are_parts_of_an_n_fold_order_when_numbered_or_marked(self, instrument, value, summary):
        numbered = instrument.send(value("GLU", replicate=1), value("GLU", replicate=2))
        assert summary(numbered) == [(0, ["GLU", "GLU"])]
        marked = [value("GLU", run_kind="replicate", evidence="explicit") for _ in range(3)]
        outcome = instrument.send(*marked, sample="S2")
        ((payload, _),) = outcome.payloads
        assert [result.replicate for result in payload.results] == [1, 2, 3]
        assert {result.run_kind for result in payload.results} == {"replicate"}


class TestWithoutRunTime:
    def test_the_whole_message_soon_again_is_a_retransmission(self, instrument, value):
        instrument.send(value("GLU", at=None), at="11:00", digest=b"x")
        assert instrument.send(value("GLU", at=None), at="11:01", digest=b"x").state == (
            "retransmission"
        )

    @pytest.mark.parametrize(
        ("again", "digest"),
        [("11:01:01", b"x"), ("11:01", b"y")],
        ids=["later than the window", "another message"],
    )
    def test_anything_else_is_a_doubtful_repeat(self, instrument, value, again, digest):
        instrument.send(value("GLU", at=None), at="11:00", digest=b"x")
        outcome = instrument.send(value("GLU", at=None), at=again, digest=digest)
        assert facts(only(outcome)) == ("repeat", "history", "low", False)

    def test_a_message_between_breaks_the_equality(self, instrument, value):
        instrument.send(value("GLU", at=None), at="11:00", digest=b"x")
        instrument.send(value("GLU", at=None), at="11:00", digest=b"y", sample="S2")
        assert instrument.send(value("GLU", at=None), at="11:00", digest=b"x").state == (
            "interpreted"
        )


def test_a_failed_barcode_read_sent_again_at_once_is_a_retransmission(instrument, value):
    instrument.send(value("GLU"), digest=b"x", reliable=False)
    again = instrument.send(value("GLU"), digest=b"x", reliable=False)
    assert (again.state, again.retransmitted) == ("retransmission", [])


def test_a_message_without_values_is_empty(instrument):
    assert instrument.send().state == "empty"


def test_a_run_of_the_night_with_two_hours_that_came_after_both_is_one_run(new_instrument, value):
    instrument = new_instrument(zone="Europe/Berlin")
    run = value("GLU", at="2026-10-25T00:15:00Z")
    instrument.send(run, at="2026-10-25T04:00:00Z")
    assert instrument.send(run, at="2026-10-25T05:00:00Z").state == "retransmission"


class TestQualityControl:
    @pytest.mark.parametrize("kind", ["qc", "calibration", "training"])
    def test_is_no_run_of_a_patient(self, instrument, value, kind, summary):
        for time in ("10:00", "10:20"):
            outcome = instrument.send(value("GLU", at=time), kind=kind)
            assert summary(outcome) == [(0, ["GLU"])]
            assert facts(only(outcome)) == ("qc", "explicit", "high", False)
            assert outcome.payloads[0][0].kind == kind

    def test_is_no_history_of_a_patient_with_the_same_id(self, instrument, value):
        instrument.send(value("GLU", at="10:00"), kind="qc")
        assert only(instrument.send(value("GLU", at="10:20"))).run_kind == "original"

    def test_sent_again_is_registered_once(self, instrument, value):
        instrument.send(value("GLU"), kind="qc")
        assert instrument.send(value("GLU"), kind="qc").state == "retransmission"

    def test_is_never_changed_by_a_status(self, instrument, value):
        instrument.send(value("GLU", result_status="P"), kind="qc")
        assert only(instrument.send(value("GLU", result_status="F"), kind="qc")).run_kind == "qc"
