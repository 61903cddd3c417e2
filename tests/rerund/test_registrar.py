"""The registrar: every payload reaches the stores, in order per sample, whatever happens."""

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from structlog.testing import capture_logs

from rerund.journal import maintenance
from rerund.journal.journal import Journal
from rerund.journal.lock import delivering
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Decision, PayloadRow
from rerund.payload_codec import pack
from rerund.registrar import BATCH, Registrar
from rerund.registrar_upkeep import AGAIN_AFTER, PURGE_EVERY, SWEEP_EVERY, Upkeep
from rerund.rerun.service import STUCK_SECONDS, SWEEP_BATCH
from rerund.stores.ports import ReportBusy, StaleReport, StoreRejected, StoreUnavailable
from rerund.waiting_list import WaitingList, WaitingListRefresh
from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE


class Unreliable:
    """A report store that is away, refuses a sample, fails as nobody thought, or is overtaken."""

    def __init__(self, store):
        self._store = store
        self.away = 0
        self.refused = set()
        self.broken = set()
        self.busy = set()
        self.away_for = set()
        self.commits = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def commit(self, transaction):
        if self.away:
            self.away -= 1
            raise StoreUnavailable("report store")
        samples = {row.sample_id for row in transaction.ledger}
        if samples & self.away_for and not samples & self.refused:
            raise StoreUnavailable("report store")
        if samples & self.busy:
            raise StaleReport(1)
        if samples & self.refused:
            raise StoreRejected("report store")
        if samples & self.broken:
            raise RuntimeError("a bug")
        self.commits += 1
        self._store.commit(transaction)


class Daemon:
    """A journal with payloads, and the registrar that delivers them to a site."""

    def __init__(self, site, journal, reader, lanes=1):
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
            1,
            service,
            reader,
            journal.mark_payloads,
            upkeep,
            poll_interval=0.01,
            first_retry=0.01,
            lanes=lanes,
            alone=partial(delivering, journal.path),
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
    async def open_daemon(**how):
        journal = Journal.open(tmp_path / "journal.db", poll_seconds=0.01)
        journal.start(asyncio.get_running_loop())
        try:
            with JournalReader(tmp_path / "journal.db") as reader:
                yield Daemon(site, journal, reader, **how)
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


async def test_a_busy_report_keeps_its_own_payloads_and_no_others(daemon, site):
    daemon.reports.busy = {"S2"}
    site.report(2, sample="S2")
    await daemon.put(
        site.payload("09:00", sample="S2", WBC="7.0"),
        site.payload("09:00", WBC="12.5"),
        site.payload("09:10", sample="S2", WBC="7.1", rerun=-1),
        site.payload("09:20", WBC="12.1", rerun=-1),
    )
    assert await daemon.turn()
    assert daemon.states() == [("delivered", "")] * 2
    assert daemon.states("S2") == [("pending", "")] * 2
    with pytest.raises(ReportBusy):
        await daemon.turn()
    daemon.reports.busy = set()
    await daemon.drain()
    assert daemon.states("S2") == [("delivered", "")] * 2
    assert (site.slots(2), site.reruns(2)) == ({1: "7.0"}, [(1, 1, "7.1", False)])


async def test_a_store_that_goes_away_while_payloads_go_singly_loses_no_marks(daemon, site):
    daemon.reports.refused = {"BAD"}
    await daemon.put(
        site.payload("09:00", WBC="12.5"),
        site.payload("09:00", sample="BAD", WBC="7.0"),
        site.payload("09:00", sample="S2", WBC="5.0"),
    )
    daemon.reports.away_for = {"S2"}
    with pytest.raises(StoreUnavailable):
        await daemon.turn()
    states = [daemon.states(sample)[0][0] for sample in ("S1", "BAD", "S2")]
    assert states == ["delivered", "held", "pending"]


async def test_a_late_order_of_a_busy_report_delays_no_delivery(daemon, site):
    await daemon.put(site.payload("09:00", sample="S2", WBC="7.0"))
    await daemon.drain()
    daemon.reports.busy = {"S2"}
    site.report(2, sample="S2", at="10:00")
    await daemon.put(site.payload("09:10", WBC="12.5"))
    await daemon.turn()
    assert (daemon.states(), site.slots(2)) == ([("delivered", "")], {})
    daemon.reports.busy = set()
    await daemon.turn()
    assert site.slots(2) == {1: "7.0"}


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


