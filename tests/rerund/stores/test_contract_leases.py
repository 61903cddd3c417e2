"""Contract of the leases: one owner per instrument, by the clock of the database."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.rerund.conftest import LAB_DATA

XN = {"42": "Sysmex XN-1000"}
BOTH = {**XN, "43": "Pentra"}
LONG, OVER = 3600.0, -1.0
"""Seconds of a lease: one that holds, and one that has just expired."""


@pytest.fixture
def other(beside):
    """The report store as another daemon has it open."""
    return beside.reports


def states(leases):
    return {lease.device_id: (lease.held, lease.owner, lease.taken_from) for lease in leases}


def take(store, owner, devices=XN, seconds=LONG, lab=1):
    return states(store.take_leases(lab, owner, devices, seconds))


def test_a_free_instrument_is_taken(reports):
    assert take(reports, "a", BOTH) == {"42": (True, "a", None), "43": (True, "a", None)}


def test_two_owners_of_one_instrument_are_refused(reports, other):
    take(reports, "a")
    assert take(other, "b", BOTH) == {"42": (False, "a", None), "43": (True, "b", None)}
    assert take(reports, "a", BOTH) == {"42": (True, "a", None), "43": (False, "b", None)}


@pytest.mark.parametrize(
    ("owner", "taken_from"), [("a", None), ("b", "a")], ids=["the same", "another"]
)
def test_an_expired_lease_is_anyones(reports, owner, taken_from):
    take(reports, "a", seconds=OVER)
    assert take(reports, owner) == {"42": (True, owner, taken_from)}


@pytest.mark.parametrize(
    ("owner", "taken_from"), [("a", None), ("b", "a")], ids=["the same", "another"]
)
def test_a_released_lease_is_anyones_who_hears_whose_it_was(reports, other, owner, taken_from):
    take(reports, "a")
    reports.release_leases(1, "a")
    assert take(other, owner) == {"42": (True, owner, taken_from)}


def test_a_release_leaves_the_leases_of_others(reports):
    take(reports, "a")
    take(reports, "b", {"43": "Pentra"})
    reports.release_leases(1, "b")
    reports.release_leases(2, "a")
    assert take(reports, "c", BOTH) == {"42": (False, "a", None), "43": (True, "c", "b")}


def test_a_lease_lasts_so_long_from_now_and_is_renewed(reports):
    def until(seconds):
        (lease,) = reports.take_leases(1, "a", XN, seconds)
        return datetime.fromisoformat(lease.until) - datetime.fromtimestamp(reports.now(), UTC)

    assert timedelta(seconds=30) < until(60.0) <= timedelta(seconds=61)
    assert timedelta(seconds=60) < until(90.5) <= timedelta(seconds=91.5)


def test_labs_do_not_share_instruments(reports):
    take(reports, "a")
    assert take(reports, "b", lab=2) == {"42": (True, "b", None)}


def test_an_instrument_that_the_lab_does_not_have_is_added_under_its_name(reports):
    take(reports, "a", BOTH)
    devices = reports.lab_data(1).devices
    assert [(one.device_id, one.name) for one in devices] == list(BOTH.items())


def test_a_lease_says_nothing_about_the_lab(reports, lims):
    lims(lab=LAB_DATA)
    before = reports.lab_data_version(1), reports.lab_data(1)
    take(reports, "a", {"42": "another name"})
    reports.release_leases(1, "a")
    assert (reports.lab_data_version(1), reports.lab_data(1)) == before


def test_a_refusal_changes_nothing(reports, other):
    take(reports, "a")
    before = reports.leases(1)
    take(other, "b")
    assert reports.leases(1) == before


def test_a_listing_tells_who_has_what_and_who_had_it(reports, lims):
    lims(lab=LAB_DATA)
    assert states(reports.leases(1)) == {"42": (False, None, None), "43": (False, None, None)}
    take(reports, "a")
    take(reports, "b", {"43": "Pentra"}, OVER)
    assert states(reports.leases(1)) == {"42": (True, "a", None), "43": (False, "b", None)}
    assert reports.leases(2) == []


def test_of_many_who_reach_for_one_instrument_one_has_it(reports, other):
    start = threading.Barrier(8)
    found = []

    def reach(number):
        start.wait()
        store = (reports, other)[number % 2]
        found.append((f"owner-{number}", take(store, f"owner-{number}")["42"]))

    threads = [threading.Thread(target=reach, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [owner for owner, (held, _, _) in found if held]
    assert len(winners) == 1
    assert {owner for _, (_, owner, _) in found} == set(winners)
