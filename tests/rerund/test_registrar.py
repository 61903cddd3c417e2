"""The registrar: every payload reaches the stores, in order per sample, whatever happens."""

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager

import msgspec
import pytest
from structlog.testing import capture_logs

from rerund.journal import maintenance
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Decision, PayloadRow
from rerund.payload_codec import pack
from rerund.registrar import BATCH, Registrar
from rerund.registrar_upkeep import PURGE_EVERY, SWEEP_EVERY, Upkeep
from rerund.stores.ports import StoreRejected, StoreUnavailable
from rerund.waiting_list import WaitingList, WaitingListRefresh


class Unreliable:
    """A report store that is away, refuses a sample, or fails in a way nobody thought of."""

    def __init__(self, store):
        self._store = store
        self.away = 0
        self.refused = set()
        self.broken = set()
        self.commits = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def commit(self, transaction):
        if self.away:
            self.away -= 1
            raise StoreUnavailable("report store")
        samples = {row.sample_id for row in transaction.ledger}
        if samples & self.refused:
            raise StoreRejected("report store")
        if samples & self.broken:
            raise RuntimeError("a bug")
        self.commits += 1
        self._store.commit(transaction)


class Daemon:
    """A journal with payloads, and the registrar that delivers them to a site."""

    def __init__(self, site, journal, reader):
        self.site = site
        self.journal = journal
        self.reader = reader
        self.reports = Unreliable(site.stores.reports)
        site.stores = site.stores._replace(reports=self.reports)
        self.copy = WaitingList()
        self.refresh = WaitingListRefresh(
            1, ["42"], (self.reports, site.stores.numbers), self.copy, self._keep, site.rules
        )
        service = site.restart()
        upkeep = Upkeep(1, service, self.reports, self.refresh, poll_interval=0.0)
        self.registrar = Registrar(
            1, service, reader, journal.mark_payloads, upkeep, poll_interval=0.01, first_retry=0.01
        )

    def _keep(self, rows, at):
        """The copy on disk is the journal's own affair."""

    async def put(self, *payloads):
        """Entries with one payload each, decided and on disk; answers their ids."""
        entries = []
        for payload, context in payloads:
            entry = self.journal.begin_entry(payload.device_id, "link", payload.received_at)
            stored = asyncio.get_running_loop().create_future()
            self.journal.append_frame(entry, b"x", b"x", stored.set_result)
            self.journal.complete_entry(entry, b"x")
            assert await stored is None
            row = PayloadRow(
                payload.payload_id,
                payload.sample_id,
                payload.is_rerun,
                payload.rerun_number,
                payload.kind,
                pack(payload, context),
            )
            await self.decide(
                Decision(
                    entry, payload.device_id, payload.received_at, "interpreted", payloads=[row]
                )
            )
            entries.append(entry)
        return entries

    async def decide(self, decision):
        done = asyncio.get_running_loop().create_future()
        self.journal.record(decision, done.set_result)
        assert await done is None

    async def turn(self):
        return await asyncio.to_thread(self.registrar.turn)

    async def drain(self):
        while await self.turn():
            pass

    def states(self, sample="S1"):
        return [(p.state, p.reason) for p in self.reader.payloads_of_sample(sample)]


@pytest.fixture
def opened(site, tmp_path):
    @asynccontextmanager
    async def open_daemon():
        journal = Journal.open(tmp_path / "journal.db", poll_seconds=0.01)
        journal.start(asyncio.get_running_loop())
        try:
            with JournalReader(tmp_path / "journal.db") as reader:
                yield Daemon(site, journal, reader)
        finally:
            assert await journal.close()

    return open_daemon


@pytest.fixture
async def daemon(opened, site):
    async with opened() as daemon:
        site.report()
        yield daemon


async def test_pending_payloads_are_registered_and_marked(daemon, site):
    await daemon.put(site.payload("09:00", WBC="12.5"), site.payload("09:20", WBC="12.1", rerun=-1))
    assert await daemon.turn()
    assert daemon.states() == [("delivered", "")] * 2
    assert (site.slots(), site.reruns()) == ({1: "12.5"}, [(1, 1, "12.1", False)])
    assert not await daemon.turn()


async def test_many_payloads_share_a_transaction(daemon, site):
    payloads = [site.payload("09:00", sample=f"S{n}", WBC="5.0") for n in range(BATCH + 6)]
    await daemon.put(*payloads)
    await daemon.drain()
    assert daemon.reports.commits == 2
    assert daemon.reader.undelivered("pending", 1) == []


