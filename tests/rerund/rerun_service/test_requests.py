"""Requesting and cancelling: who may, what is written, what is answered."""

import pytest

from rerund.rerun.refusals import Conflict, Impossible, NotFound
from rerund.rerun.requests import RerunRequest
from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE


@pytest.fixture
def measured(site):
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return site


def test_a_request_opens_a_rerun(measured):
    answer = measured.request(1, 3, reason="delta", dilution="1:5")
    assert (answer["rerun_number"], answer["type"], answer["is_active"]) == (1, "Manual", True)
    assert answer["requested_parameters"] == [1, 3]
    assert answer["parameter_names"] == ["WBC", "HGB"]
    assert (answer["created_by"], answer["reason"], answer["dilution"]) == (7, "delta", "1:5")
    assert answer["_id"] == "1:1:1"
    assert (measured.flag(), measured.waiting()) == (3, [(1, [1, 3], "pending")])
    assert measured.log() == [981]
    assert measured.stores.numbers.active_number(1, 1) == 1


def test_a_request_may_name_the_parameters_and_has_room_for_a_reason(measured):
    asked = {"parameter_names": ("HGB", "WBC"), "reason": "x" * 255, "priority": "S"}
    measured.request(1, 3, **asked)
    (row,) = measured.stores.reports.waiting_rows(1, [1])
    assert (row.priority, row.reason) == ("S", "x" * 255)


def test_a_request_may_name_the_next_number(measured):
    assert measured.request(1, rerun_number=1)["rerun_number"] == 1


def test_another_number_is_taken_and_the_next_one_is_told(measured):
    measured.send("09:20", WBC="12.0", rerun=-1)
    with pytest.raises(Conflict) as refused:
        measured.request(1, rerun_number=1)
    assert (refused.value.code, refused.value.details) == (
        "number_taken",
        {"next": 2, "version": 2},
    )


def test_a_request_while_one_is_open_is_refused(measured):
    measured.request(1)
    with pytest.raises(Conflict, match="rerun open") as refused:
        measured.request(3)
    assert refused.value.code == "rerun_open"
    assert measured.log() == [981]


def test_a_request_is_possible_while_runs_wait_for_review(measured):
    measured.send("09:20", WBC="12.0", rerun=-1)
    assert measured.request(1)["rerun_number"] == 2
    assert measured.flag() == 3


@pytest.mark.parametrize("flag", [1, 2])
def test_a_redrawn_report_takes_no_request(site, flag):
    site.report(flag=flag)
    with pytest.raises(Conflict) as refused:
        site.request(1)
    assert refused.value.code == "redrawn"


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"requested_parameters": ()}, "no_parameters", "requested_parameters"),
        ({"requested_parameters": (1, 9)}, "unknown_parameter", "requested_parameters"),
        ({"requested_parameters": (1, 5)}, "not_repeatable", "requested_parameters"),
        ({"requested_parameters": (2,), "device_id": "43"}, "not_on_device", "device_id"),
        ({"requested_parameters": (2,), "device_id": "99"}, "not_on_device", "device_id"),
        (
            {"requested_parameters": (2,), "parameter_names": ("WBC",)},
            "other_names",
            "parameter_names",
        ),
        ({"requested_parameters": (2,), "parameter_names": ()}, "other_names", "parameter_names"),
        ({"requested_parameters": (2,), "reason": "x" * 256}, "too_long", "reason"),
        ({"requested_parameters": (2,), "dilution": "x" * 65}, "too_long", "dilution"),
        ({"requested_parameters": (2,), "priority": "x" * 17}, "too_long", "priority"),
    ],
)
def test_an_impossible_request_names_the_field_and_changes_nothing(measured, asked, code, field):
    before = measured.everything()
    with pytest.raises(Impossible) as refused:
        measured.service.request(1, 1, RerunRequest(**asked), user=7)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert measured.everything() == before


@pytest.mark.parametrize(("lab", "report"), [(1, 99), (2, 1)])
def test_a_report_of_another_lab_is_as_unknown_as_none(measured, lab, report):
    with pytest.raises(NotFound):
        measured.service.request(lab, report, RerunRequest(requested_parameters=(1,)), user=7)


def test_a_completed_report_takes_a_request_only_when_it_is_meant(site):
    site.report(is_completed=True)
    with pytest.raises(Conflict) as refused:
        site.request(1)
    assert (refused.value.code, refused.value.field) == ("completed", "confirm")
    assert site.request(1, confirm=True)["rerun_number"] == 1


