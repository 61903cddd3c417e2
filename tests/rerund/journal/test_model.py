"""The journal against a dict, under random actions with stops and kills of the writer between."""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from protocols.astm.frame import encode
from rerund.journal import maintenance
from rerund.journal.prune import Limits
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Mark
from tests.rerund.journal.desk import Desk, payload, until

TEXTS = st.sampled_from([b"H|\\^&\r", b"R|1|^^^GLU|5.5\r", b"\r", b"x" * 5000])
SAMPLES = st.sampled_from(["S1", "S2"])


@dataclass
class Model:
    """What the journal should say of one entry."""

    state: str = "open"
    reason: str = ""
    texts: list[bytes] = field(default_factory=list)
    payloads: dict[bytes, str] = field(default_factory=dict)


class JournalMachine(RuleBasedStateMachine):
    """Asks journal and model the same, and compares everything after each step."""

    entries = Bundle("entries")
    complete = Bundle("complete")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[int, Model] = {}
        self.rejected: list[bytes] = []
        self.handed_out: list[int] = []
        self.bodies = 0

    def run(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    @initialize()
    def open(self) -> None:
        self.desk = Desk(self.folder, ballast_bytes=4096)
        self.run(self.desk.__aenter__())
        self.run(until(lambda: self.desk.changes))
        self.out = {e for e, model in self.model.items() if model.state == "received"}
        self.run(until(lambda: len(self.desk.received) >= len(self.out)))
        assert [entry.entry_id for entry in self.desk.received] == sorted(self.out)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.run(self.desk.__aexit__())
        self.loop.close()
        shutil.rmtree(self.folder)

    async def append(self, entry: int, text: bytes, end: str = "") -> None:
        answer = self.desk.frame(entry, text, len(self.model[entry].texts) + 1)
        self.model[entry].texts.append(text)
        if end == "complete":
            self.desk.journal.complete_entry(entry, b"".join(self.model[entry].texts))
        elif end == "hold":
            self.desk.journal.hold_entry(entry, "incomplete")
        assert await answer is None
        if end:
            self.close(entry, end)

    def close(self, entry: int, end: str) -> None:
        self.model[entry].state = {"complete": "received", "hold": "held"}[end]
        if end == "hold":
            self.model[entry].reason = "incomplete"

    @rule(target=entries, text=TEXTS)
    def begin(self, text: bytes) -> int:
        highest = max(self.model, default=0)
        entry = self.run(self._begin(text))
        assert entry > highest
        return entry

    async def _begin(self, text: bytes) -> int:
        entry = self.desk.begin()
        self.model[entry] = Model()
        await self.append(entry, text)
        return entry

    @rule(entry=entries, text=TEXTS)
    def add_frame(self, entry: int, text: bytes) -> None:
        if self.model[entry].state == "open":
            self.run(self.append(entry, text))

    @rule(
        target=complete,
        entry=consumes(entries),
        text=TEXTS,
        end=st.sampled_from(["complete", "hold"]),
        with_frame=st.booleans(),
    )
    def end(self, entry: int, text: bytes, end: str, with_frame: bool) -> int:
        if self.model[entry].state == "open":
            self.run(self._end(entry, text, end, with_frame))
        return entry

    async def _end(self, entry: int, text: bytes, end: str, with_frame: bool) -> None:
        if with_frame:
            await self.append(entry, text, end)
        else:
            if end == "complete":
                self.desk.journal.complete_entry(entry, b"".join(self.model[entry].texts))
            else:
                self.desk.journal.hold_entry(entry, "incomplete")
            self.close(entry, end)
        if end == "complete":
            await until(
                lambda: self.desk.received[-1:] and self.desk.received[-1].entry_id == entry
            )
            assert self.desk.received[-1].text == b"".join(self.model[entry].texts)
        else:
            await self.desk.flush()

    @rule(entry=complete, sample=SAMPLES, count=st.integers(0, 2))
    def decide(self, entry: int, sample: str, count: int) -> None:
        bodies = [b"%d" % (self.bodies + n) for n in range(count)]
        self.bodies += count
        self.run(self.desk.decide(entry, *(payload(sample, body) for body in bodies)))
        if self.model[entry].state == "received":
            self.model[entry].state, self.model[entry].reason = "interpreted", ""
            self.model[entry].payloads |= dict.fromkeys(bodies, "pending")

    @rule(entry=complete, state=st.sampled_from(["delivered", "held", "parked"]))
    def deliver(self, entry: int, state: str) -> None:
        with JournalReader(self.desk.path) as reader:
            keys = [p.payload_key for p in reader.payloads(entry) if p.state == "pending"]
        self.run(self.desk.mark(*(Mark(key, state) for key in keys)))
        for body, now in self.model[entry].payloads.items():
            if now == "pending":
                self.model[entry].payloads[body] = state

    @rule(entry=complete)
    def release(self, entry: int) -> None:
        model, before = self.model[entry], len(self.desk.received)
        released = maintenance.release(self.desk.path, entry)
        assert released == (model.state == "held" or "held" in model.payloads.values())
        for body, state in model.payloads.items():
            if state == "held":
                model.payloads[body] = "pending"
        if model.state == "held":
            model.state, model.reason = "received", "released"
            self.run(until(lambda: len(self.desk.received) > before))
            assert self.desk.received[-1].entry_id == entry
            assert self.desk.received[-1].text == b"".join(model.texts)

    @rule(entry=complete)
    def discard(self, entry: int) -> None:
        model = self.model[entry]
        maintenance.discard(self.desk.path, entry)
        if model.state == "held":
            model.state = "discarded"
        for body, state in model.payloads.items():
            if state == "held":
                model.payloads[body] = "discarded"

    @rule()
    def prune_everything_old(self) -> None:
        with JournalReader(self.desk.path) as reader:
            newest = max((entry.entry_id for entry in reader.entries()), default=0)
        self.run(self.desk.journal.prune(Limits(keep=0, history_window=0)))
        settled = ("interpreted", "discarded")
        for entry, model in list(self.model.items()):
            waits = {"pending", "held", "parked"} & set(model.payloads.values())
            if model.state in settled and not waits and entry != newest:
                model.state, model.texts, model.payloads = "gone", [], {}
        with JournalReader(self.desk.path) as reader:
            left = [e.entry_id for e in reader.entries(states=["rejected"], ascending=True)]
            self.rejected = [raw for entry in left for raw in reader.frames(entry)]

    @rule(raw=st.binary(min_size=1, max_size=9))
    def reject(self, raw: bytes) -> None:
        self.desk.journal.reject("42", "tcp", raw, "unexpected_byte")
        self.run(self.desk.flush())
        self.rejected.append(raw)

    @rule()
    def reopen(self) -> None:
        self.run(self.desk.__aexit__())
        for model in self.model.values():
            if model.state == "open":
                model.state, model.reason = "held", "incomplete"
        self.open()

    @invariant()
    def tells_the_same(self) -> None:
        if not hasattr(self, "desk"):
            return
        with JournalReader(self.desk.path) as reader:
            for entry, model in self.model.items():
                self.compare(reader, entry, model)
            kept = [e.entry_id for e in reader.entries(states=["rejected"], ascending=True)]
            assert [raw for entry in kept for raw in reader.frames(entry)] == self.rejected
            assert len(list(reader.entries())) == len(kept) + sum(
                model.state != "gone" for model in self.model.values()
            )

    def compare(self, reader: JournalReader, entry: int, model: Model) -> None:
        stored = reader.entry(entry)
        if model.state == "gone":
            assert stored is None
        else:
            assert (stored.state, stored.reason) == (model.state, model.reason)
        raws = [encode(text, number) for number, text in enumerate(model.texts, 1)]
        assert reader.frames(entry) == raws
        assert reader.text(entry) == b"".join(model.texts)
        assert {p.body: p.state for p in reader.payloads(entry)} == model.payloads


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