async def test_a_store_that_is_away_is_tried_again_and_nothing_is_lost(daemon, site):
    await daemon.put(site.payload("09:00", WBC="12.5"))
    daemon.reports.away = 2
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await daemon.turn()
        assert daemon.states() == [("pending", "")]
    assert await daemon.turn()
    assert (daemon.states(), site.slots()) == ([("delivered", "")], {1: "12.5"})


async def test_what_was_registered_but_not_marked_is_registered_again_without_effect(daemon, site):
    payload = site.payload("09:20", WBC="12.1", rerun=-1)
    site.send("09:00", WBC="12.5")
    site.again(payload)
    before = site.everything()
    await daemon.put(payload)
    await daemon.turn()
    assert daemon.states() == [("delivered", "")]
    assert site.everything() == before


async def test_a_rejected_payload_is_held_and_parks_later_ones_of_its_sample(daemon, site):
    daemon.reports.refused = {"BAD"}
    await daemon.put(
        site.payload("09:00", WBC="12.5"),
        site.payload("09:00", sample="BAD", WBC="7.0"),
        site.payload("09:10", sample="BAD", HGB="14.0"),
        site.payload("09:20", WBC="12.1", rerun=-1),
    )
    await daemon.drain()
    assert daemon.states() == [("delivered", "")] * 2
    assert daemon.states("BAD") == [
        ("held", "rejected by the report store"),
        ("parked", "an earlier payload of its sample is held"),
    ]
    await daemon.put(site.payload("09:30", sample="BAD", RBC="4.5"))
    await daemon.drain()
    assert [state for state, _ in daemon.states("BAD")] == ["held", "parked", "parked"]


@pytest.mark.parametrize(
    ("change", "states"),
    [
        (maintenance.release, ["delivered", "delivered"]),
        (maintenance.discard, ["discarded", "delivered"]),
    ],
)
async def test_release_and_discard_unpark(daemon, site, change, states):
    daemon.reports.refused = {"S2"}
    entry, _ = await daemon.put(
        site.payload("09:00", sample="S2", WBC="7.0"),
        site.payload("09:20", sample="S2", WBC="7.1", rerun=-1),
    )
    await daemon.drain()
    daemon.reports.refused = set()
    assert change(daemon.journal.path, entry)
    await daemon.drain()
    assert [state for state, _ in daemon.states("S2")] == states
    assert [row.value for row in site.ledger("S2")] == ["7.0", "7.1"][-states.count("delivered") :]


async def test_a_payload_that_fails_by_a_bug_is_held_and_stops_nobody(daemon, site):
    daemon.reports.broken = {"BAD"}
    await daemon.put(
        site.payload("09:00", sample="BAD", WBC="7.0"), site.payload("09:00", WBC="12.5")
    )
    await daemon.drain()
    assert daemon.states("BAD") == [("held", "internal error: RuntimeError")]
    assert site.slots() == {1: "12.5"}


async def test_a_failed_payload_is_logged_without_its_error_text(daemon, site):
    daemon.reports.broken = {"BAD"}
    await daemon.put(site.payload("09:00", sample="BAD", WBC="7.0"))
    with capture_logs() as logs:
        await daemon.drain()
    (line,) = [line for line in logs if line["event"] == "payload failed"]
    assert (line["error"], line["place"].partition(",")[0]) == ("RuntimeError", "commit")
    assert "a bug" not in repr(logs)
    assert "exc_info" not in line


@pytest.mark.parametrize("trouble", ["refused", "broken"])
async def test_a_late_order_that_fails_stops_nobody(daemon, site, trouble):
    await daemon.put(
        site.payload("09:00", sample="BAD", WBC="7.0"), site.payload("09:00", sample="S2", WBC="8")
    )
    await daemon.drain()
    setattr(daemon.reports, trouble, {"BAD"})
    site.report(2, sample="BAD", at="10:00")
    site.report(3, sample="S2", at="10:00")
    await daemon.put(site.payload("09:10", WBC="12.5"))
    with capture_logs() as logs:
        await daemon.drain()
    assert (site.slots(1), site.slots(2), site.slots(3)) == ({1: "12.5"}, {}, {1: "8"})
    alerts = [line["reports"] for line in logs if line["event"] == "late_results_failed"]
    assert [2] in alerts
    assert [3] not in alerts
    assert site.stores.reports.unchecked_reports(1, 10) == []


async def test_a_late_order_that_failed_is_tried_again_now_and_then(daemon, site):
    await daemon.put(site.payload("09:00", sample="BAD", WBC="7.0"))
    await daemon.drain()
    daemon.reports.refused = {"BAD"}
    site.report(2, sample="BAD", at="10:00")
    await daemon.drain()
    daemon.reports.refused = set()
    site.service.sweep_unmatched(1)
    assert site.slots(2) == {1: "7.0"}


