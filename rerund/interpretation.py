"""Complete entries into payloads, one instrument's entries one after the other.

A thread of its own takes entries in the order in which they were received, decides each and
hands the decision to the journal. It delays no ACK, and nothing is lost when it ends: an
entry without a decision is handed out again at the next start.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from time import sleep
from typing import Final, Literal

import structlog

from rerund.alerts import tell_on_hold
from rerund.instrument_history import InstrumentHistory
from rerund.interpreter import Decider, Outcome
from rerund.journal.errors import JournalError
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Decision, PayloadRow, ReceivedEntry
from rerund.payload_codec import pack
from rerund.rerun.instants import iso
from rerund.rerun.model import KnownRun
from rerund.resume import Relation, joined, relation
from rerund.waiting_list import WaitingList

log = structlog.get_logger(__name__)

IN_MEMORY = 16 * 1024 * 1024
"""Bytes of texts that wait in memory; those of later entries are read from the journal again."""

YIELD_SECONDS = 0.00005
"""How long an entry makes way for the wire: threads that wait for the interpreter get it at
once when this one sleeps, and only after the switch interval when it does not.
"""


Earlier = tuple[str, Sequence[tuple[str, KnownRun]], bool]
"""An instrument, (sample id, run) pairs of it that the journal lacks, whether no more follow."""

OnEntry = Callable[[str, int, Iterable[str]], None]
"""Told an instrument, an entry of it and the samples that it has results of."""

Forget = Literal["forget"]
FORGET: Final = "forget"


class Interpretation:
    """Decides what the journal hands out. `put` belongs to the event loop.

    `complete` names the instruments whose history is known to be whole, `last_cut` tells the
    last entry of an instrument that was cut short, `resume_window` is seconds. `on_decided`
    is called in the event loop after each committed decision and `on_entry` before it, `on_failed`
    in the thread when it can not go on: then the daemon has to end, or instruments would be
    acknowledged for ever and nothing decided.
    """

    def __init__(
        self,
        deciders: Mapping[str, Decider],
        journal: Journal,
        waiting: WaitingList,
        *,
        complete: frozenset[str] = frozenset(),
        last_cut: Callable[[str], int] = lambda device_id: 0,
        resume_window: float = 900.0,
        on_decided: Callable[[], None] = lambda: None,
        on_entry: OnEntry = lambda device_id, entry_id, sample_ids: None,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_failed = on_failed
        self._deciders = deciders
        self._journal = journal
        self._waiting = waiting
        self._complete = complete
        self._last_cut = last_cut
        self._resume_window = resume_window
        self._on_decided = on_decided
        self._on_entry = on_entry
        self._queue: SimpleQueue[ReceivedEntry | Earlier | Forget | None] = SimpleQueue()
        self._histories: dict[str, InstrumentHistory] = {}
        self._settled_cut: dict[str, int] = {}
        self._received_at = ""
        self._uncommitted = 0
        self._bytes_put = self._bytes_seen = self._bytes_taken = 0
        self._committed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="interpretation", daemon=True)

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def put(self, entry: ReceivedEntry) -> None:
        """Decide an entry when those before it are decided."""
        if self._bytes_put - self._bytes_taken > IN_MEMORY:
            entry = replace(entry, text=b"")
        self._bytes_put += len(entry.text)
        self._queue.put(entry)

    def learn(self, device_id: str, runs: Sequence[tuple[str, KnownRun]], last: bool) -> None:
        """Take over what an instrument sent to others, by sample id; `last` when it is all."""
        self._queue.put((device_id, runs, last))

    def forget(self) -> None:
        """Another process has changed the journal: what is remembered of it may be wrong."""
        self._queue.put(FORGET)

    def stop(self, timeout: float) -> bool:
        """End after the entry at hand; False when that takes longer than `timeout` seconds."""
        self._stopping = True
        self._queue.put(None)
        with self._committed:
            self._committed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with JournalReader(self._journal.path) as reader:
                self._reader = reader
                while not self._stopping:
                    self._next()
        except Exception as error:  # noqa: BLE001 - the thread's end, told without patient data
            log.critical("interpretation_failed", alert=True, error=type(error).__name__)
            self._on_failed()

    def _next(self) -> None:
        match self._queue.get():
            case ReceivedEntry() as entry:
                self._make_way()
                self._guarded(entry)
                self._bytes_taken += len(entry.text)
            case (device_id, runs, last):
                self._history(device_id).complete_with(runs, last=last)
            case "forget":
                self._forget()

    def _guarded(self, entry: ReceivedEntry) -> None:
        """Decide one entry; an error of ours puts it on hold and must not stop the next."""
        try:
            self._take(entry)
        except Exception as error:  # noqa: BLE001 - one entry is one task
            reason = type(error).__name__
            self._record(entry, Outcome(entry.entry_id, "held", "interpreter_failed", reason))

    def _make_way(self) -> None:
        """Let the wire go first while messages keep coming."""
        if self._bytes_put != self._bytes_seen:
            self._bytes_seen = self._bytes_put
            sleep(YIELD_SECONDS)

    def _take(self, entry: ReceivedEntry) -> None:
        decider = self._deciders.get(entry.device_id)
        if decider is None:
            # Left by an instrument that is no longer configured: a person decides.
            self._record(entry, Outcome(entry.entry_id, "held", "unknown_instrument"))
            return
        self._received_at = entry.received_at
        if entry.reason == "released":
            self._forget()
        text = entry.text or self._reader.text(entry.entry_id)
        superseded, parts = self._earlier_parts(entry, text) if decider.resumes else ([], [])
        for part in parts:
            text = joined(self._reader.text(part), text)
        history = self._history(entry.device_id)
        history.since = self._since(decider.windows.history_window)
        outcome = decider.decide(entry.entry_id, entry.received_at, text, history, self._waiting)
        history.remember(outcome, entry.received_at)
        self._record(entry, outcome, superseded, parts)

    def _history(self, device_id: str) -> InstrumentHistory:
        history = self._histories.get(device_id)
        if history is None:
            window = self._deciders[device_id].windows.history_window

            def bodies(sample_id: str) -> list[bytes]:
                return self._reader.history_bodies(device_id, sample_id, self._since(window))

            history = self._histories[device_id] = InstrumentHistory(
                bodies,
                self._reader.last_decided(device_id),
                complete=device_id in self._complete,
            )
        return history

    def _since(self, seconds_before: float) -> str:
        """Return the instant so long before the entry at hand arrived."""
        return iso(datetime.fromisoformat(self._received_at).timestamp() - seconds_before)

    def _forget(self) -> None:
        """Read every history anew, once what was decided so far is in the journal."""
        with self._committed:
            self._committed.wait_for(lambda: not self._uncommitted or self._stopping)
        for history in self._histories.values():
            history.forget_all()

    def _earlier_parts(self, entry: ReceivedEntry, text: bytes) -> tuple[list[int], list[int]]:
        """Return the entries cut short that this one begins again, and those it resumes.

        A message may be cut more than once: each part is compared with all that came after it.
        """
        parts = self._reader.earlier_parts(entry.entry_id) if entry.reason == "released" else []
        last_cut = self._last_cut(entry.device_id)
        if parts or self._settled_cut.get(entry.device_id) == last_cut:
            return [], parts
        superseded: list[int] = []
        cut = self._reader.incomplete(entry.device_id, self._since(self._resume_window))
        for earlier in cut:
            if earlier.entry_id >= entry.entry_id:
                continue
            match relation(earlier.text, text):
                case Relation.RESUMES:
                    parts.append(earlier.entry_id)
                    text = joined(earlier.text, text)
                case Relation.BEGINS_AGAIN:
                    superseded.append(earlier.entry_id)
                case Relation.UNRELATED:
                    pass
        if len(superseded) + len(parts) == len(cut) and entry.entry_id > last_cut:
            self._settled_cut[entry.device_id] = last_cut
        return superseded, parts

    def _record(
        self,
        entry: ReceivedEntry,
        outcome: Outcome,
        superseded: Sequence[int] = (),
        parts: Sequence[int] = (),
    ) -> None:
        _tell(entry, outcome)
        with self._committed:
            self._uncommitted += 1
        decision = Decision(
            entry.entry_id,
            entry.device_id,
            entry.received_at,
            outcome.state,
            outcome.reason or entry.reason,
            outcome.detail,
            outcome.digest,
            outcome.inputs,
            [
                PayloadRow(
                    payload.payload_id,
                    payload.sample_id,
                    payload.is_rerun,
                    payload.rerun_number,
                    payload.kind,
                    pack(payload, context),
                )
                for payload, context in outcome.payloads
            ],
            superseded,
            parts,
        )
        # Not before it is committed: who asks for orders looks in the journal for results that
        # the stores do not have yet.
        samples = {payload.sample_id for payload, _ in outcome.payloads}
        tell = partial(self._on_entry, entry.device_id, entry.entry_id, samples)
        self._journal.record(decision, partial(self._was_committed, tell))

    def _was_committed(self, tell: Callable[[], None], error: JournalError | None) -> None:
        with self._committed:
            self._uncommitted -= 1
            self._committed.notify()
        if error is None:
            tell()
            self._on_decided()


def _tell(entry: ReceivedEntry, outcome: Outcome) -> None:
    """Log what a person may look for; an ordinary first run is worth a line to nobody."""
    where = {"entry_id": entry.entry_id, "instrument": entry.device_id}
    if outcome.state == "held":
        tell_on_hold(entry.entry_id, entry.device_id, outcome.reason)
    elif outcome.state != "interpreted":
        log.info(f"entry_{outcome.state}", results=len(outcome.retransmitted), **where)
    for payload, _ in outcome.payloads:
        if payload.is_rerun:
            log.info("rerun", rerun_type=payload.rerun_type, number=payload.rerun_number, **where)
    if outcome.conflicts:
        log.warning("mark_and_history_differ", results=len(outcome.conflicts), **where)