async def test_a_big_sweep_lets_deliveries_go_on(daemon, site):
    data = site.lab_data
    site.lab(msgspec.structs.replace(data, mappings=data.mappings[1:]))
    samples = [f"T{number:03}" for number in range(2 * SWEEP_BATCH)]
    for number, sample in enumerate(samples, 2):
        site.report(number, sample=sample)
    await daemon.put(*(site.payload("09:00", sample=sample, WBC="5.0") for sample in samples))
    await daemon.drain()
    await daemon.turn()
    site.lab()

    def swept():
        return sum(1 for number in range(2, 2 + len(samples)) if site.slots(number))

    for pages, minute in ((1, "09:01"), (2, "09:02")):
        await daemon.put(site.payload(minute, WBC="12.5", rerun=1 - pages))
        await daemon.turn()
        assert (swept(), daemon.states()[-1]) == (pages * SWEEP_BATCH, ("delivered", ""))


async def test_the_copy_is_in_the_codes_of_the_mappings_as_they_are_now(daemon, site):
    site.report()
    await daemon.put(site.payload("09:00", WBC="12.5"))
    await daemon.drain()
    site.request(1)
    await daemon.drain()
    assert daemon.copy.open_reruns("S1")[0].tests == {"42": ["WBC"]}
    data = site.lab_data
    renamed = msgspec.structs.replace(data.mappings[0], test_code="LEU")
    site.lab(msgspec.structs.replace(data, mappings=(renamed, *data.mappings[1:])))
    await daemon.drain()
    assert daemon.copy.open_reruns("S1")[0].tests == {"42": ["LEU"]}


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
    with capture_logs() as logs:
        daemon.registrar.start()
        await daemon.put(site.payload("09:00", WBC="12.5"))
        daemon.registrar.wake()
        while daemon.states() != [("delivered", "")]:
            await asyncio.sleep(0)
        assert await asyncio.to_thread(daemon.registrar.stop, 10.0)
    assert site.slots() == {1: "12.5"}
    assert [line["event"] for line in logs] == ["store_unavailable", "stores_back"]


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


class RefusesDocuments:
    """A rerun store that refuses the documents of some reports."""

    def __init__(self, store, refused):
        self._store = store
        self.refused = refused

    def __getattr__(self, name):
        return getattr(self._store, name)

    def apply(self, reruns, values):
        if self.refused & {document.lab_report_id for document in (*reruns, *values)}:
            raise StoreRejected("rerun store")
        self._store.apply(reruns, values)


async def test_a_crash_leftover_that_a_store_refuses_keeps_nothing_else_waiting(daemon, site):
    """It is tried again after a while, and told each time."""
    plain = site.stores
    for number, sample in ((2, "S2"), (3, "S3")):
        site.report(number, sample=sample)
    site.stores = plain._replace(reruns=NothingApplied(plain.reruns))
    site.restart()
    for number in (1, 2, 3):
        site.request(1, report=number)
    reruns = RefusesDocuments(plain.reruns, {2})
    site.stores = plain._replace(reruns=reruns)
    daemon.registrar._upkeep._service = site.restart()
    await daemon.put(site.payload("10:30", WBC="12.5"))
    with capture_logs() as logs:
        await daemon.drain()
        await daemon.drain()
    told = [line["report"] for line in logs if line["event"] == "report_unfinished"]
    assert (told, daemon.states()) == ([2], [("delivered", "")])
    assert site.stores.reports.unapplied_reports(1, 10) == [2]
    reruns.refused = set()
    site.clock.at += STUCK_SECONDS
    assert site.service.sweep(1) == 1
    assert site.stores.reports.unapplied_reports(1, 10) == []


async def test_a_payload_whose_documents_a_store_refuses_is_delivered_and_they_follow(daemon, site):
    """It is decided: on hold it would only be told as if it were not."""
    site.send("09:00", WBC="12.5")
    plain = site.stores
    reruns = RefusesDocuments(plain.reruns, {1})
    site.stores = plain._replace(reruns=reruns)
    daemon.registrar._service = site.restart()
    await daemon.put(site.payload("09:20", WBC="12.1", rerun=-1))
    assert await daemon.turn()
    assert (daemon.states(), site.flag(), site.reruns()) == ([("delivered", "")], 4, [])
    reruns.refused = set()
    site.service.sweep(1)
    assert site.reruns() == [(1, 1, "12.1", False)]


