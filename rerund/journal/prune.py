"""Removing what is old: oldest first, never what somebody still needs.

Kept whatever the limits say: entries younger than the history window, open, undecided or on
hold, or with a payload that was not delivered; entries linked to one of these; and the
newest entry, whose id keeps the count. What became of an order is kept as long as the order
may be open: who does not know it any more would send the order again.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rerund.journal.queries import keys_of, size_in_use
from rerund.journal.schema import SPAN
from rerund.rerun.instants import iso

_LOOKED_AT = 500
_PRUNABLE = """
SELECT entry_id, received_at, size,
    state NOT IN ('open', 'received', 'held')
    AND NOT EXISTS (
        SELECT 1 FROM payload
        WHERE payload_key BETWEEN entry_id * ?1 AND entry_id * ?1 + ?1 - 1
        AND state IN ('pending', 'held', 'parked'))
    AND NOT EXISTS (
        SELECT 1 FROM entry AS other
        WHERE other.entry_id IN (entry.continues, entry.successor)
        AND other.received_at >= ?3)
FROM entry WHERE entry_id > ?2 AND entry_id < (SELECT max(entry_id) FROM entry)
ORDER BY entry_id LIMIT ?4
"""
_OLD_NOTES = "DELETE FROM order_note WHERE told = 1 AND sent_at < ?"


@dataclass(frozen=True, slots=True)
class Limits:
    """What to keep. Ages are seconds; `history_window` is kept whatever the size.

    `order_window` is how long an order may be open, the `sample_id_window` of the rules.
    """

    keep: float = 90 * 86400.0
    max_bytes: int = 20_000_000_000
    history_window: float = 72 * 3600.0
    order_window: float = 14 * 86400.0


class Pruner:
    """Removes entries step by step, so that commits of others fit between."""

    def __init__(self, limits: Limits, now: datetime | None = None):
        now = now or datetime.now(UTC)
        age = max(limits.keep, limits.history_window)
        self._too_old = iso((now - timedelta(seconds=age)).timestamp())
        self._young = iso((now - timedelta(seconds=limits.history_window)).timestamp())
        age = max(limits.keep, limits.order_window)
        self._old_notes: str | None = iso((now - timedelta(seconds=age)).timestamp())
        self._max_bytes = limits.max_bytes
        self._cursor = 0
        self.step_bytes = 0
        self.removed = 0

    def step(self, db: sqlite3.Connection) -> bool:
        """Look at the next entries inside an open transaction; True when there is no more to do."""
        self._remove_notes(db)
        over = size_in_use(db) - self._max_bytes
        before = self._too_old if over <= 0 else self._young
        rows = db.execute(_PRUNABLE, (SPAN, self._cursor, self._young, _LOOKED_AT)).fetchall()
        removed = []
        for entry_id, received_at, size, prunable in rows:
            self._cursor = entry_id
            if over <= 0:
                before = self._too_old
            if prunable and received_at < before:
                removed.append((entry_id, size))
                over -= size
        self._remove(db, removed)
        return len(rows) < _LOOKED_AT or all(row[1] >= before for row in rows)

    def _remove_notes(self, db: sqlite3.Connection) -> None:
        """Remove the old notes that the stores have, in the first step."""
        if self._old_notes is not None:
            db.execute(_OLD_NOTES, (self._old_notes,))
            self._old_notes = None

    def _remove(self, db: sqlite3.Connection, entries: Sequence[tuple[int, int]]) -> None:
        keys = [keys_of(entry_id) for entry_id, _ in entries]
        db.executemany("DELETE FROM frame WHERE frame_key BETWEEN ? AND ?", keys)
        db.executemany("DELETE FROM payload WHERE payload_key BETWEEN ? AND ?", keys)
        db.executemany(
            "DELETE FROM entry WHERE entry_id = ?", [(entry_id,) for entry_id, _ in entries]
        )
        self.removed += len(entries)
        self.step_bytes = sum(size for _, size in entries) + 4096 * 8
