"""Several values of one payload for the same index: none of them overwrites another."""

import msgspec
import pytest

from rerund.rerun.records import Mapping
from tests.rerund.conftest import CBC, LAB_DATA


@pytest.fixture
def two_codes(site):
    """A lab where WBC and its recount WBC-R are shown at the same index."""
    recount = Mapping("42", "WBC-R", CBC, 1, "CBC", "10*3/uL")
    site.lab(msgspec.structs.replace(LAB_DATA, mappings=(*LAB_DATA.mappings, recount)))
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.0")
    return site


ORDERS = [
    {"WBC": "12.0", "WBC-R": "----"},
    {"WBC-R": "----", "WBC": "12.0"},
    {"WBC": "12.0", "WBC-R": "99.0"},
]


@pytest.mark.parametrize("values", ORDERS)
def test_a_usable_value_of_a_requested_rerun_stays(two_codes, values):
    two_codes.request(1)
    two_codes.send("10:20", rerun=1, **values)
    assert two_codes.reruns() == [(1, 1, "12.0", True)]
    (rerun,) = two_codes.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([1], [])
    assert ("WBC-R", "original", "same_index") in two_codes.outcomes()


@pytest.mark.parametrize("values", ORDERS)
def test_a_usable_value_of_an_unrequested_run_stays(two_codes, values):
    two_codes.send("10:20", rerun=-1, **values)
    assert two_codes.reruns() == [(1, 1, "12.0", False)]
    assert ("WBC-R", "original", "same_index") in two_codes.outcomes()


def test_a_usable_value_that_joins_a_run_stays(two_codes):
    run = {"run_key": "r"}
    two_codes.send("10:20", rerun=-1, context=run, RBC="4.1")
    two_codes.send("10:21", rerun=-1, context=run, **ORDERS[0])
    assert two_codes.reruns() == [(1, 1, "12.0", False), (1, 2, "4.1", False)]


def test_two_corrections_of_one_index_are_both_applied(two_codes):
    """The second one corrects the first, in the order they were sent."""
    made, context = two_codes.payload("09:00", received="09:30", WBC="11.5", **{"WBC-R": "11.7"})
    made.results[0].run_kind, made.results[0].supersedes = "correction", "j-1-1-1"
    made.results[1].run_kind, made.results[1].supersedes = "correction", "j-1-1-1"
    two_codes.again((made, context))
    assert two_codes.slots()[1] == "11.7"
    assert [reason for _, _, reason in two_codes.outcomes()].count("same_index") == 0
