"""The rows of one transaction, gathered from many operations and written in few statements."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from rerund.journal import statements
from rerund.journal.rows import (
    Decision,
    EntryState,
    Mark,
    OrderNoteRow,
    PayloadRow,
    ReceivedEntry,
)
from rerund.journal.schema import SPAN
from rerund.rerun.orders import OrderKey


class OpenEntry:
    """An entry whose frames are arriving. `appended` counts those handed to the journal."""

    __slots__ = ("appended", "device_id", "entry_id", "link", "received_at")

    def __init__(self, entry_id: int, device_id: str, link: str, received_at: str):
        self.entry_id = entry_id
        self.device_id = device_id
        self.link = link
        self.received_at = received_at
        self.appended = 0


Counts = tuple[int, int]
"""Frames and raw bytes of an open entry."""


class Ledger:
    """What the writer knows to be on disk: open entries, and entries waiting for a decision."""

    def __init__(self) -> None:
        self.open: dict[int, Counts] = {}
        self.undecided: set[int] = set()


class Batch:
    """Collects what operations want written; `write` it, then `settle` what is known."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._open: dict[int, Counts | None] = {}
        self._new: dict[int, list[Any]] = {}
        self._closed: list[tuple[Any, ...]] = []
        self._frames: list[tuple[int, int, int, bytes]] = []
        self._decided: list[tuple[Any, ...]] = []
        self._payloads: list[tuple[Any, ...]] = []
        self._devices: dict[str, tuple[Any, ...]] = {}
        self._successors: list[tuple[int, str, str, int]] = []
        self._links: list[tuple[int, int]] = []
        self._marks: list[Mark] = []
        self._waiting: list[tuple[str, bytes]] | None = None
        self._no_orders = False
        self._orders: dict[OrderKey, bytes | None] = {}
        self._notes: list[OrderNoteRow] = []
        self._told: list[int] = []
        self._meta: dict[str, str] = {}
        self._bytes = 0
        self.received: list[ReceivedEntry] = []

    @property
    def size(self) -> int:
        """About how many bytes it will write."""
        rows = len(self._frames) + len(self._new) + len(self._decided) + len(self._payloads)
        return self._bytes + 200 * rows + 4096 * 8

    def frame(self, entry: OpenEntry, raw: bytes, text_at: int, text_size: int) -> None:
        """Add the next frame of an entry, which begins with its first one."""
        entry_id = entry.entry_id
        counts = self._counts(entry_id)
        if counts is None:
            counts = (0, 0)
            self._entry(entry_id, entry.device_id, entry.link, entry.received_at, "open")
        self._add_frame(entry_id * SPAN + counts[0], text_at, text_size, raw)
        self._open[entry_id] = (counts[0] + 1, counts[1] + len(raw))

    def reject(self, entry: OpenEntry, raw: bytes, reason: str, detail: str) -> None:
        """Add bytes that belong to no message, as an entry of their own."""
        self._entry(entry.entry_id, entry.device_id, entry.link, entry.received_at, "rejected")
        self._new[entry.entry_id][5:9] = [reason, detail, 1, len(raw)]
        self._add_frame(entry.entry_id * SPAN, 0, 0, raw)

    def complete(self, entry: OpenEntry, expected: int, text: bytes, reason: str) -> None:
        """End an entry. It is held when a frame that it should have could not be stored."""
        counts = self._counts(entry.entry_id)
        if counts is None:
            return
        if counts[0] != expected:
            self.hold(entry.entry_id, "incomplete", "its last frame could not be stored")
            return
        self._close(entry.entry_id, counts, "received", reason, "")
        self.received.append(
            ReceivedEntry(entry.entry_id, entry.device_id, entry.received_at, text, reason)
        )

    def hold(self, entry_id: int, reason: str, detail: str) -> None:
        """Put an open entry on hold; one of which nothing was stored leaves no trace."""
        counts = self._counts(entry_id)
        if counts is not None:
            self._close(entry_id, counts, "held", reason, detail)

    def decide(self, decision: Decision) -> None:
        """Add a decision and its payloads, unless the entry was decided already."""
        entry_id, device_id, at = decision.entry_id, decision.device_id, decision.received_at
        if entry_id not in self._ledger.undecided:
            return
        self._decided.append(
            (
                entry_id,
                decision.state,
                decision.reason,
                decision.detail,
                decision.digest or None,
                decision.inputs or None,
                decision.continues[0] if decision.continues else None,
            )
        )
        for key, row in enumerate(decision.payloads, entry_id * SPAN):
            self._payloads.append(pending_row(key, row, device_id, at))
            self._bytes += len(row.body)
        if decision.digest:
            self._devices[device_id] = (device_id, at, entry_id, at, decision.digest)
        for earlier in decision.superseded:
            self._successors.append((earlier, "superseded", "begun_again", entry_id))
        for earlier in decision.continues:
            self._successors.append((earlier, "superseded", "resumed", entry_id))
        self._links += zip(decision.continues[1:], decision.continues, strict=False)

    def mark(self, marks: Sequence[Mark]) -> None:
        """Add delivery states of payloads."""
        self._marks.extend(marks)

    def replace_waiting(self, rows: list[tuple[str, bytes]] | None, refreshed_at: str) -> None:
        """Replace the copy of the waiting list; None leaves it as it is."""
        if rows is not None:
            self._waiting = rows
        self._meta["waiting_refreshed_at"] = refreshed_at

    def change_orders(
        self,
        rows: Sequence[tuple[int, str, int, bytes]],
        gone: Sequence[OrderKey],
        *,
        whole: bool,
    ) -> None:
        """Change the copy of the open orders; `whole` begins a new one."""
        if whole:
            self._no_orders = True
            self._orders.clear()
        self._orders.update((row[:3], row[3]) for row in rows)
        self._orders.update(dict.fromkeys(gone))
        self._bytes += sum(len(row[3]) for row in rows)

    def note_orders(self, rows: Sequence[OrderNoteRow]) -> None:
        """Add what became of orders."""
        self._notes.extend(rows)

    def mark_notes(self, note_keys: Sequence[int]) -> None:
        """Mark notes that the stores have."""
        self._told.extend(note_keys)

    def write(self, db: sqlite3.Connection) -> None:
        """Write everything inside the transaction that is open."""
        statements.insert(db, "entry", list(self._new.values()))
        statements.insert(db, "frame", self._frames)
        statements.update(db, "entry", "entry_id", _CLOSED, self._closed)
        statements.update(db, "entry", "entry_id", _DECIDED, self._decided)
        statements.insert(db, "payload", self._payloads)
        statements.update(db, "payload", "payload_key", ("state", "reason"), self._marks)
        if self._devices:
            db.execute(_device_sql(len(self._devices)), _flat(self._devices.values()))
        if self._successors:
            db.executemany(_SUCCESSOR, self._successors)
            db.executemany("UPDATE entry SET continues = ? WHERE entry_id = ?", self._links)
        if self._waiting is not None:
            db.execute("DELETE FROM waiting")
            statements.insert(db, "waiting", self._waiting)
        self._write_orders(db)
        if self._meta:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", self._meta.items())

    def _write_orders(self, db: sqlite3.Connection) -> None:
        if self._no_orders:
            db.execute("DELETE FROM local_order")
        elif self._orders:
            db.executemany(_DELETE_ORDER, list(self._orders))
        rows = [(*key, body) for key, body in self._orders.items() if body is not None]
        statements.insert(db, "local_order", rows)
        statements.insert(db, "order_note", [(row[0], row[1], 0, row[2]) for row in self._notes])
        statements.update(db, "order_note", "note_key", ("told",), [(key, 1) for key in self._told])

    def settle(self) -> None:
        """Take what was committed into the ledger."""
        for entry_id, counts in self._open.items():
            if counts is None:
                self._ledger.open.pop(entry_id, None)
            else:
                self._ledger.open[entry_id] = counts
        self._ledger.undecided.update(entry.entry_id for entry in self.received)
        self._ledger.undecided.difference_update(row[0] for row in self._decided)

    def _counts(self, entry_id: int) -> Counts | None:
        if entry_id in self._open:
            return self._open[entry_id]
        return self._ledger.open.get(entry_id)

    def _entry(
        self, entry_id: int, device_id: str, link: str, received_at: str, state: EntryState
    ) -> None:
        self._new[entry_id] = [entry_id, device_id, link, received_at, state, "", "", 0, 0]
        self._new[entry_id] += [None, None, None, None]

    def _add_frame(self, key: int, text_at: int, text_size: int, raw: bytes) -> None:
        self._frames.append((key, text_at, text_size, raw))
        self._bytes += len(raw)

    def _close(
        self, entry_id: int, counts: Counts, state: EntryState, reason: str, detail: str
    ) -> None:
        row = self._new.get(entry_id)
        if row is not None:
            row[4:9] = [state, reason, detail, *counts]
        else:
            self._closed.append((entry_id, state, reason, detail, *counts))
        self._open[entry_id] = None


def pending_row(key: int, row: PayloadRow, device_id: str, received_at: str) -> tuple[Any, ...]:
    """Return a new payload as a row of its table."""
    about = (row.payload_id, row.sample_id, device_id, received_at, int(row.is_rerun))
    return (key, *about, row.rerun_number, row.kind, "pending", "", row.body)


_DELETE_ORDER = """
DELETE FROM local_order WHERE lab_report_id = ? AND device_id = ? AND rerun_number = ?
"""
_CLOSED = ("state", "reason", "detail", "frames", "size")
_DECIDED = ("state", "reason", "detail", "digest", "inputs", "continues")
_SUCCESSOR = """
UPDATE entry SET state = ?2, reason = ?3, successor = ?4 WHERE entry_id = ?1 AND state = 'held'
"""


def _device_sql(rows: int) -> str:
    return (
        f"INSERT INTO device {statements.values(rows, 5)} ON CONFLICT DO UPDATE SET"
        " entry_id = excluded.entry_id, received_at = excluded.received_at,"
        " digest = excluded.digest"
    )


def _flat(rows: Any) -> list[Any]:
    return [value for row in rows for value in row]
