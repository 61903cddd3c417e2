"""The local copy of the waiting list: derived in test codes, refreshed when the store changed."""

import msgspec
import pytest

from rerund.rerun.service_stores import LabCache
from rerund.stores.ports import StoreUnavailable
from rerund.waiting_list import (
    KEEP_TIME_EVERY,
    WaitingList,
    WaitingListRefresh,
    unpack_row,
)


class Daemon:
    """A daemon's copy of the site's waiting list, and what it keeps on disk."""

    def __init__(self, site, *device_ids):
        self.site = site
        self.copy = WaitingList()
        self.kept = []
        self.labs = LabCache(site.stores.reports)
        self.refresh_from(site.stores, device_ids)

    def refresh_from(self, stores, device_ids):
        self._refresh = WaitingListRefresh(
            1,
            device_ids,
            (stores.reports, stores.numbers),
            self.copy,
            lambda rows, at: self.kept.append((rows, at)),
            self.site.rules,
        )

    def refresh(self):
        return self._refresh.refresh(
            self.labs.get, self.site.stores.reports.change_token(1, self._refresh.closed_within)
        )

    def tests(self, sample="S1"):
        """(number, instrument, test codes, whether closed) of every row."""
        return [
            (row.rerun_number, row.device_id, row.tests, row.closed_at is not None)
            for row in self.copy.open_reruns(sample)
        ]


@pytest.fixture
def daemon(site):
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return Daemon(site, "42")


def test_an_open_rerun_is_in_the_codes_of_this_daemons_instruments(site, daemon):
    site.request(1, 3)
    daemon.refresh()
    assert daemon.tests() == [(1, "", {"42": ["WBC", "HGB"]}, False)]
    (row,) = daemon.copy.open_reruns("S1")
    assert (row.lab_id, row.lab_report_id, row.rerun_type) == (1, 1, "manual_rerun")
    assert row.requested_at == "2026-05-20T10:00:00.000Z"


def test_any_instrument_that_maps_a_remaining_parameter_may_take_it(site):
    site.report()
    site.request(1, 2)
    daemon = Daemon(site, "42", "43")
    daemon.refresh()
    assert daemon.tests() == [(1, "", {"42": ["WBC", "RBC"], "43": ["WBC"]}, False)]


@pytest.mark.parametrize("device_ids", [("43",), ()])
def test_a_rerun_that_no_instrument_here_can_run_is_not_in_the_copy(site, device_ids):
    site.report()
    site.request(2)
    daemon = Daemon(site, *device_ids)
    daemon.refresh()
    assert daemon.tests() == []


def test_a_pinned_rerun_is_for_that_instrument_alone(site):
    site.report()
    site.request(1, device_id="43")
    here, there = Daemon(site, "42"), Daemon(site, "42", "43")
    here.refresh()
    there.refresh()
    assert here.tests() == []
    assert there.tests() == [(1, "43", {"43": ["WBC"]}, False)]


def test_what_remains_gets_less_with_every_value(site, daemon):
    site.request(1, 3)
    daemon.refresh()
    before = daemon.copy.open_reruns("S1")[0].version
    site.send("10:20", WBC="12.0", rerun=1)
    assert daemon.refresh()
    assert daemon.tests() == [(1, "", {"42": ["HGB"]}, False)]
    assert daemon.copy.open_reruns("S1")[0].version > before


def test_a_closed_rerun_stays_for_the_history_window_with_all_its_codes(site, daemon):
    site.request(1, 3)
    site.send("10:20", WBC="12.0", HGB="13.9", rerun=1)
    daemon.refresh()
    assert daemon.tests() == [(1, "", {"42": ["WBC", "HGB"]}, True)]
    site.clock.set("2026-05-23T10:20:01Z")
    Daemon.refresh_from(daemon, site.stores, ["42"])
    daemon.refresh()
    assert daemon.tests() == []


def test_a_new_number_is_a_new_row(site, daemon):
    site.request(1)
    site.cancel(at="10:10")
    site.request(1, at="10:20")
    daemon.refresh()
    assert [(row[0], row[3]) for row in daemon.tests()] == [(1, True), (2, False)]


def test_nothing_is_read_while_nothing_has_changed(site, daemon):
    assert daemon.refresh()
    assert not daemon.refresh()


def test_a_notice_refreshes_the_copy(site, daemon):
    daemon.refresh()
    site.stores.numbers.notify(1)
    assert daemon.refresh()


def test_a_change_by_another_process_refreshes_the_copy(site, daemon):
    daemon.refresh()
    site.report(2, sample="S2")
    assert daemon.refresh()


def test_the_copy_is_kept_on_disk_when_it_changes(site, daemon):
    site.request(1)
    daemon.refresh()
    rows, at = daemon.kept[-1]
    assert rows == daemon.copy.open_reruns("S1")
    assert at == daemon.copy.refreshed_at == "2026-05-20T10:00:00.000Z"


def test_an_unchanged_copy_is_noted_as_fresh_now_and_then(site, daemon):
    daemon.refresh()
    daemon.kept.clear()
    site.clock.at += KEEP_TIME_EVERY - 1
    daemon.refresh()
    assert daemon.kept == []
    site.clock.at += 1
    daemon.refresh()
    assert daemon.kept == [([], daemon.copy.refreshed_at)]


def test_a_store_that_is_away_leaves_the_copy_and_is_asked_again(site, daemon):
    site.request(1)
    daemon.refresh()
    fresh = daemon.copy.refreshed_at

    class Away:
        """A report store that cannot be reached once."""

        asked = 0

        def __getattr__(self, name):
            return getattr(site.stores.reports, name)

        def waiting_copy(self, lab_id, closed_since):
            self.asked += 1
            if self.asked == 1:
                raise StoreUnavailable("report store")
            return site.stores.reports.waiting_copy(lab_id, closed_since)

    daemon.refresh_from(site.stores._replace(reports=Away()), ["42"])
    site.clock.at += 60
    with pytest.raises(StoreUnavailable):
        daemon.refresh()
    assert (daemon.copy.refreshed_at, len(daemon.tests())) == (fresh, 1)
    assert daemon.refresh()


def test_a_copy_from_disk_answers_before_the_first_refresh(site, daemon):
    site.request(1)
    daemon.refresh()
    rows, at = daemon.kept[-1]
    again = WaitingList(rows, at)
    assert again.open_reruns("S1") == daemon.copy.open_reruns("S1")
    assert again.refreshed_at == at
    assert again.open_reruns("S2") == ()


def test_a_row_is_read_as_the_journal_keeps_it(site, daemon):
    site.request(1, 3)
    daemon.refresh()
    (row,) = daemon.copy.open_reruns("S1")
    assert unpack_row(msgspec.msgpack.encode(row)) == row