@pytest.mark.parametrize("error", [StoreRejected("report store"), sqlite3.OperationalError("12.5")])
async def test_the_thread_outlives_an_error_of_its_turn(daemon, site, error):
    await daemon.put(site.payload("09:00", WBC="12.5"))
    turn, left = daemon.registrar._upkeep.turn, [error, error]

    def fails_twice(now):
        if left:
            raise left.pop()
        turn(now)

    daemon.registrar._upkeep.turn = fails_twice
    with capture_logs() as logs:
        daemon.registrar.start()
        while daemon.states() != [("delivered", "")]:
            await asyncio.sleep(0)
        assert await asyncio.to_thread(daemon.registrar.stop, 10.0)
    failed = [line for line in logs if line["event"] == "registrar_failed"]
    assert [(line["error"], line["retry_seconds"]) for line in failed] == [
        (type(error).__name__, 0.01),
        (type(error).__name__, 0.02),
    ]
    assert "12.5" not in repr(failed)


async def test_reports_that_appear_take_their_results(daemon, site):
    await daemon.put(site.payload("09:00", sample="S2", WBC="7.0"))
    await daemon.drain()
    site.report(2, sample="S2", at="10:00")
    await daemon.drain()
    assert site.slots(2) == {1: "7.0"}


async def test_mappings_that_appear_take_their_results(daemon, site):
    data = site.lab_data
    site.lab(msgspec.structs.replace(data, mappings=data.mappings[1:]))
    await daemon.put(site.payload("09:00", WBC="12.5"))
    await daemon.drain()
    assert site.slots() == {}
    site.lab()
    await daemon.drain()
    assert site.slots() == {1: "12.5"}


class NothingApplied:
    """A rerun store that takes no document."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def apply(self, reruns, values):
        raise StoreUnavailable("rerun store")


async def test_what_a_crash_left_is_finished(daemon, site):
    plain = site.stores
    site.stores = plain._replace(reruns=NothingApplied(plain.reruns))
    site.restart()
    site.request(1)
    assert site.stores.reports.unapplied_reports(1, 10) == [1]
    await daemon.turn()
    assert site.stores.reports.unapplied_reports(1, 10) == []
    assert [rerun.rerun_number for rerun in plain.reruns.reruns(1, [1])] == [1]


async def test_the_copy_of_the_waiting_list_follows_the_store(daemon, site):
    await daemon.turn()
    site.request(1)
    await daemon.turn()
    assert [row.rerun_number for row in daemon.copy.open_reruns("S1")] == [1]


async def test_the_thread_delivers_what_it_is_woken_for_and_stops(daemon, site):
    daemon.reports.away = 2
    daemon.registrar.start()
    await daemon.put(site.payload("09:00", WBC="12.5"))
    daemon.registrar.wake()
    while daemon.states() != [("delivered", "")]:
        await asyncio.sleep(0)
    assert await asyncio.to_thread(daemon.registrar.stop, 10.0)
    assert site.slots() == {1: "12.5"}
    assert not daemon.registrar.unavailable


async def test_a_stop_does_not_wait_for_marks(daemon, site):
    """The journal may only answer once the loop that stops the registrar goes on."""
    await daemon.put(site.payload("09:00", WBC="12.5"))
    asked = threading.Event()

    def never_answers(marks, done):
        asked.set()

    daemon.registrar._mark_payloads = never_answers
    daemon.registrar.start()
    await asyncio.to_thread(asked.wait, 10.0)
    assert daemon.registrar.stop(10.0)


async def test_a_registrar_that_was_never_started_stops(daemon):
    assert daemon.registrar.stop(0.0)


async def test_now_and_then_everything_is_looked_at_again(daemon, site):
    await daemon.drain()
    upkeep = Upkeep(1, site.service, daemon.reports, daemon.refresh, poll_interval=1.0)
    calls = []
    service = site.service
    for name in ("sweep", "sweep_unmatched", "purge"):
        setattr(service, name, counted(calls, name, getattr(service, name)))
    upkeep.turn(100.0)
    assert calls == ["sweep", "sweep_unmatched", "purge"]
    upkeep.turn(100.5)
    upkeep.turn(101.0)
    assert len(calls) == 3
    upkeep.turn(100.0 + SWEEP_EVERY)
    assert calls[3:] == ["sweep_unmatched"]
    upkeep.turn(100.0 + PURGE_EVERY)
    assert calls[4:] == ["sweep_unmatched", "purge"]


def counted(calls, name, method):
    def call(*args):
        calls.append(name)
        return method(*args)

    return call
