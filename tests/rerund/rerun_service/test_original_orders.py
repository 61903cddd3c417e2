"""What instruments are to measure for the first time: what the report shows leaves the order."""

import pytest

from tests.rerund.conftest import EVERYWHERE, LAB
from tests.rerund.ordered import ordered

pytestmark = EVERYWHERE


@pytest.fixture
def site(site):
    site.report()
    ordered(site, 1, 3, 4)
    return site


def test_originals_narrow_the_order_to_what_remains_and_the_last_one_closes_it(site):
    site.send("09:00", WBC="12.5", RBC="4.5")
    assert site.waiting() == [(0, [3, 4], "pending")]
    site.send("09:10", HGB="14.0", PLT="250")
    assert site.waiting() == [(0, [], "resulted")]
    (row,) = site.stores.reports.waiting_rows(LAB, [1])
    assert (row.requested, row.version) == ([1, 3, 4], 3)


def test_what_changes_the_order_is_a_change_for_those_who_read_it(site):
    token = site.stores.reports.order_token(LAB)
    site.send("09:10", WBC="12.5")
    assert site.stores.reports.order_token(LAB) != token
    (row,) = site.stores.reports.waiting_rows(LAB, [1])
    assert (row.version, row.updated_at) == (2, "2026-05-20T09:10:00.000Z")


@pytest.mark.parametrize(
    "value",
    [
        {"WBC": "----"},
        {"WBC": "12.5", "fields": {"result_status": "X"}},
        {"WBC": "12.5", "fields": {"units": "mmol/L"}},
        {"WBC": "12.5", "kind": "qc"},
        {"WBC": "12.5", "sample": "S9"},
        {"RBC": "4.5"},
    ],
    ids=["no value", "not done", "another unit", "a control", "another sample", "not ordered"],
)
def test_a_value_that_the_report_does_not_show_leaves_the_order(site, value):
    site.send("09:00", **value)
    assert site.waiting() == [(0, [1, 3, 4], "pending")]


def test_the_first_usable_value_after_an_unusable_one_is_what_was_ordered(site):
    site.send("09:00", WBC="----", HGB="14.0")
    assert site.waiting() == [(0, [1, 4], "pending")]
    site.send("09:20", WBC="12.5", rerun=-1)
    assert site.waiting() == [(0, [4], "pending")]


@pytest.mark.parametrize("status", ["sent", "accepted", "refused"])
def test_an_order_that_an_instrument_has_is_narrowed_and_stays_with_it(site, status):
    ordered(site, 1, 3, 4, status=status)
    site.send("09:00", WBC="12.5")
    assert site.waiting() == [(0, [3, 4], status)]
    site.send("09:10", HGB="14.0", PLT="250")
    assert site.waiting() == [(0, [], "resulted")]


@pytest.mark.parametrize("status", ["resulted", "cancelled"])
def test_an_order_that_is_closed_stays_as_it_is(site, status):
    ordered(site, 1, 3, status=status)
    site.send("09:00", WBC="12.5")
    assert site.waiting() == [(0, [1, 3], status)]


def test_each_row_of_the_report_is_narrowed(site):
    """A LIMS may ask each instrument for its own part."""
    ordered(site, 1, 2, device_id="43")
    site.send("09:00", WBC="12.5")
    assert site.waiting() == [(0, [3, 4], "pending"), (0, [2], "pending")]


def test_a_rerun_leaves_the_order_and_originals_leave_the_rerun(site):
    site.send("09:00", WBC="12.5", RBC="4.5")
    site.request(1, 2, at="10:00")
    assert site.waiting() == [(0, [3, 4], "pending"), (1, [1, 2], "pending")]
    site.send("10:10", HGB="14.0")
    assert site.waiting() == [(0, [4], "pending"), (1, [1, 2], "pending")]
    site.send("10:20", WBC="12.1", rerun=1)
    assert site.waiting() == [(0, [4], "pending"), (1, [2], "pending")]


def test_a_cancelled_rerun_leaves_the_order(site):
    site.send("09:00", WBC="12.5")
    site.request(1, at="10:00")
    site.cancel(at="10:10")
    assert site.waiting() == [(0, [3, 4], "pending"), (1, [1], "cancelled")]


def test_a_value_that_fills_a_slot_and_counts_for_a_rerun_serves_both(site):
    site.send("09:00", WBC="12.5")
    site.request(1, 3, at="10:00")
    site.send("10:10", WBC="12.1", HGB="14.0", rerun=1)
    assert site.slots()[3] == "14.0"
    assert site.waiting() == [(0, [4], "pending"), (1, [], "resulted")]


def test_the_same_values_again_change_nothing(site):
    sent = site.send("09:00", WBC="12.5")
    before = site.everything()
    site.again(sent)
    assert site.everything() == before


def test_results_that_were_there_before_the_report_leave_its_order(site):
    site.send("09:00", sample="S2", WBC="12.5")
    site.report(2, sample="S2")
    ordered(site, 1, 2, report=2)
    site.service.sweep(LAB)
    assert site.slots(2) == {1: "12.5"}
    assert site.waiting(2) == [(0, [2], "pending")]
