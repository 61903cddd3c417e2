"""The activity log of a report, as people read it."""

import pytest

from rerund.rerun.refusals import NotFound
from tests.rerund.conftest import EVERYWHERE, LAB

pytestmark = EVERYWHERE


@pytest.fixture
def measured(site):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    return site


def test_what_was_asked_came_and_was_decided_is_told_oldest_first(measured):
    assert measured.service.activity(LAB, 1) == []
    measured.request(1, event_id="asked", reason="clot?")
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.cancel(reason="lost")
    asked, came, cancelled = measured.service.activity(LAB, 1)
    assert asked == {
        "at": "2026-05-20T10:00:00.000Z",
        "code": 981,
        "name": "RERUN_REQUESTED",
        "rerun_number": 1,
        "user_id": 7,
        "event_id": "asked",
        "old": {"values": {"1": "12.5"}},
        "new": {"requested_parameters": [1], "type": "Manual", "reason": "clot?"},
    }
    assert (came["name"], came["user_id"]) == ("RERUN_VALUES_RECEIVED", -1)
    assert (cancelled["name"], cancelled["new"]) == ("RERUN_CANCELLED", {"reason": "lost"})


def test_a_report_without_events_has_an_empty_log_and_an_unknown_one_none(measured):
    measured.report(2)
    assert measured.service.activity(LAB, 2) == []
    for lab, report in ((LAB, 3), (LAB + 1, 1)):
        with pytest.raises(NotFound):
            measured.service.activity(lab, report)


def test_the_instrument_of_an_open_rerun_is_told_while_it_is_open(measured):
    assert measured.service.pinned_device(LAB, 1) == ""
    measured.request(1, device_id="42")
    assert measured.service.pinned_device(LAB, 1) == "42"
    measured.cancel()
    assert measured.service.pinned_device(LAB, 1) == ""
