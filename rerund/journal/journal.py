"""The journal as the daemon sees it.

What is asked for during one turn of the event loop goes to the writer together. Callbacks
run in the event loop; so does every method but `record` and `mark_payloads`, which may be
called from any thread.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from rerund.journal.ballast import Ballast
from rerund.journal.batch import OpenEntry
from rerund.journal.errors import JournalClosed, JournalError, JournalFailed, JournalFull
from rerund.journal.lock import JournalLock
from rerund.journal.operations import (
    AppendFrame,
    ChangeOrders,
    Complete,
    Done,
    Hold,
    MarkNotes,
    MarkPayloads,
    NoteOrders,
    Operation,
    Record,
    Reject,
    ReplaceWaiting,
)
from rerund.journal.prune import Limits, Pruner
from rerund.journal.queries import journal_id
from rerund.journal.rejects import RejectBudget
from rerund.journal.rows import Decision, Mark, OrderNoteRow, ReceivedEntry
from rerund.journal.start import open_for_daemon
from rerund.journal.writer import Report, Writer
from rerund.rerun.instants import iso
from rerund.rerun.model import OpenRerun
from rerund.rerun.orders import LocalOrder, OrderKey

BALLAST_BYTES = 16 * 1024 * 1024
POLL_SECONDS = 1.0

_pack = msgspec.msgpack.Encoder().encode


def _ignore(_: object) -> None:
    return


def _nothing() -> None:
    return


class Journal:
    """Keeps what instruments sent, and says when it is safe to acknowledge it.

    Set the callbacks, then `start`:

    `on_received(ReceivedEntry)`: an entry is complete and on disk. Those of one link come in
    the order of their ids. Entries that waited from before the start, and those that another
    process released, are handed out the same way.
    `on_accepting(bool)`: the disk is full, or it has room again.
    `on_changed()`: another process released, discarded, replayed or pruned something.
    `on_fatal(JournalFailed)`: the disk failed. Nothing is committed any more: exit.
    """

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        lock: JournalLock,
        ballast: Ballast,
        poll_seconds: float,
    ):
        self.path = path
        self.journal_id = journal_id(db)
        self.on_received: Callable[[ReceivedEntry], None] = _ignore
        self.on_accepting: Callable[[bool], None] = _ignore
        self.on_changed: Callable[[], None] = _nothing
        self.on_fatal: Callable[[JournalFailed], None] = _ignore
        self._lock = lock
        self._has_room = ballast.restore()
        self._writer = Writer(
            path, db, ballast, self._post, full=not self._has_room, poll_seconds=poll_seconds
        )
        self._thread = threading.Thread(target=self._writer.run, name="journal", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._closing = False
        self._error: JournalFailed | None = None
        self._queue: list[Operation] = []
        self._last_id: int = db.execute("SELECT ifnull(max(entry_id), 0) FROM entry").fetchone()[0]
        self._open: dict[int, OpenEntry] = {}
        self._pruning: dict[Pruner, asyncio.Future[None]] = {}
        self._rejects = RejectBudget()
        self._waiting: list[tuple[str, bytes]] | None = None

    @classmethod
    def open(
        cls, path: Path, *, ballast_bytes: int = BALLAST_BYTES, poll_seconds: float = POLL_SECONDS
    ) -> "Journal":
        """Open the journal at `path`, made if it does not exist, and hold what was left open.

        `poll_seconds` is how often changes of other processes are looked for. Raises
        JournalLockedError, JournalMissingError (no folder), JournalUnusableError (no permission),
        JournalVersionError, JournalFull (not even the ballast was room enough), JournalFailed.
        """
        lock = JournalLock(path)
        ballast = Ballast(path.with_suffix(".ballast"), ballast_bytes)
        try:
            db = open_for_daemon(path, ballast)
            return cls(path, db, lock, ballast, poll_seconds)
        except BaseException:
            lock.release()
            raise

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to commit, and hand out the entries that wait for a decision."""
        self._loop = loop
        self._thread.start()
        if not self._has_room:
            loop.call_soon(self.on_accepting, False)

    async def close(self, timeout: float | None = 10.0) -> bool:
        """Commit what was asked for so far and stop; False when `timeout` seconds did not do.

        The writer then goes on by itself until the process ends.
        """
        if self._loop is None:
            self._writer.abandon()
            self._lock.release()
            return True
        self._hand_over()
        if not self._closing:
            self._closing = True
            self._writer.submit(None)
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout)
        except TimeoutError:
            return False
        return self._error is None

    @property
    def accepting(self) -> bool:
        """False while nothing can be stored: full, failed or closing."""
        return self._has_room and self._error is None and not self._closing

    def begin_entry(self, device_id: str, link: str, received_at: str) -> int:
        """Return the id of a new entry, received at an ISO 8601 UTC instant.

        It exists once its first frame is stored; until then it leaves no trace.
        """
        self._last_id += 1
        self._open[self._last_id] = OpenEntry(self._last_id, device_id, link, received_at)
        return self._last_id

    def append_frame(self, entry_id: int, raw: bytes, text: bytes, done: Done) -> None:
        """Store the next frame of an open entry: `raw` as it arrived, holding `text`.

        `done(None)` says that the bytes are on disk. After `done(error)` the entry is as it
        was before the call, so that the frame may be appended again.
        """
        entry = self._open[entry_id]
        entry.appended += 1
        self._submit(AppendFrame(entry, raw, text, done))

    def complete_entry(self, entry_id: int, text: bytes, *, no_terminator: bool = False) -> None:
        """End an entry whose frames said `text`; `on_received` follows its commit.

        In the same turn of the loop as its last frame it is one transaction with that frame,
        and undone with it when it could not be stored.
        """
        entry = self._close_entry(entry_id)
        if entry is not None:
            self._end(entry, Complete(entry, text, "no_terminator" if no_terminator else ""))

    def hold_entry(self, entry_id: int, reason: str, detail: str = "") -> None:
        """End an entry that is kept but not understood; like `complete_entry` otherwise."""
        entry = self._close_entry(entry_id)
        if entry is not None:
            self._end(entry, Hold(entry_id, reason, detail))

    def reject(self, device_id: str, link: str, raw: bytes, reason: str) -> None:
        """Keep bytes that were refused or ignored, as evidence; so many per link and hour."""
        if self._obstacle() or not self._rejects.take(link, len(raw), time.monotonic()):
            return
        detail = "further ones of this hour are not kept" if self._rejects.spent(link) else ""
        self._submit(Reject(self._evidence(device_id, link), raw, reason, detail))

    def reject_owed(self, device_id: str, link: str, raw: bytes, reason: str, done: Done) -> None:
        """Keep bytes as evidence before they are answered, however many; `done` as for a frame."""
        self._submit(Reject(self._evidence(device_id, link), raw, reason, "", done))

    def record(self, decision: Decision, done: Done | None = None) -> None:
        """Store what became of a received entry; from any thread.

        On a full disk it is kept in memory until there is room. An entry that was decided
        already stays as it is.
        """
        self._writer.submit([Record(decision, done)])

    def mark_payloads(self, marks: Sequence[Mark], done: Done | None = None) -> None:
        """Store delivery states; from any thread. On a full disk they wait in memory."""
        self._writer.submit([MarkPayloads(marks, done)])

    def replace_waiting(
        self, reruns: Iterable[OpenRerun], refreshed_at: str, done: Done | None = None
    ) -> None:
        """Replace the local copy of the waiting list, complete as of `refreshed_at`."""
        rows = sorted({(rerun.sample_id, _pack(rerun)) for rerun in reruns})
        changed = rows != self._waiting
        self._waiting = rows
        self._submit(ReplaceWaiting(rows if changed else None, refreshed_at, done))

    def change_orders(
        self,
        orders: Sequence[LocalOrder],
        gone: Sequence[OrderKey],
        *,
        whole: bool,
    ) -> None:
        """Change the local copy of the open orders; `whole` begins a new one."""
        if orders or gone or whole:
            self._submit(ChangeOrders(orders, gone, whole))

    def note_orders(self, rows: Sequence[OrderNoteRow], done: Done | None = None) -> None:
        """Store what became of orders; `done` follows the commit."""
        self._submit(NoteOrders(rows, done))

    def mark_notes(self, note_keys: Sequence[int]) -> None:
        """The stores have these notes."""
        self._submit(MarkNotes(note_keys))

    async def prune(self, limits: Limits) -> int:
        """Remove old entries step by step between commits; returns how many.

        Raises JournalFull: removing needs room too.
        """
        pruner = Pruner(limits)
        finished = self._pruning[pruner] = asyncio.get_running_loop().create_future()
        self._writer.submit(pruner)
        await finished
        return pruner.removed

    def _obstacle(self) -> JournalError | None:
        if self._error is not None:
            return self._error
        if self._closing:
            return JournalClosed()
        return None if self._has_room else JournalFull()

    def _evidence(self, device_id: str, link: str) -> OpenEntry:
        self._last_id += 1
        return OpenEntry(self._last_id, device_id, link, iso(time.time()))

    def _close_entry(self, entry_id: int) -> OpenEntry | None:
        """Forget an entry that ends; None when its first frame was not stored."""
        entry = self._open.pop(entry_id, None)
        return entry if entry is not None and entry.appended else None

    def _end(self, entry: OpenEntry, ending: Complete | Hold) -> None:
        for operation in reversed(self._queue):
            if isinstance(operation, AppendFrame) and operation.entry is entry:
                operation.ending = ending
                return
        self._submit(ending)

    def _submit(self, operation: Operation) -> None:
        if not self._queue:
            assert self._loop is not None
            self._loop.call_soon(self._hand_over)
        self._queue.append(operation)

    def _hand_over(self) -> None:
        operations, self._queue = self._queue, []
        obstacle = self._obstacle()
        if obstacle is not None:
            owed = [operation for operation in operations if operation.owed]
            self._settle(Report(done=owed, error=obstacle))
            operations = [operation for operation in operations if not operation.owed]
        if operations:
            self._writer.submit(operations)

    def _post(self, report: Report) -> None:
        """Take a report from the writer's thread into the loop, unless that has ended."""
        assert self._loop is not None
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, report)

    def _settle(self, report: Report) -> None:
        if isinstance(report.error, JournalFailed) and self._error is None:
            self._error = report.error
            self._call(self.on_fatal, report.error)
        for operation in report.done:
            if report.error is not None and isinstance(operation, AppendFrame):
                self._take_back(operation)
            if operation.done is not None:
                self._call(operation.done, report.error)
        for entry in report.received:
            self._call(self.on_received, entry)
        if report.has_room is not None:
            self._has_room = report.has_room
            self._call(self.on_accepting, report.has_room)
        if report.changed:
            self._call(self.on_changed)
        for pruner, error in report.pruned:
            _resolve(self._pruning.pop(pruner), error)
        if report.stopped:
            self._lock.release()
            self._stopped.set()

    def _take_back(self, operation: AppendFrame) -> None:
        """Leave an entry as it was before a frame that could not be stored."""
        operation.entry.appended -= 1
        if operation.ending is not None:
            self._open[operation.entry.entry_id] = operation.entry

    def _call(self, callback: Callable[..., None], *args: object) -> None:
        """Call back; one that raises is reported and keeps nobody else from being called."""
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - each callback is a task of its own
            assert self._loop is not None
            context = {"message": "a callback of the journal raised", "exception": error}
            self._loop.call_exception_handler(context)


def _resolve(future: asyncio.Future[None], error: JournalError | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
