"""Rerun values: instrument-triggered, numbered, parallel, failed, late and refused ones."""

import msgspec
import pytest

from rerund.rerun.rules import Rules
from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE


@pytest.fixture
def measured(site):
    """A report with three originals of instrument 42."""
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return site


def test_an_instrument_triggered_run_gets_the_next_number_and_is_to_be_reviewed(measured):
    measured.send("09:20", WBC="12.1", rerun=-1)
    assert measured.flag() == 4
    assert measured.reruns() == [(1, 1, "12.1", False)]
    assert measured.slots()[1] == "12.5"
    assert measured.log() == [979]
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.type, rerun.is_active, rerun.fulfilled_parameters) == ("Instrument", False, [1])
    assert rerun.parameter_names == ["WBC"]


def test_another_instrument_triggered_run_gets_another_number(measured):
    measured.send("09:20", WBC="12.1", rerun=-1)
    measured.send("09:40", WBC="12.2", rerun=-1)
    assert measured.reruns() == [(1, 1, "12.1", False), (2, 1, "12.2", False)]
    assert measured.row().last_rerun_number == 2


def test_a_run_over_several_messages_has_one_number(measured):
    run = {"run_key": "run-a"}
    measured.send("09:20", WBC="12.1", rerun=-1, context=run)
    measured.send("09:21", HGB="13.9", rerun=-1, context=run)
    assert measured.reruns() == [(1, 1, "12.1", False), (1, 3, "13.9", False)]
    assert measured.log() == [979, 979]


def test_a_part_arriving_after_the_run_was_settled_is_a_new_run(measured):
    run = {"run_key": "run-a"}
    measured.send("09:20", WBC="12.1", rerun=-1, context=run)
    measured.cancel()
    measured.send("09:21", HGB="13.9", rerun=-1, context=run)
    assert measured.reruns() == [(2, 3, "13.9", False)]
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert rerun.run_key == "run-a#2"


def test_an_original_again_on_the_same_instrument_is_a_run_to_review(measured):
    measured.send("11:00", WBC="12.4")
    assert measured.flag() == 4
    (value,) = measured.stores.reruns.values(1, [1])
    assert (value.run_kind, value.rerun_type) == ("repeat", "machine_rerun")


def test_the_first_run_on_another_instrument_is_parallel(measured):
    measured.send("09:30", device="43", WBC="12.0", fields={"units": "10^9/L"})
    assert measured.flag() == 4
    (value,) = measured.stores.reruns.values(1, [1])
    assert (value.run_kind, value.device_id, value.rerun_number) == ("parallel", "43", 1)


class TestKeptParallelRuns:
    @pytest.fixture
    def rules(self):
        return Rules(keep_parallel=frozenset({"43"}))

    def test_are_stored_without_the_flag(self, measured):
        measured.send("09:30", device="43", WBC="12.0", fields={"units": "10^9/L"})
        assert (measured.flag(), measured.reruns()) == (0, [])
        assert measured.outcomes()[-1] == ("WBC", "registered", "parallel")
        assert measured.ledger()[-1].settled == "kept"

    def test_are_those_after_one_that_did_not_fit_too(self, measured):
        measured.send("09:30", device="43", WBC="12.0", fields={"units": "mmol/L"})
        measured.send("09:40", device="43", WBC="12.0", fields={"units": "10^9/L"})
        assert (measured.flag(), measured.reruns()) == (0, [])
        assert measured.outcomes()[-1] == ("WBC", "registered", "parallel")

    def test_a_second_run_there_is_to_be_reviewed(self, measured):
        measured.send("09:30", device="43", WBC="12.0", fields={"units": "10^9/L"})
        measured.send("09:50", device="43", WBC="11.9", fields={"units": "10^9/L"}, rerun=-1)
        assert (measured.flag(), measured.reruns()) == (4, [(1, 1, "11.9", False)])


