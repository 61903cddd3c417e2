"""From messages to reports and back: the daemon's own decision and the service's together."""

from datetime import UTC

import pytest

from drivers.profile import load
from rerund.interpreter import Decider
from rerund.rerun.history import MemoryHistory
from rerund.rerun.model import Windows
from rerund.rerun.service_stores import LabCache
from rerund.waiting_list import WaitingList, WaitingListRefresh
from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE

JOURNAL = "5f0c0c1e-7a51-4a0e-8d3c-0f6f1d2b3a49"


class Instrument:
    """An instrument at a site: messages in, decided, registered, waiting list refreshed."""

    def __init__(self, site, device_id="42", journal=JOURNAL):
        self.site = site
        self.history = MemoryHistory()
        self.copy = WaitingList()
        self.entry = 100
        self.decider = Decider(
            load("generic-astm"), device_id, "Analyzer", 1, journal, UTC, Windows()
        )
        stores = site.stores
        self.labs = LabCache(stores.reports)
        self.refresh = WaitingListRefresh(
            1, [device_id], (stores.reports, stores.numbers), self.copy, self._keep, site.rules
        )

    def _keep(self, rows, at):
        """A copy on disk is not what is tested here."""

    def send(self, at, sample="S1", received=None, refresh=True, **values):
        """One message with values measured at one time of the test's day."""
        self.entry += 1
        received_at = f"2026-05-20T{received or at}:00Z"
        self.site.clock.set(received_at)
        if refresh:
            self.refresh.refresh(self.labs.get, self.site.stores.reports.change_token(1, 3600.0))
        day = "20260520" + at.replace(":", "") + "00"
        records = [
            f"H|\\^&|||Analyzer|||||||P|1|{day}",
            "P|1",
            f"O|1|{sample}||^^^ALL|R",
            *(
                f"R|{number}|^^^{code}|{value}|{UNITS[code]}||||F||||{day}"
                for number, (code, value) in enumerate(values.items(), 1)
            ),
            "L|1|N",
        ]
        text = ("\r".join(records) + "\r").encode()
        outcome = self.decider.decide(self.entry, received_at, text, self.history, self.copy)
        self.history.remember(outcome.known_runs(), outcome.digest, received_at)
        if outcome.payloads:
            self.site.again(*outcome.payloads)
        return outcome


UNITS = {"WBC": "10*3/uL", "RBC": "10*6/uL", "HGB": "g/dL", "PLT": "10*3/uL"}


@pytest.fixture
def instrument(site):
    site.report()
    return Instrument(site)


def test_a_repeat_of_some_parameters_is_a_run_to_review(site, instrument):
    instrument.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    instrument.send("09:20", WBC="12.1", HGB="13.9")
    assert site.slots() == {1: "12.5", 2: "4.5", 3: "14.0"}
    assert (site.flag(), site.reruns()) == (4, [(1, 1, "12.1", False), (1, 3, "13.9", False)])


def test_a_retransmission_is_not_a_rerun(site, instrument):
    instrument.send("09:00", WBC="12.5", RBC="4.5")
    before = site.everything()
    assert instrument.send("09:00", received="09:30", WBC="12.5", RBC="4.5").payloads == []
    assert site.everything() == before


def test_a_request_is_fulfilled_by_the_next_run(site, instrument):
    instrument.send("09:00", WBC="12.5", HGB="14.0")
    site.request(1, 3)
    (payload, _), *rest = instrument.send("10:20", WBC="12.0").payloads
    assert rest == []
    assert (payload.is_rerun, payload.rerun_number, payload.rerun_type) == (True, 1, "manual_rerun")
    assert site.flag() == 3
    instrument.send("10:30", HGB="13.8")
    assert (site.flag(), site.reruns()) == (4, [(1, 1, "12.0", True), (1, 3, "13.8", True)])


def test_a_copy_that_does_not_know_the_request_does_not_matter(site, instrument):
    instrument.send("09:00", WBC="12.5", HGB="14.0")
    site.request(1)
    (payload, _), *_ = instrument.send("10:20", refresh=False, WBC="12.0").payloads
    assert payload.rerun_number == -1
    assert (site.flag(), site.reruns()) == (4, [(1, 1, "12.0", True)])


def test_a_copy_that_does_not_know_the_cancel_does_not_matter(site, instrument):
    instrument.send("09:00", WBC="12.5")
    site.request(1)
    instrument.send("10:05", PLT="250")
    site.cancel(at="10:10")
    (payload, _), *_ = instrument.send("10:20", refresh=False, WBC="12.0").payloads
    assert payload.rerun_number == 1
    assert (site.flag(), site.reruns()) == (0, [])
    assert site.outcomes()[-1] == ("WBC", "refused", "rerun_closed")


def test_another_analyzer_runs_the_requested_test(site, instrument):
    other = Instrument(site, "43", JOURNAL[::-1].replace("-", ""))
    instrument.send("09:00", WBC="12.5")
    site.request(1)
    (payload, _), *_ = other.send("10:20", WBC="12.0").payloads
    assert payload.rerun_number == 1
    assert site.reruns() == [(1, 1, "12.0", True)]


def test_results_before_their_order_are_registered_in_order(site):
    instrument = Instrument(site)
    instrument.send("09:00", WBC="12.5")
    instrument.send("09:20", WBC="12.1")
    site.report(at="10:00")
    site.service.sweep(1)
    assert (site.slots(), site.reruns()) == ({1: "12.5"}, [(1, 1, "12.1", False)])


def test_a_journal_that_was_lost_registers_no_run_twice(site, instrument):
    instrument.send("09:00", WBC="12.5")
    instrument.send("09:20", WBC="12.1")
    before = (site.flag(), site.slots(), site.reruns(), site.log())
    again = Instrument(site, journal="0" * 32)
    again.history = MemoryHistory(complete=False)
    again.send("09:00", received="10:00", WBC="12.5")
    again.send("09:20", received="10:01", WBC="12.1")
    assert (site.flag(), site.slots(), site.reruns(), site.log()) == before
    assert [row.reason for row in site.ledger()][2:] == ["known_run", "known_run"]