def test_the_same_event_has_the_same_answer(measured):
    asked = RerunRequest(requested_parameters=(1,))
    first = measured.service.request(1, 1, asked, user=7, event_id="key-1")
    again = measured.service.request(1, 1, asked, user=7, event_id="key-1")
    assert first == again
    assert measured.log() == [981]


def test_the_event_of_another_report_or_kind_is_a_conflict(measured):
    measured.report(2)
    measured.request(1, event_id="key-1")
    for ask in (
        lambda: measured.request(1, report=2, event_id="key-1"),
        lambda: measured.cancel(event_id="key-1"),
    ):
        with pytest.raises(Conflict) as refused:
            ask()
        assert refused.value.code == "event_id_taken"
    assert (measured.flag(1), measured.flag(2)) == (3, 0)


def test_open_reports_that_share_an_ordered_test_are_told(measured):
    measured.report(2, form=2)
    measured.report(3, form=2, is_completed=True)
    assert measured.request(1)["also_in"] == [{"lab_report_id": 2, "indexes": [1]}]


def test_a_pinned_instrument_decides_what_is_shared(measured):
    measured.report(2, form=2)
    assert measured.request(4, device_id="42")["also_in"] == []


def test_cancelling_discards_the_open_rerun_and_closes_the_waiting_list(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", rerun=1)
    answer = measured.cancel(reason="clotted")
    assert answer["cancelled"] == [1]
    assert (measured.flag(), measured.reruns()) == (0, [])
    assert measured.waiting() == [(1, [3], "cancelled")]
    assert measured.slots()[1] == "12.5"
    assert measured.log()[-1] == 985
    assert measured.ledger()[-1].settled == "discarded"
    assert measured.stores.numbers.active_number(1, 1) is None


def test_a_rerun_value_that_filled_an_empty_slot_is_kept_when_the_rerun_is_cancelled(measured):
    measured.request(1, 4)
    measured.send("10:20", PLT="250", rerun=1)
    measured.cancel()
    assert measured.slots()[4] == "250"
    assert (measured.ledger()[-1].outcome, measured.ledger()[-1].settled) == ("registered", "kept")


def test_cancelling_the_open_rerun_keeps_other_runs_for_review(measured):
    measured.send("09:20", HGB="13.9", rerun=-1)
    measured.request(1)
    measured.cancel()
    assert (measured.flag(), measured.reruns()) == (4, [(1, 3, "13.9", False)])


def test_cancelling_a_review_discards_all_runs_and_keeps_the_originals(measured):
    measured.send("09:20", HGB="13.9", rerun=-1)
    measured.send("09:30", HGB="13.8", rerun=-1)
    assert measured.cancel()["cancelled"] == [1, 2]
    assert (measured.flag(), measured.reruns(), measured.slots()[3]) == (0, [], "14.0")


def test_nothing_to_cancel_is_a_conflict(measured):
    with pytest.raises(Conflict) as refused:
        measured.cancel()
    assert refused.value.code == "nothing_to_cancel"


def test_a_stale_version_cancels_nothing(measured):
    measured.request(1)
    with pytest.raises(Conflict) as refused:
        measured.cancel(version=1)
    assert (refused.value.code, refused.value.details) == ("changed", {"version": 2})
    assert measured.cancel(version=2)["sampleRedrawFlag"] == 0


def test_the_fetch_answer_has_originals_and_reruns_side_by_side(measured):
    measured.send("09:10", PLT="----")
    measured.send("09:20", WBC="12.0", rerun=-1)
    measured.request(3)
    shown = measured.service.show(1, 1)
    assert (shown["sampleRedrawFlag"], shown["version"], shown["next_rerun_number"]) == (3, 4, 3)
    assert shown["active"]["requested_parameters"] == [3]
    originals = {row["parameter_name"]: row for row in shown["originals"]}
    assert originals["WBC"]["value"] == "12.5"
    assert originals["PLT"]["value"] is None
    assert originals["PLT"]["others"][0]["reason"] == "unusable"
    assert [(row["_id"], row["value"]) for row in shown["reruns"]] == [("1:1:1:1:0", "12.0")]


def test_the_fetch_of_an_unknown_report_says_so(site):
    with pytest.raises(NotFound):
        site.service.show(1, 99)
