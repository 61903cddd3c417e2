"""Entries of a real journal, decided on a thread beside it."""

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC
from pathlib import Path

import pytest

from drivers.profile import load
from protocols.astm import frame
from rerund.interpretation import Interpretation
from rerund.interpreter import Decider
from rerund.journal import maintenance
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.journal.rows import ReceivedEntry, StoredEntry
from rerund.payload_codec import unpack
from rerund.rerun.model import KnownRun, Payload
from rerund.waiting_list import WaitingList

DEVICE = "42"
PATIENT, ORDER, END = "P|1", "O|1|S1||^^^CHEM", "L|1|N"


def header(time: str = "110000") -> str:
    return rf"H|\^&|||analyzer|||||||P|1|20260520{time}"


def value(number: int, code: str, found: str, time: str = "100000") -> str:
    return f"R|{number}|^^^{code}|{found}|mmol/L||N||F||||20260520{time}"


GLU, UREA, NA = value(1, "GLU", "5.0"), value(2, "UREA", "4.1"), value(3, "NA", "140")
WHOLE = (header(), PATIENT, ORDER, GLU, UREA, NA, END)


class Desk:
    """A journal and the interpretation of what it hands out, for one instrument or none."""

    def __init__(
        self,
        folder: Path,
        *,
        complete: bool = True,
        poll_seconds: float = 0.01,
        driver: str = "generic-astm",
    ) -> None:
        self.path = folder / "journal.db"
        self._driver = driver
        self._complete = complete
        self._poll_seconds = poll_seconds
        self.last_cut = 0
        self.told: list[tuple[str, int, set[str], int]] = []

    async def __aenter__(self) -> "Desk":
        self.journal = Journal.open(self.path, ballast_bytes=4096, poll_seconds=self._poll_seconds)
        self.interpretation = Interpretation(
            {DEVICE: self._decider()},
            self.journal,
            WaitingList(),
            complete=frozenset({DEVICE} if self._complete else ()),
            last_cut=lambda device_id: self.last_cut,
            on_entry=self._on_entry,
        )
        self.journal.on_received = self.interpretation.put
        self.journal.on_changed = self.interpretation.forget
        self.journal.start(asyncio.get_running_loop())
        self.reader = JournalReader(self.path)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.reader.close()
        stopped = await asyncio.to_thread(self.interpretation.stop, 10.0)
        await self.journal.close()
        assert stopped

    def _on_entry(self, device_id: str, entry_id: int, sample_ids: Collection[str]) -> None:
        on_disk = len(self.reader.payloads(entry_id))
        self.told.append((device_id, entry_id, set(sample_ids), on_disk))

    def _decider(self) -> Decider:
        return Decider(
            load(self._driver), DEVICE, "Analyzer", 1, "5f0c0c1e7a514a0e8d3c0f6f1d2b3a49", UTC
        )

    def sends(self, *records: str, device: str = DEVICE, minute: int = 0) -> int:
        """Put a whole message into the journal; returns its entry."""
        entry, text = self._begin(device, minute, records)
        self.journal.complete_entry(entry, text)
        return entry

    def cut_after(self, *records: str, minute: int = 0) -> int:
        """Put a message into the journal that the line lost; returns its entry."""
        entry, _ = self._begin(DEVICE, minute, records)
        self.journal.hold_entry(entry, "incomplete")
        self.last_cut = entry
        return entry

    def _begin(self, device: str, minute: int, records: tuple[str, ...]) -> tuple[int, bytes]:
        entry = self.journal.begin_entry(device, "tcp", f"2026-05-20T11:{minute:02d}:00.000Z")
        texts = [f"{record}\r".encode() for record in records]
        for number, text in enumerate(texts, 1):
            self.journal.append_frame(entry, frame.encode(text, number), text, _stored)
        return entry, b"".join(texts)

    async def decided(self, entry_id: int) -> StoredEntry:
        """Wait until an entry is decided; returns it."""
        await self.until(lambda: self._state(entry_id) not in ("", "open", "received"))
        return self.entry(entry_id)

    async def until(self, happened: Callable[[], object]) -> None:
        while not happened():
            await asyncio.sleep(0.002)

    def entry(self, entry_id: int) -> StoredEntry:
        found = self.reader.entry(entry_id)
        assert found is not None
        return found

    def payloads(self, entry_id: int) -> list[Payload]:
        return [unpack(row.body)[0] for row in self.reader.payloads(entry_id)]

    def values(self, entry_id: int) -> list[tuple[str, str]]:
        """Return (test code, value) of an entry's payloads."""
        return [(r.test_code, r.value) for p in self.payloads(entry_id) for r in p.results]

    def _state(self, entry_id: int) -> str:
        found = self.reader.entry(entry_id)
        return found.state if found is not None else ""


