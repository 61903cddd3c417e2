"""What people change in a journal, beside the daemon: it notices by itself.

Each function is one short transaction on a connection of its own and answers what it did.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rerund.journal import schema, statements
from rerund.journal.batch import pending_row
from rerund.journal.errors import from_sqlite
from rerund.journal.lock import delivering
from rerund.journal.prune import Limits, Pruner
from rerund.journal.queries import keys_of
from rerund.journal.rows import PayloadRow


@contextmanager
def _changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Run one transaction.

    Raises JournalMissingError, JournalUnusableError, JournalVersionError, JournalFull,
    JournalFailed.
    """
    db = schema.open_editor(path)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise from_sqlite(error) from error
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.close()


def hold(path: Path, entry_id: int, reason: str) -> bool:
    """Put an entry on hold that has delivered nothing; its undelivered payloads wait with it."""
    with _changing(path) as db:
        payloads = _set_payloads(db, entry_id, ("pending", "parked"), "held", reason)
        entry = db.execute(
            "UPDATE entry SET state = 'held', reason = ? WHERE entry_id = ? AND state = 'received'",
            (reason, entry_id),
        ).rowcount
    return bool(payloads or entry)


def release(path: Path, entry_id: int) -> bool:
    """Send what is on hold of an entry round again: the entry itself, or its payloads."""
    with _changing(path) as db:
        payloads = _set_payloads(db, entry_id, ("held",), "pending", "")
        entry = db.execute(
            "UPDATE entry SET state = 'received', reason = 'released', detail = ''"
            " WHERE entry_id = ? AND state = 'held'",
            (entry_id,),
        ).rowcount
    return bool(payloads or entry)


def discard(path: Path, entry_id: int) -> bool:
    """Give up what is on hold of an entry; its bytes stay until they are pruned."""
    with _changing(path) as db:
        payloads = _set_payloads(db, entry_id, ("held",), "discarded", "discarded by a person")
        entry = db.execute(
            "UPDATE entry SET state = 'discarded' WHERE entry_id = ? AND state = 'held'",
            (entry_id,),
        ).rowcount
    return bool(payloads or entry)


def decide_again(path: Path, entry_id: int) -> bool:
    """Let an entry be decided anew of which nothing was delivered; its payloads are dropped.

    Waits for a batch that is being delivered.
    """
    with delivering(path), _changing(path) as db:
        first, last = keys_of(entry_id)
        (delivered,) = db.execute(
            "SELECT count(*) FROM payload WHERE payload_key BETWEEN ? AND ?"
            " AND state = 'delivered'",
            (first, last),
        ).fetchone()
        if delivered:
            return False
        changed = db.execute(
            "UPDATE entry SET state = 'received', reason = 'released', detail = ''"
            " WHERE entry_id = ? AND state IN"
            " ('interpreted', 'held', 'query', 'retransmission', 'empty')",
            (entry_id,),
        ).rowcount
        if changed:
            db.execute("DELETE FROM payload WHERE payload_key BETWEEN ? AND ?", (first, last))
    return bool(changed)


def add_payloads(path: Path, entry_id: int, payloads: Sequence[PayloadRow]) -> bool:
    """Add payloads to an entry whose earlier ones were delivered: corrections of a replay."""
    with _changing(path) as db:
        origin = db.execute(
            "SELECT device_id, received_at FROM entry WHERE entry_id = ?", (entry_id,)
        ).fetchone()
        if origin is None:
            return False
        (last,) = db.execute(
            "SELECT ifnull(max(payload_key), ?1 - 1) FROM payload"
            " WHERE payload_key BETWEEN ?1 AND ?2",
            keys_of(entry_id),
        ).fetchone()
        rows = [pending_row(key, row, *origin) for key, row in enumerate(payloads, last + 1)]
        statements.insert(db, "payload", rows)
    return True


def prune(path: Path, limits: Limits) -> int:
    """Remove what is old, step by step; returns how many entries went."""
    pruner = Pruner(limits)
    finished = False
    while not finished:
        with _changing(path) as db:
            finished = pruner.step(db)
    return pruner.removed


def _set_payloads(
    db: sqlite3.Connection, entry_id: int, states: Sequence[str], state: str, reason: str
) -> int:
    marks = ",".join("?" * len(states))
    return db.execute(
        f"UPDATE payload SET state = ?, reason = ? WHERE payload_key BETWEEN ? AND ?"
        f" AND state IN ({marks})",
        (state, reason, *keys_of(entry_id), *states),
    ).rowcount
