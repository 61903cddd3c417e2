"""The one thread that writes: group commit, full and failed disks, checkpoints.

Everything that waits is committed together, in one transaction with one fsync. A stalled
disk stalls this thread alone.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from rerund.journal.ballast import Ballast, has_no_room
from rerund.journal.batch import Batch, Ledger
from rerund.journal.errors import JournalClosed, JournalError, JournalFailed, JournalFull
from rerund.journal.operations import Operation
from rerund.journal.prune import Pruner
from rerund.journal.queries import received_entry, received_ids
from rerund.journal.rows import ReceivedEntry

PROBE_SECONDS = 1.0
"""How often a full disk is tried again."""

# As much as the longest frame: where it does not fit, a small row still may.
_PROBE = (
    "INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(65536))",
    "DELETE FROM meta WHERE name = 'probe'",
)
_BATCH = 256
_HAND_OUT = 100
_CHECKPOINT_BYTES = 2 * 1024 * 1024


@dataclass(slots=True)
class Report:
    """What the event loop has to know; every field is an event of its own."""

    done: Sequence[Operation] = ()
    error: JournalError | None = None
    received: Sequence[ReceivedEntry] = ()
    has_room: bool | None = None
    changed: bool = False
    stopped: bool = False
    pruned: list[tuple[Pruner, JournalError | None]] = field(default_factory=list)


Order = Sequence[Operation] | Pruner | None
"""Operations to commit, a pruning to work on between commits, or None to stop."""


class Writer:
    """Commits what is submitted until it is told to stop or the disk fails."""

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        ballast: Ballast,
        post: Callable[[Report], None],
        *,
        full: bool,
        poll_seconds: float,
    ):
        self._path = path
        self._db = db
        self._ballast = ballast
        self._post = post
        self._poll_seconds = poll_seconds
        self._inbox: SimpleQueue[Order] = SimpleQueue()
        self._ledger = Ledger()
        self._kept: list[Operation] = []
        self._backlog: deque[int] = deque()
        self._pruners: list[Pruner] = []
        self._full = full
        self._doubted = False
        self._stopping = False
        self._ended: JournalError | None = None
        self._version = -1
        self._changed = False
        self._next_poll = 0.0
        self._next_probe = 0.0
        self._unchecked = 0

    def abandon(self) -> None:
        """Close without having run."""
        self._db.close()

    def submit(self, order: Order) -> None:
        """Hand over what is to be done; from any thread."""
        self._inbox.put(order)
        if self._ended is not None:
            self._refuse_rest(self._ended)

    def run(self) -> None:
        """Work until stopped; the body of the thread."""
        try:
            while not self._stopping:
                self._turn()
            self._finish()
            self._end(JournalClosed())
        except Exception as error:  # noqa: BLE001 - the thread's end: nothing may be acknowledged
            self._end(JournalFailed(_describe(error)))

    def _turn(self) -> None:
        operations = self._take()
        if self._full:
            operations = self._refuse_owed(operations)
        self._try_commit(operations)
        now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + self._poll_seconds
            self._poll()
        if self._backlog:
            self._hand_out()
        if self._full and now >= self._next_probe:
            self._next_probe = now + PROBE_SECONDS
            self._probe()
        if self._unchecked >= _CHECKPOINT_BYTES:
            self._checkpoint()
        if self._pruners:
            self._prune()

    def _take(self) -> list[Operation]:
        """Wait for something to do and take all that waits, up to a batch."""
        operations: list[Operation] = []
        wait = 0.0
        if not (self._pruners or self._backlog or self._stopping):
            until = min(self._next_poll, self._next_probe) if self._full else self._next_poll
            wait = max(0.0, until - time.monotonic())
        try:
            self._accept(self._inbox.get(timeout=wait), operations)
            while len(operations) < _BATCH:
                self._accept(self._inbox.get_nowait(), operations)
        except Empty:
            pass
        return operations

    def _accept(self, order: Order, operations: list[Operation]) -> None:
        if order is None:
            self._stopping = True
        elif isinstance(order, Pruner):
            self._pruners.append(order)
        else:
            operations.extend(order)

    def _try_commit(self, operations: list[Operation]) -> bool:
        """Commit what was kept and what is new; False when the disk is full."""
        operations = self._kept + operations
        if not operations:
            return True
        self._kept = operations
        try:
            self._commit(operations)
        except sqlite3.OperationalError as error:
            if not self._is_full(error):
                raise
            self._run_full()
            return False
        self._kept = []
        return True

    def _commit(self, operations: list[Operation]) -> None:
        self._begin()
        self._notice()
        batch = Batch(self._ledger)
        for operation in operations:
            operation.add_to(batch)
        batch.write(self._db)
        self._db.execute("COMMIT")
        batch.settle()
        self._doubted = False
        self._unchecked += batch.size
        self._post(Report(done=operations, received=self._in_turn(batch.received)))

    def _in_turn(self, received: list[ReceivedEntry]) -> list[ReceivedEntry]:
        """Return what may be handed out now; the rest waits behind older entries."""
        if not self._backlog:
            return received
        self._backlog.extend(entry.entry_id for entry in received)
        return []

    def _begin(self) -> None:
        """Begin a transaction, however long another process keeps us waiting."""
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return

    def _is_full(self, error: sqlite3.OperationalError) -> bool:
        """Tell a full disk, which is survived, from a failed one, which is not.

        SQLite reports ENOSPC as SQLITE_FULL, but a quota as a failed write, and either as
        SQLITE_IOERR_SHMSIZE when it was the shared index that could not grow.
        """
        code = error.sqlite_errorcode
        if code & 0xFF == sqlite3.SQLITE_FULL:
            return True
        if code not in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE):
            return False
        if has_no_room(self._path.parent):
            return True
        # While it is full, room may come between the failure and this look: once, no more.
        doubtful, self._doubted = self._full and not self._doubted, True
        return doubtful

    def _run_full(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        if not self._full:
            self._full = True
            self._next_probe = time.monotonic() + PROBE_SECONDS
            self._ballast.release()
            self._post(Report(has_room=False))
        self._kept = self._refuse_owed(self._kept)

    def _refuse_owed(self, operations: list[Operation]) -> list[Operation]:
        owed = [operation for operation in operations if operation.owed]
        if owed:
            self._post(Report(done=owed, error=JournalFull()))
        return [operation for operation in operations if not operation.owed]

    def _probe(self) -> None:
        """See whether the disk has room again: for what was kept, the ballast and a commit."""
        if not self._try_commit([]) or not self._ballast.restore():
            return
        try:
            for statement in _PROBE:
                self._begin()
                self._db.execute(statement)
                self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if not self._is_full(error):
                raise
            self._ballast.release()
            self._run_full()
            return
        self._full = False
        self._post(Report(has_room=True))

    def _notice(self) -> None:
        """See whether another process changed something, such as an entry handed out already."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._changed = True
            self._ledger.undecided &= received_ids(self._db)

    def _poll(self) -> None:
        """Find what other processes released, and what waits from before the start."""
        self._notice()
        if not self._changed:
            return
        self._changed = False
        found = received_ids(self._db) - self._ledger.undecided
        self._ledger.undecided |= found
        self._backlog.extend(sorted(found))
        self._post(Report(changed=True))

    def _hand_out(self) -> None:
        """Hand out some of the backlog; commits come between."""
        ids = [self._backlog.popleft() for _ in range(min(_HAND_OUT, len(self._backlog)))]
        self._post(Report(received=[received_entry(self._db, entry_id) for entry_id in ids]))

    def _checkpoint(self) -> None:
        self._unchecked = 0
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            if not self._is_full(error):
                raise
            self._run_full()

    def _prune(self) -> None:
        pruner = self._pruners[0]
        self._begin()
        try:
            finished = pruner.step(self._db)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if not self._is_full(error):
                raise
            self._run_full()
            self._post(Report(pruned=[(pruner, JournalFull())]))
            self._pruners.pop(0)
            return
        self._unchecked += pruner.step_bytes
        if finished:
            self._post(Report(pruned=[(pruner, None)]))
            self._pruners.pop(0)

    def _finish(self) -> None:
        """Commit what was submitted before the stop, and leave one file behind."""
        while operations := self._take():
            self._try_commit(self._refuse_owed(operations) if self._full else operations)
        self._checkpoint()
        self._db.close()

    def _end(self, error: JournalError) -> None:
        self._ended = error
        kept, self._kept = self._kept, []
        if kept:
            self._post(Report(done=kept, error=error))
        self._refuse_rest(error)
        failed = error if isinstance(error, JournalFailed) else None
        self._post(Report(error=failed, stopped=True))

    def _refuse_rest(self, error: JournalError) -> None:
        operations: list[Operation] = []
        try:
            while True:
                self._accept(self._inbox.get_nowait(), operations)
        except Empty:
            pass
        pruned: list[tuple[Pruner, JournalError | None]] = [(job, error) for job in self._pruners]
        self._pruners = []
        self._post(Report(done=operations, error=error, pruned=pruned))


def _describe(error: Exception) -> str:
    """Name an error without its text, which could quote what was being written."""
    if isinstance(error, sqlite3.Error) and hasattr(error, "sqlite_errorname"):
        return str(error.sqlite_errorname)
    if isinstance(error, OSError):
        return f"{type(error).__name__} {error.errno}"
    return type(error).__name__
