"""rerun.md 5: payloads, and runs that take several messages."""

import uuid

import pytest

from drivers.result import Patient, SampleResults


def keys(outcome):
    return [context.run_key for _, context in outcome.payloads]


def test_originals_come_first_then_the_runs_in_order(instrument, value, summary):
    instrument.send(value("A"), value("B"))
    outcome = instrument.send(
        value("A", "3", "10:40"),
        value("A", "2", "10:20"),
        value("B", "2", "10:20"),
        value("C", "1", "10:20"),
    )
    assert summary(outcome) == [(0, ["C"]), (-1, ["A", "B"]), (-1, ["A"])]
    assert [p.results[0].value for p, _ in outcome.payloads] == ["1", "2", "3"]
    assert len(set(keys(outcome))) == 3


def test_payload_ids_are_uuid5_and_differ(instrument, value):
    instrument.send(value("A"))
    outcome = instrument.send(value("A", at="10:20"), value("B", at="10:20"))
    ids = [payload.payload_id for payload, _ in outcome.payloads]
    assert len(set(ids)) == 2
    assert {uuid.UUID(text).version for text in ids} == {5}


BROKEN = {
    "the window is over": {"test": "B", "received": "11:10"},
    "it has the test already": {"test": "A", "received": "11:05"},
    "the kind is another": {"test": "B", "received": "11:05", "dilution": "10"},
}


class TestRunOverSeveralMessages:
    @pytest.fixture
    def repeated(self, instrument, value):
        """A sample with originals of A and B, and a repeat of A received at 11:00."""
        instrument.send(value("A", at="09:00"), value("B", at="09:00"), at="09:30")
        first = instrument.send(value("A", at="10:00"), at="11:00")
        return instrument, first

    def test_goes_on_within_the_run_window(self, repeated, value):
        instrument, first = repeated
        assert keys(instrument.send(value("B", at="10:01"), at="11:09:59")) == keys(first)

    @pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
    def test_is_a_new_run_when(self, repeated, value, case):
        instrument, first = repeated
        part = value(case["test"], at="10:01", dilution=case.get("dilution"))
        assert keys(instrument.send(part, at=case["received"])) != keys(first)

    def test_the_window_counts_from_the_last_message(self, instrument, value):
        instrument.send(*(value(test, at="09:00") for test in "ABC"), at="09:30")
        first = instrument.send(value("A"), at="11:00")
        instrument.send(value("B"), at="11:08")
        assert keys(instrument.send(value("C"), at="11:16")) == keys(first)

    def test_originals_join_too(self, instrument, value):
        first = instrument.send(value("A"), at="11:00")
        assert keys(instrument.send(value("B"), at="11:01")) == keys(first)

    def test_a_requested_run_is_not_the_instruments_own(self, repeated, value):
        instrument, first = repeated
        instrument.order("B")
        assert keys(instrument.send(value("B", at="10:01"), at="11:05")) != keys(first)


def test_the_context_keeps_patient_and_the_runs_compared(instrument, value):
    instrument.send(value("A"))
    sample = SampleResults(1, "S1", "patient", True, [value("A", "6", "10:20")])
    sample.patient = Patient(ids=("P1",), sex="F")
    instrument.entry += 1
    outcome = instrument.decide(_said(sample), "11:30")
    _, context = outcome.payloads[0]
    assert context.patient == sample.patient
    assert context.compared == ("42-1-1-3",)


def test_runs_of_one_sample_in_one_message_are_known_to_its_next_order(instrument, value, summary):
    orders = [
        SampleResults(1, "S1", "patient", True, [value("A", "5", "10:00")]),
        SampleResults(1, "S1", "patient", True, [value("A", "6", "10:20")]),
    ]
    outcome = instrument.decide(_said(*orders), "11:00")
    assert summary(outcome) == [(0, ["A"]), (-1, ["A"])]


def _said(*samples):
    from drivers.result import Interpretation

    return Interpretation(list(samples), [], [], b"digest")
