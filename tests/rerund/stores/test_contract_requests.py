"""Requests that carry a key: entered once, answered for ever, taken over when left behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rerund.rerun.records import Begun

KEY, BODY = "k" * 64, "b" * 64
NEW = Begun("new", "event-1")


def begin(reports, key=KEY, body=BODY, event="event-1", stale_after=60.0, lab=1):
    return reports.begin_request(lab, key, body, event, stale_after)


def test_a_key_that_nobody_used_is_new(reports):
    assert begin(reports) == NEW


def test_a_request_that_is_worked_on_is_running(reports, beside):
    begin(reports)
    assert begin(beside.reports, event="event-2") == Begun("running", "event-1")


def test_a_request_that_was_answered_is_answered_again(reports, beside):
    begin(reports)
    answer = {"rerun_number": 1, "also_in": [], "reason": "ä|µ", "active": None}
    reports.end_request(1, KEY, 201, answer)
    assert begin(beside.reports, event="event-2") == Begun("done", "event-1", 201, answer)


@pytest.mark.parametrize("ended", [False, True])
def test_a_key_belongs_to_one_body(reports, ended):
    begin(reports)
    if ended:
        reports.end_request(1, KEY, 200, {})
    assert begin(reports, body="c" * 64).state == "other_body"


def test_a_request_that_was_left_behind_is_taken_over_under_its_event(reports):
    begin(reports)
    assert begin(reports, event="event-2", stale_after=-1.0) == NEW
    assert begin(reports, event="event-3") == Begun("running", "event-1")


def test_an_answered_request_is_not_taken_over(reports):
    begin(reports)
    reports.end_request(1, KEY, 409, {"error": {"code": "rerun_open"}})
    assert begin(reports, stale_after=-1.0).state == "done"


def test_one_of_many_takes_a_request_over(reports):
    begin(reports)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: begin(reports, stale_after=0.0).state, range(8)))
    assert set(found) <= {"new", "running"}
    assert "new" in found


def test_one_of_many_enters_a_request(reports, beside):
    stores = [reports, beside.reports] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: begin(at[1], event=f"e{at[0]}"), enumerate(stores)))
    (new,) = [begun for begun in found if begun.state == "new"]
    others = [begun for begun in found if begun is not new]
    assert others == [Begun("running", new.event_id)] * 7


def test_an_abandoned_request_is_new_again(reports):
    begin(reports)
    reports.abandon_request(1, KEY)
    assert begin(reports, body="c" * 64, event="event-2") == Begun("new", "event-2")


def test_an_answered_request_is_not_abandoned(reports):
    begin(reports)
    reports.end_request(1, KEY, 200, {})
    reports.abandon_request(1, KEY)
    assert begin(reports).state == "done"


@pytest.mark.parametrize(("lab", "key"), [(2, KEY), (1, "K" * 64)])
def test_keys_are_those_of_a_lab_and_have_upper_and_lower_case(reports, lab, key):
    begin(reports)
    assert begin(reports, key=key, lab=lab, event="event-2") == Begun("new", "event-2")


def test_what_is_old_is_forgotten_answered_or_not(reports):
    begin(reports)
    begin(reports, key="other")
    reports.end_request(1, KEY, 200, {})
    assert reports.forget_requests(reports.now() - 60) == 0
    assert begin(reports).state == "done"
    assert reports.forget_requests(reports.now() + 60) == 2
    assert begin(reports) == NEW
