"""rerun.md 5: which values are reruns, under which number."""

import pytest

AGAIN = "10:20"


def states(outcome):
    return [
        (payload.rerun_number, payload.rerun_type, payload.is_rerun)
        for payload, _ in outcome.payloads
    ]


def test_an_open_rerun_gives_its_number_and_type(instrument, value):
    instrument.order("GLU", number=3, rerun_type="auto_rerun", report=9, version=5)
    outcome = instrument.send(value("GLU", at=AGAIN))
    assert states(outcome) == [(3, "auto_rerun", True)]
    payload, context = outcome.payloads[0]
    assert payload.machine_triggered_rerun is False
    assert (context.open_report, context.open_version) == (9, 5)


REFUSED = {
    "another sample": {"sample_id": "S2"},
    "another instrument is pinned": {"device_id": "7"},
    "only another instrument measures it": {"tests": {"7": ["GLU"]}},
    "the test does not remain": {"tests": {"42": ["CREA"]}},
    "it is closed": {"closed_at": "2026-05-20T10:00:00Z"},
    "it was requested after the run": {"at": "10:25:01"},
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_an_open_rerun_takes_no_value_when(instrument, value, row):
    instrument.order("GLU", **row)
    assert states(instrument.send(value("GLU", at=AGAIN))) == [(0, None, False)]


TAKEN = {
    "this instrument is pinned": {"device_id": "42"},
    "the clocks differ by the tolerance": {"at": "10:25:00"},
    "the run has no time": {"at": "10:30"},
}


@pytest.mark.parametrize("name", TAKEN)
def test_an_open_rerun_takes_the_value_when(instrument, value, name):
    instrument.order("GLU", **TAKEN[name])
    measured = None if name == "the run has no time" else AGAIN
    assert states(instrument.send(value("GLU", at=measured))) == [(1, "manual_rerun", True)]


def test_other_repeats_of_the_message_belong_to_the_requested_run(instrument, value, summary):
    instrument.send(value("WBC"), value("RBC"), value("HGB"))
    instrument.order("RBC")
    outcome = instrument.send(
        value("WBC", at=AGAIN), value("RBC", at=AGAIN), value("HGB", at=AGAIN)
    )
    assert summary(outcome) == [(1, ["WBC", "RBC", "HGB"])]


def test_new_tests_beside_a_requested_one_are_originals(instrument, value, summary):
    instrument.send(value("WBC"))
    instrument.order("WBC")
    outcome = instrument.send(value("WBC", at=AGAIN), value("RET", at=AGAIN))
    assert summary(outcome) == [(0, ["RET"]), (1, ["WBC"])]


def test_a_repeat_from_before_the_request_is_not_part_of_it(instrument, value, summary):
    instrument.send(value("WBC", at="08:00"), value("RBC", at="08:00"))
    instrument.order("WBC")
    outcome = instrument.send(value("WBC", at=AGAIN), value("RBC", at="08:30"))
    assert summary(outcome) == [(-1, ["RBC"]), (1, ["WBC"])]


def test_a_second_value_of_the_requested_test_is_another_run(instrument, value, summary):
    instrument.order("GLU")
    outcome = instrument.send(value("GLU", "5", "10:00"), value("GLU", "6", "10:20"))
    assert summary(outcome) == [(1, ["GLU"]), (-1, ["GLU"])]


def test_a_value_that_came_while_the_copy_was_stale_is_counted(instrument, value, summary):
    instrument.order("GLU", "CREA")
    assert summary(instrument.send(value("GLU", at="10:00"))) == [(1, ["GLU"])]
    outcome = instrument.send(value("GLU", at="10:30"), value("CREA", at="10:30"))
    assert summary(outcome) == [(-1, ["GLU"]), (1, ["CREA"])]


def test_a_failed_run_leaves_its_test_open(instrument, value, summary):
    instrument.order("GLU")
    instrument.send(value("GLU", "----", "10:00", invalid_reason="no_number"))
    assert summary(instrument.send(value("GLU", at="10:30"))) == [(1, ["GLU"])]


def test_the_oldest_of_several_open_reruns_takes_the_value(instrument, value, summary):
    instrument.order("GLU", number=4, at="09:40", report=8)
    instrument.order("GLU", number=2, at="09:30", report=7)
    outcome = instrument.send(value("GLU", at="10:00"), value("GLU", "6", "10:20"))
    assert summary(outcome) == [(2, ["GLU"]), (4, ["GLU"])]


MACHINE = {
    "a repeat by history": {},
    "a marked rerun": {"run_kind": "rerun", "evidence": "explicit"},
    "a marked original that history contradicts": {"run_kind": "original", "evidence": "explicit"},
    "another dilution": {"dilution": "1:5"},
}


@pytest.mark.parametrize("mark", MACHINE.values(), ids=MACHINE)
def test_without_a_request_a_repeat_is_the_instruments(instrument, value, mark):
    instrument.send(value("GLU"))
    outcome = instrument.send(value("GLU", at=AGAIN, **mark))
    assert states(outcome) == [(-1, "machine_rerun", True)]
    assert outcome.payloads[0][0].machine_triggered_rerun is True


def test_an_original_has_number_nought_and_no_type(instrument, value):
    payload, _ = instrument.send(value("GLU")).payloads[0]
    assert (payload.is_rerun, payload.rerun_number, payload.rerun_type) == (False, 0, None)
    assert payload.machine_triggered_rerun is False
    assert payload.assigned_rerun_number is None


CHANGES = {
    "a correction": {"text": "5.5", "run_kind": "correction", "evidence": "explicit"},
    "a withdrawal": {"result_status": "D", "run_kind": "withdrawal", "evidence": "explicit"},
    "a status update": {"result_status": "F"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_run_is_no_rerun_even_when_one_is_open(instrument, value, change):
    instrument.send(value("GLU"))
    instrument.order("GLU", at="09:00")
    outcome = instrument.send(value("GLU", **change), value("CREA"))
    assert states(outcome) == [(0, None, False), (0, None, False)]
    assert [payload.results[0].test_code for payload, _ in outcome.payloads] == ["CREA", "GLU"]
    assert outcome.payloads[1][0].results[0].supersedes == "42-1-1-3"


def test_quality_control_takes_no_order(instrument, value):
    instrument.order("GLU")
    assert states(instrument.send(value("GLU", at=AGAIN), kind="qc")) == [(0, None, False)]


def test_a_failed_barcode_read_takes_no_order(instrument, value):
    instrument.order("GLU")
    assert states(instrument.send(value("GLU", at=AGAIN), reliable=False)) == [(0, None, False)]