def test_requested_values_fulfil_the_open_rerun_part_by_part(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", rerun=1)
    assert (measured.flag(), measured.waiting()) == (3, [(1, [3], "pending")])
    measured.send("10:30", HGB="13.8", rerun=1)
    assert (measured.flag(), measured.waiting()) == (4, [(1, [], "resulted")])
    assert measured.reruns() == [(1, 1, "12.0", True), (1, 3, "13.8", True)]
    assert measured.log() == [981, 979, 979]
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.is_active, rerun.fulfilled_parameters) == (False, [1, 3])


def test_values_count_for_the_open_rerun_whatever_number_they_carry(measured):
    measured.request(1)
    measured.cancel(at="10:05")
    measured.request(1, 3, at="10:10")
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.send("10:21", HGB="13.8", rerun=-1)
    assert measured.flag() == 4
    assert measured.reruns() == [(2, 1, "12.0", True), (2, 3, "13.8", True)]


def test_another_instrument_may_fulfil_the_request(measured):
    measured.request(1)
    measured.send("10:20", device="43", WBC="12.0", fields={"units": "10^9/L"})
    assert (measured.flag(), measured.reruns()) == (4, [(1, 1, "12.0", True)])


def test_other_repeated_values_of_the_message_belong_to_the_same_run(measured):
    measured.request(1)
    measured.send("10:20", WBC="12.0", HGB="13.8", rerun=1)
    assert measured.reruns() == [(1, 1, "12.0", True), (1, 3, "13.8", False)]
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert rerun.fulfilled_parameters == [1]


def test_a_run_older_than_the_request_does_not_count_for_it(measured):
    measured.request(1, at="10:00")
    measured.send("09:50", WBC="12.0", rerun=-1, received="10:20")
    assert measured.flag() == 3
    assert measured.reruns() == [(2, 1, "12.0", False)]
    assert measured.waiting() == [(1, [1], "pending")]


def test_the_clock_tolerance_counts_as_not_earlier(measured):
    measured.request(1, at="10:00")
    measured.send("09:55", WBC="12.0", rerun=1, received="10:20")
    assert measured.reruns() == [(1, 1, "12.0", True)]


def test_an_instrument_triggered_run_of_other_parameters_leaves_the_request_open(measured):
    measured.request(1)
    measured.send("10:20", HGB="13.8", rerun=-1)
    assert (measured.flag(), measured.reruns()) == (3, [(2, 3, "13.8", False)])


