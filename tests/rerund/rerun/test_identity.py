"""Run identity, ids, and the few things that are read from text."""

import uuid
from zoneinfo import ZoneInfo

import pytest

from drivers.result import Result
from rerund.rerun.identity import (
    dilution_factor,
    in_run_order,
    instant,
    is_usable,
    namespace,
    payload_id,
    run_key,
    second_reading,
    seconds_between,
)

JOURNAL = "5f0c0c1e-7a51-4a0e-8d3c-0f6f1d2b3a49"


def test_payload_id_is_the_uuid5_of_its_parts():
    journal = uuid.UUID(JOURNAL)
    assert payload_id(journal, 17, 1, "1-original") == str(uuid.uuid5(journal, "17-1-1-original"))


@pytest.mark.parametrize("text", [JOURNAL, uuid.UUID(JOURNAL).hex], ids=["dashes", "hex"])
def test_a_journal_id_that_is_a_uuid_is_its_namespace(text):
    assert namespace(text) == uuid.UUID(JOURNAL)


def test_any_other_journal_id_has_a_namespace_of_its_own():
    assert len({namespace("a"), namespace("b"), namespace("a")}) == 2


def test_run_keys_tell_journals_entries_and_groups_apart():
    keys = {
        run_key("42", "S1", journal, entry, group)
        for journal in (JOURNAL, "other")
        for entry in (1, 2)
        for group in ("1-1-original", "1-1-rerun-1")
    }
    assert len(keys) == 8


USABLE = {
    "a number": ({}, True),
    "final": ({"result_status": "F"}, True),
    "preliminary": ({"result_status": "P"}, True),
    "questionable": ({"result_status": "W"}, True),
    "no number": ({"invalid_reason": "no_number"}, False),
    "pending": ({"result_status": "I"}, False),
    "cannot be done": ({"result_status": "X"}, False),
    "deleted": ({"result_status": "D"}, False),
}


@pytest.mark.parametrize(("members", "expected"), USABLE.values(), ids=USABLE)
def test_usable_is_a_value_that(members, expected):
    assert is_usable(Result("r", "GLU", **members)) is expected


@pytest.mark.parametrize("text", [None, "", "1", "1:1", " 1 "])
def test_undiluted(text):
    assert dilution_factor(text) == "1"


@pytest.mark.parametrize("text", ["10", "1:10"])
def test_diluted(text):
    assert dilution_factor(text) == "10"


def test_instants():
    assert instant("1970-01-01T00:01:00Z") == 60.0
    assert instant(None) is None
    assert seconds_between("2026-05-20T10:00:00.5Z", "2026-05-20T12:00:01+02:00") == 0.5
    assert seconds_between(None, "2026-05-20T10:00:00Z") is None


READINGS = {
    "the first of two": ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
    "the second of two": ("2026-10-25T01:30:00Z", None),
    "an hour that comes once": ("2026-10-25T03:30:00Z", None),
    "the hour that spring leaves out": ("2026-03-29T01:30:00Z", None),
}


@pytest.mark.parametrize(("run_at", "later"), READINGS.values(), ids=READINGS)
def test_second_reading_of_a_clock_time(run_at, later):
    assert second_reading(run_at, ZoneInfo("Europe/Berlin")) == later


@pytest.mark.conformance(170)
def test_runs_are_in_the_order_of_their_times_then_of_arrival():
    def result(name, minute):
        run_at = None if minute is None else f"2026-05-20T10:{minute}:00Z"
        return Result(name, "GLU", run_at=run_at)

    timed = [result("late", "20"), result("early", "00"), result("also late", "20")]
    assert [r.result_id for r in in_run_order(timed)] == ["early", "late", "also late"]
    mixed = [result("late", "20"), result("unknown", None), result("early", "00")]
    assert in_run_order(mixed) == mixed
