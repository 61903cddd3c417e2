"""An open rerun that nothing comes of raises an alert, once."""

import pytest


@pytest.fixture
def requested(site):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    site.request(1, 3, at="10:00")
    return site


def overdue(site, at):
    site.clock.set(f"2026-05-20T{at}:00Z" if len(at) == 5 else f"2026-05-20T{at}Z")
    return [(alert.code, alert.lab_report_id) for alert in site.service.overdue(1)]


@pytest.mark.parametrize(
    ("at", "alerts"),
    [
        ("10:00", []),
        ("14:00", []),
        ("14:00:00.001", [("rerun_overdue", 1)]),
        ("20:00", [("rerun_overdue", 1)]),
    ],
)
def test_a_rerun_is_overdue_after_four_hours(requested, at, alerts):
    assert overdue(requested, at) == alerts
    assert [alert.code for alert in requested.alerts] == [code for code, _ in alerts]


def test_an_overdue_rerun_is_told_once(requested):
    assert overdue(requested, "15:00")
    assert overdue(requested, "16:00") == []


def test_a_rerun_of_which_some_values_came_is_overdue_all_the_same(requested):
    requested.send("10:20", WBC="12.0", rerun=1)
    assert overdue(requested, "15:00")


@pytest.mark.parametrize("end", ["cancel", "fulfil"])
def test_a_rerun_that_has_ended_is_not_overdue(requested, end):
    if end == "cancel":
        requested.cancel(at="10:10")
    else:
        requested.send("10:20", WBC="12.0", HGB="13.9", rerun=1)
    assert overdue(requested, "15:00") == []


def test_the_next_rerun_of_a_report_is_told_too(requested):
    assert overdue(requested, "15:00")
    requested.cancel(at="15:10")
    assert overdue(requested, "15:11") == []
    requested.request(1, at="15:20")
    assert overdue(requested, "19:30") == [("rerun_overdue", 1)]


def test_another_lab_has_reruns_of_its_own(requested):
    requested.clock.set("2026-05-20T15:00:00Z")
    assert requested.service.overdue(2) == []
    assert overdue(requested, "15:00")
    assert requested.service.overdue(2) == []
    assert overdue(requested, "15:01") == []