def test_a_second_value_of_a_fulfilled_parameter_is_another_run(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.send("10:40", WBC="12.3", HGB="13.8", rerun=1)
    assert measured.reruns() == [
        (1, 1, "12.0", True),
        (2, 1, "12.3", False),
        (1, 3, "13.8", True),
    ]
    assert measured.flag() == 4


def test_a_failed_run_is_named_and_hides_no_good_value(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", HGB="----", rerun=1)
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([1], [3])
    assert measured.flag() == 4
    assert measured.log() == [981, 979, 984]
    assert measured.stores.reports.activity(1, 1)[-1].new["parameter_names"] == ["HGB"]
    assert measured.slots()[3] == "14.0"


def test_a_good_value_takes_back_a_failure_of_the_open_rerun(measured):
    measured.request(1, 3)
    measured.send("10:20", HGB="----", rerun=1)
    measured.send("10:30", HGB="13.8", rerun=1)
    assert measured.reruns() == [(1, 3, "13.8", True)]
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([3], [])
    shown = measured.service.show(1, 1)["originals"]
    others = {one["index"]: [other["value"] for other in one["others"]] for one in shown}
    assert others == {1: [], 2: [], 3: ["----"]}


def test_a_requested_value_in_another_unit_fails(measured):
    measured.request(3)
    measured.send("10:20", HGB="8.5", rerun=1, fields={"units": "mmol/L"})
    (value,) = measured.stores.reruns.values(1, [1])
    assert (measured.flag(), value.invalid_reason) == (4, "unit_mismatch")
    assert measured.outcomes()[-1] == ("HGB", "registered", "unit_mismatch")
    assert [alert.code for alert in measured.alerts] == ["unit_mismatch"]


def test_the_requested_first_value_fills_the_slot_and_counts(site):
    site.report()
    site.request(1)
    site.send("10:20", WBC="5.0", rerun=1)
    assert (site.flag(), site.slots()) == (4, {1: "5.0"})
    assert site.reruns() == [(1, 1, "5.0", True)]


def test_an_original_of_an_empty_slot_leaves_an_open_rerun_alone(measured):
    measured.request(1)
    measured.send("10:20", PLT="250")
    assert (measured.flag(), measured.slots()[4]) == (3, "250")


def test_values_of_a_rerun_cancelled_meanwhile_are_refused_and_logged_once(measured):
    measured.request(1)
    measured.cancel(at="10:10")
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.send("10:30", WBC="12.1", rerun=1)
    assert (measured.flag(), measured.reruns()) == (0, [])
    assert measured.outcomes()[-2:] == [("WBC", "refused", "rerun_closed")] * 2
    assert measured.log() == [981, 985, 984]


def test_a_repeat_of_a_closed_rerun_from_the_pinned_instrument_is_refused(measured):
    measured.request(1, device_id="42")
    measured.cancel(at="10:10")
    measured.send("10:20", WBC="12.0", rerun=-1)
    assert (measured.flag(), measured.outcomes()[-1][1:]) == (0, ("refused", "rerun_closed"))


def test_any_other_repeat_after_a_closed_rerun_is_an_instrument_triggered_run(measured):
    measured.request(1)
    measured.cancel(at="10:10")
    measured.send("10:20", WBC="12.0", rerun=-1)
    assert (measured.flag(), measured.reruns()) == (4, [(2, 1, "12.0", False)])


@pytest.mark.parametrize("flag", [1, 2])
def test_rerun_values_of_a_redrawn_report_are_kept_without_a_number(site, flag):
    site.report(flag=flag)
    site.send("09:00", WBC="5.0")
    site.send("09:20", WBC="5.1", rerun=-1)
    site.send("09:40", WBC="5.2", rerun=-1)
    assert (site.flag(), site.reruns(), site.row().last_rerun_number) == (flag, [], 0)
    assert site.outcomes()[1:] == [("WBC", "refused", "redrawn")] * 2
    assert site.log() == [984]


@pytest.fixture(params=[1, 2])
def redraw(request, measured):
    """Moves the flag as no LIMS may, and leaves all else as it is."""

    def redraw():
        measured.lims(report=msgspec.structs.replace(measured.row(), flag=request.param))
        return request.param

    return redraw


@pytest.mark.parametrize("rerun", [1, -1, 0])
def test_values_of_a_rerun_that_is_open_in_a_redrawn_report_are_kept_and_refused(
    measured, redraw, rerun
):
    measured.request(1, 3)
    flag = redraw()
    measured.send("10:20", WBC="12.0", RBC="4.4", rerun=rerun)
    measured.send("10:30", HGB="13.8", PLT="210", rerun=rerun)
    assert (measured.flag(), measured.reruns()) == (flag, [])
    assert measured.outcomes()[3:] == [
        ("WBC", "refused", "redrawn"),
        ("RBC", "refused", "redrawn"),
        ("PLT", "original", None),
        ("HGB", "refused", "redrawn"),
    ]
    assert (measured.slots()[4], measured.log()) == ("210", [981, 984])
    assert measured.waiting() == [(1, [1, 3], "pending")]


def test_a_run_that_goes_on_in_a_redrawn_report_is_refused_from_there(measured, redraw):
    run = {"run_key": "run-a"}
    measured.send("09:20", WBC="12.1", rerun=-1, context=run)
    flag = redraw()
    measured.send("09:21", HGB="13.9", rerun=-1, context=run)
    assert (measured.flag(), measured.reruns()) == (flag, [(1, 1, "12.1", False)])
    assert measured.outcomes()[-1] == ("HGB", "refused", "redrawn")


def test_an_open_rerun_goes_on_when_the_flag_is_put_back(measured, redraw):
    measured.request(1)
    redraw()
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.lims(report=msgspec.structs.replace(measured.row(), flag=3))
    measured.send("10:30", WBC="12.2", rerun=1)
    assert (measured.flag(), measured.reruns()) == (4, [(1, 1, "12.2", True)])


def test_a_value_with_an_earlier_run_time_that_arrives_later_says_so(measured):
    measured.send("08:50", WBC="11.9", received="09:30")
    (value,) = measured.stores.reruns.values(1, [1])
    assert (value.conflict, measured.flag(), measured.slots()[1]) == (True, 4, "12.5")


def test_numbers_are_never_given_twice(measured):
    for minute in (10, 20, 30):
        measured.send(f"09:{minute}", WBC="12.1", rerun=-1)
        measured.cancel(at=f"09:{minute + 5}")
    assert measured.row().last_rerun_number == 3
    assert {row.rerun_number for row in measured.ledger()} == {0, 1, 2, 3}


def test_a_run_that_history_forgot_is_known_by_the_ledger(measured):
    measured.send("09:00", WBC="12.5", received="2026-05-23T10:00:00Z")
    assert measured.outcomes()[-1] == ("WBC", "ignored", "known_run")
    assert (measured.flag(), measured.reruns()) == (0, [])


def test_a_forgotten_run_with_another_status_is_a_status_update(site):
    site.report()
    site.send("09:00", WBC="12.5", fields={"result_status": "P"})
    site.send("09:00", WBC="12.5", received="2026-05-23T10:00:00Z")
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.result_status, site.flag()) == ("F", 0)


def test_replicates_of_a_rerun_are_kept_one_by_one(measured):
    fields = {"run_kind": "replicate"}
    run = {"run_key": "run-a"}
    measured.send("09:20", WBC="12.1", rerun=-1, fields={**fields, "replicate": 1}, context=run)
    measured.send("09:20", WBC="12.3", rerun=-1, fields={**fields, "replicate": 2}, context=run)
    assert measured.reruns() == [(1, 1, "12.1", False), (1, 1, "12.3", False)]


def test_a_failed_instrument_triggered_run_is_recorded_and_hides_nothing(measured):
    measured.send("09:20", WBC="----", rerun=-1)
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    (value,) = measured.stores.reruns.values(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([], [1])
    assert (value.value, value.invalid_reason) == ("----", "no_value")
    assert (measured.flag(), measured.slots()[1], measured.log()) == (4, "12.5", [979])


def test_a_value_without_a_run_time_is_placed_by_its_arrival(site):
    site.report()
    site.send("09:00", WBC="12.5", fields={"run_at": None})
    site.request(1, at="10:00")
    site.send("10:20", WBC="12.5", rerun=1, fields={"run_at": None})
    assert (site.slots(), site.reruns()) == ({1: "12.5"}, [(1, 1, "12.5", True)])


def test_a_closed_rerun_is_forgotten_after_the_history_window(measured):
    measured.request(1)
    measured.cancel(at="10:10")
    measured.send("2026-05-23T10:11:00Z", WBC="12.0", rerun=1)
    assert (measured.flag(), measured.reruns()) == (4, [(2, 1, "12.0", False)])


def test_a_corrected_value_of_the_open_rerun_that_can_not_be_used_has_failed(measured):
    measured.request(1, 3)
    sent = measured.send("10:20", WBC="12.0", rerun=1)
    fields = {"run_kind": "correction", "supersedes": sent[0].results[0].result_id}
    measured.send("10:30", WBC="----", fields=fields)
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([], [1])
    assert measured.flag() == 3