@pytest.mark.parametrize("what", ["sweep", "sweep_unmatched", "purge"])
async def test_upkeep_that_fails_delays_no_delivery_and_is_tried_again_later(daemon, site, what):
    upkeep, failed = daemon.registrar._upkeep, []

    def fails(*arguments):
        failed.append(what)
        raise StoreRejected("report store", "12.5")

    setattr(upkeep._service, what, fails)
    await daemon.put(site.payload("09:00", WBC="12.5"))
    with capture_logs() as logs:
        upkeep.turn(0.0)
        upkeep.turn(AGAIN_AFTER - 1)
        assert len(failed) == 1
        upkeep.turn(AGAIN_AFTER)
        assert len(failed) == 2
        await daemon.drain()
    assert daemon.states() == [("delivered", "")]
    assert {line["error"] for line in logs if line["event"] == "upkeep_failed"} == {"StoreRejected"}
    assert "12.5" not in repr(logs)


@pytest.fixture
async def lanes(opened, site):
    """A daemon whose registrar delivers over four lanes."""
    async with opened(lanes=4) as daemon:
        site.report()
        yield daemon
        daemon.registrar.stop(10.0)


async def test_lanes_register_each_sample_in_its_order(lanes, site):
    samples = [f"S{number}" for number in range(2, 12)]
    for number, sample in enumerate(samples, 2):
        site.report(number, sample=sample)
    await lanes.put(
        *(
            site.payload(f"09:{minute:02}", sample=sample, WBC=f"{minute}.0", rerun=-bool(minute))
            for minute in range(4)
            for sample in samples
        )
    )
    await lanes.drain()
    for number, sample in enumerate(samples, 2):
        assert lanes.states(sample) == [("delivered", "")] * 4
        assert site.slots(number) == {1: "0.0"}
        assert [value for _, _, value, _ in site.reruns(number)] == ["1.0", "2.0", "3.0"]
    assert 1 < lanes.reports.commits <= 4


async def test_a_lane_without_its_store_loses_no_marks_of_the_others(lanes, site):
    samples = [f"S{number}" for number in range(2, 12)]
    await lanes.put(*(site.payload("09:00", sample=sample, WBC="5.0") for sample in samples))
    lanes.reports.away = 1
    with pytest.raises(StoreUnavailable):
        await lanes.turn()
    states = {lanes.states(sample)[0][0] for sample in samples}
    assert states == {"pending", "delivered"}
    await lanes.drain()
    assert {lanes.states(sample)[0] for sample in samples} == {("delivered", "")}


async def test_a_rejected_payload_is_held_alone_in_its_lane(lanes, site):
    lanes.reports.refused = {"BAD"}
    samples = [f"S{number}" for number in range(2, 12)]
    await lanes.put(
        *(site.payload("09:00", sample=sample, WBC="5.0") for sample in (*samples, "BAD", "BAD"))
    )
    await lanes.drain()
    assert [state for state, _ in lanes.states("BAD")] == ["held", "parked"]
    assert {lanes.states(sample)[0] for sample in samples} == {("delivered", "")}


async def test_what_comes_after_parked_payloads_waits_behind_them(daemon, site):
    """Although nothing of the sample is held any more."""
    daemon.reports.refused = {"S2"}
    first, _ = await daemon.put(
        site.payload("09:00", sample="S2", WBC="7.0"),
        site.payload("09:10", sample="S2", WBC="7.1", rerun=-1),
    )
    await daemon.drain()
    daemon.reports.refused = set()
    daemon.registrar._unpark_at = float("inf")
    maintenance.release(daemon.journal.path, first)
    await daemon.put(site.payload("09:20", sample="S2", WBC="7.2", rerun=-1))
    assert await daemon.turn()
    assert [state for state, _ in daemon.states("S2")] == ["delivered", "parked", "parked"]
    daemon.registrar._unpark_at = 0.0
    await daemon.drain()
    assert [row.value for row in site.ledger("S2")] == ["7.0", "7.1", "7.2"]


async def test_an_entry_is_decided_again_before_its_delivery_or_not_at_all(daemon, site):
    (entry,) = await daemon.put(site.payload("09:00", WBC="12.5"))
    deciding, commit = [], daemon.reports.commit

    def commits(transaction):
        decide = threading.Thread(
            target=lambda: deciding.append(maintenance.decide_again(daemon.journal.path, entry))
        )
        decide.start()
        commit(transaction)
        deciding.append(decide)

    daemon.reports.commit = commits
    assert await daemon.turn()
    thread = deciding.pop(0)
    await asyncio.to_thread(thread.join)
    assert deciding == [False]
    assert daemon.states() == [("delivered", "")]