def _stored(error: Exception | None) -> None:
    assert error is None


async def test_a_first_run_is_an_original(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        entry = await desk.decided(desk.sends(*WHOLE))
        [payload] = desk.payloads(entry.entry_id)
        assert (entry.state, payload.is_rerun, payload.rerun_number) == ("interpreted", False, 0)
        assert desk.values(entry.entry_id) == [("GLU", "5.0"), ("UREA", "4.1"), ("NA", "140")]


async def test_an_entry_is_told_once_its_payloads_are_on_disk(tmp_path):
    """Who looks orders up after it finds there the results that are on their way."""
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        first = desk.sends(*WHOLE)
        again = desk.sends(header("110100"), *WHOLE[1:], minute=1)
        await desk.until(lambda: len(desk.told) == 2)
        assert desk.told == [(DEVICE, first, {"S1"}, 1), (DEVICE, again, set(), 0)]


async def test_an_entry_of_an_instrument_no_longer_configured_is_held(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        strange = await desk.decided(desk.sends(*WHOLE, device="44"))
        assert (strange.state, strange.reason) == ("held", "unknown_instrument")
        known = await desk.decided(desk.sends(*WHOLE))
        assert known.state == "interpreted"


async def test_the_same_run_sent_twice_is_kept_once(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        desk.sends(*WHOLE)
        again = await desk.decided(desk.sends(header("110100"), *WHOLE[1:], minute=1))
        assert (again.state, desk.payloads(again.entry_id)) == ("retransmission", [])


async def test_another_run_of_the_same_test_is_flagged_on_the_spot(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        desk.sends(*WHOLE)
        again = value(1, "GLU", "5.3", time="101500")
        entry = desk.sends(header("110500"), PATIENT, ORDER, again, END, minute=5)
        await desk.decided(entry)
        [payload] = desk.payloads(entry)
        assert (payload.is_rerun, payload.rerun_number) == (True, -1)
        assert payload.machine_triggered_rerun
        assert desk.values(entry) == [("GLU", "5.3")]


async def test_history_survives_a_restart(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        await desk.decided(desk.sends(*WHOLE))
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        again = await desk.decided(desk.sends(*WHOLE, minute=1))
        assert again.state == "retransmission"


@pytest.mark.conformance(45, 47)
async def test_a_message_begun_again_supersedes_the_part_that_was_cut(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU)
        whole = await desk.decided(desk.sends(*WHOLE, minute=1))
        part = desk.entry(cut)
        assert (part.state, part.successor) == ("superseded", whole.entry_id)
        assert (whole.state, len(desk.values(whole.entry_id))) == ("interpreted", 3)
        assert desk.payloads(cut) == []


@pytest.mark.conformance(45, 47)
@pytest.mark.parametrize(
    "rest", [(NA,), (UREA, NA)], ids=["after the last record", "with the last record again"]
)
async def test_a_message_resumed_is_joined_to_its_part_without_doubling(tmp_path, rest):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU, UREA)
        later = desk.sends(header("110100"), PATIENT, ORDER, *rest, END, minute=1)
        resumed = await desk.decided(later)
        assert resumed.continues == cut
        part = desk.entry(cut)
        assert (part.state, part.successor) == ("superseded", later)
        assert desk.values(later) == [("GLU", "5.0"), ("UREA", "4.1"), ("NA", "140")]
        assert not any(payload.is_rerun for payload in desk.payloads(later))


@pytest.mark.conformance(47)
async def test_a_part_is_completed_once(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        desk.cut_after(header(), PATIENT, ORDER, GLU, UREA)
        rest = (header("110100"), PATIENT, ORDER, NA, END)
        first = await desk.decided(desk.sends(*rest, minute=1))
        second = await desk.decided(desk.sends(*rest, minute=2))
        assert first.continues is not None
        assert (second.continues, second.state) == (None, "retransmission")


@pytest.mark.conformance(45)
async def test_a_part_that_nothing_continues_stays_on_hold(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU)
        other = desk.sends(header(), PATIENT, ORDER.replace("S1", "S2"), NA, END, minute=1)
        await desk.decided(other)
        assert (desk.entry(cut).state, desk.entry(cut).reason) == ("held", "incomplete")
        assert desk.payloads(cut) == []


@pytest.mark.conformance(47)
async def test_a_part_older_than_the_resume_window_is_left_alone(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU, UREA)
        late = await desk.decided(desk.sends(header(), PATIENT, ORDER, NA, END, minute=16))
        assert late.continues is None
        assert desk.values(late.entry_id) == [("NA", "140")]
        assert desk.entry(cut).state == "held"


@pytest.mark.conformance(47)
async def test_a_part_of_before_a_restart_is_completed_after_it(tmp_path):
    async with Desk(tmp_path) as desk:
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU, UREA)
        await desk.until(lambda: desk.reader.entry(cut))
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        rest = await desk.decided(desk.sends(header(), PATIENT, ORDER, NA, END, minute=1))
        assert rest.continues == cut
        assert len(desk.values(rest.entry_id)) == 3


async def test_a_released_entry_is_decided_again(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        cut = desk.cut_after(header(), PATIENT, ORDER, GLU)
        later = desk.sends(header(), PATIENT, ORDER, value(1, "GLU", "5.2", "101500"), END)
        await desk.decided(later)
        assert not desk.payloads(later)[0].is_rerun, "what is on hold counts as a run"
        assert maintenance.release(desk.path, cut)
        released = await desk.decided(cut)
        assert (released.state, released.reason) == ("interpreted", "released")
        assert [p.is_rerun for p in desk.payloads(cut)] == [True]


async def test_what_is_decided_again_does_not_meet_its_own_former_payloads(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        entry = desk.sends(*WHOLE)
        await desk.decided(entry)
        before = desk.payloads(entry)
        assert maintenance.decide_again(desk.path, entry)
        await desk.until(lambda: desk.entry(entry).state == "interpreted")
        assert desk.entry(entry).reason == "released"
        assert desk.payloads(entry) == before


def run_of_the_ledger(code: str, found: str) -> KnownRun:
    return KnownRun(
        result_id=f"0000-1-1-{code}",
        test_code=code,
        value=found,
        units="mmol/L",
        result_status="F",
        abnormal_flags=["N"],
        run_at="2026-05-20T10:00:00Z",
        dilution=None,
        replicate=0,
        usable=True,
        run_kind="original",
        is_rerun=False,
        rerun_number=0,
        run_key="42/S1/1",
        entry_id=1,
        received_at="2026-05-20T10:01:00.000Z",
    )


async def test_a_run_known_only_to_the_ledger_is_a_retransmission_too(tmp_path):
    async with Desk(tmp_path, complete=False) as desk:
        desk.interpretation.start()
        desk.interpretation.learn(DEVICE, [("S1", run_of_the_ledger("GLU", "5.0"))], True)
        same = await desk.decided(desk.sends(header(), PATIENT, ORDER, GLU, END))
        assert same.state == "retransmission"


async def test_without_the_ledger_a_first_run_is_of_low_confidence(tmp_path):
    async with Desk(tmp_path, complete=False) as desk:
        desk.interpretation.start()
        before = await desk.decided(desk.sends(*WHOLE))
        desk.interpretation.learn(DEVICE, [], True)
        after = desk.sends(header(), PATIENT, ORDER.replace("S1", "S2"), NA, END, minute=1)
        await desk.decided(after)
        for entry, confidence in ((before.entry_id, "low"), (after, "high")):
            results = [r for p in desk.payloads(entry) for r in p.results]
            assert {result.confidence for result in results} == {confidence}


async def test_a_stop_with_a_backlog_loses_nothing(tmp_path):
    async with Desk(tmp_path) as desk:  # its interpretation never starts
        sent = [
            desk.sends(header(), PATIENT, ORDER.replace("S1", f"S{number}"), GLU, END)
            for number in range(20)
        ]
        await desk.until(lambda: desk.reader.backlog()["entry_received"] == len(sent))
    async with Desk(tmp_path) as desk:
        handed_out: list[int] = []

        def put(entry: ReceivedEntry) -> None:
            handed_out.append(entry.entry_id)
            desk.interpretation.put(entry)

        desk.journal.on_received = put
        desk.interpretation.start()
        await desk.decided(sent[-1])
        assert handed_out == sent
        assert {desk.entry(entry).state for entry in sent} == {"interpreted"}


async def test_a_part_that_cannot_be_compared_stops_nobody(tmp_path):
    endless = f"R|{'9' * 5000}|^^^GLU|5.0|mmol/L||N||F||||20260520100000"
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        desk.cut_after(header(), PATIENT, ORDER, endless)
        assert (await desk.decided(desk.sends(*WHOLE, minute=1))).state == "interpreted"


async def test_an_error_of_ours_holds_one_entry_and_not_the_next(tmp_path, monkeypatch):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        with monkeypatch.context() as patched:
            patched.setattr(Decider, "decide", lambda *_: 1 / 0)
            broken = await desk.decided(desk.sends(*WHOLE))
        assert (broken.state, broken.reason) == ("held", "interpreter_failed")
        assert (await desk.decided(desk.sends(*WHOLE, minute=1))).state == "interpreted"


async def test_what_a_person_discarded_is_known_no_more(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        first = desk.sends(*WHOLE)
        await desk.decided(first)
        changed = asyncio.Event()
        forget = desk.journal.on_changed
        desk.journal.on_changed = lambda: (forget(), changed.set())
        assert maintenance.hold(desk.path, first, "wrong tube")
        assert maintenance.discard(desk.path, first)
        await changed.wait()
        await desk.until(lambda: desk.reader.payloads(first)[0].state == "discarded")
        again = await desk.decided(desk.sends(header("110500"), *WHOLE[1:], minute=5))
        assert again.state == "interpreted"


@pytest.mark.conformance(47)
async def test_a_message_cut_twice_is_joined_from_all_its_parts(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.interpretation.start()
        parts = [
            desk.cut_after(header(), PATIENT, ORDER, GLU),
            desk.cut_after(header(), PATIENT, ORDER, UREA, minute=1),
        ]
        whole = await desk.decided(desk.sends(header(), PATIENT, ORDER, NA, END, minute=2))
        assert desk.values(whole.entry_id) == [("GLU", "5.0"), ("UREA", "4.1"), ("NA", "140")]
        assert [desk.entry(part).state for part in parts] == ["superseded"] * 2
        assert desk.reader.earlier_parts(whole.entry_id) == parts[::-1]

        assert maintenance.decide_again(desk.path, whole.entry_id)
        await desk.until(lambda: desk.entry(whole.entry_id).reason == "released")
        await desk.decided(whole.entry_id)
        assert desk.values(whole.entry_id) == [("GLU", "5.0"), ("UREA", "4.1"), ("NA", "140")]


async def test_an_hl7_message_resumes_nothing_that_was_cut_before_it(tmp_path):
    segments = (
        r"MSH|^~\&|A1|Lab|||20260520110000||ORU^R01|7|P|2.5.1",
        "PID|1||P1",
        "OBR|1||S1|CHEM",
        "OBX|1|NM|GLU||5.0|mmol/L||N|||F||||||||20260520110000",
    )
    async with Desk(tmp_path, driver="generic-hl7") as desk:
        desk.interpretation.start()
        cut = desk.cut_after(*segments[:3])
        entry = await desk.decided(desk.sends(*segments, minute=1))
        assert (entry.state, entry.continues) == ("interpreted", None)
        assert desk.values(entry.entry_id) == [("GLU", "5.0")]
        assert desk.entry(cut).state == "held"
