"""Looking into a journal, beside whoever writes it: a connection of its own, read only."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rerund.journal import schema
from rerund.journal.queries import entry_text, journal_id, keys_of, size_in_use
from rerund.journal.rows import (
    EntryState,
    IncompleteEntry,
    PayloadState,
    StoredEntry,
    StoredPayload,
)
from rerund.journal.schema import SPAN

_ENTRY = """
SELECT entry_id, device_id, link, received_at, state, reason, detail, frames, size, continues,
    successor FROM entry
"""
_PAYLOAD = f"""
SELECT payload_key, payload_key / {SPAN}, payload_id, sample_id, device_id, received_at,
    is_rerun, rerun_number, kind, state, reason, body FROM payload
"""
# A plus keeps SQLite from the index of states, which is long when a store refuses everything.
_FREED = """
SELECT DISTINCT sample_id FROM payload AS parked WHERE state = 'parked' AND NOT EXISTS (
    SELECT 1 FROM payload AS held WHERE held.sample_id = parked.sample_id AND +held.state = 'held')
"""
_UNSETTLED = {
    "entry": ("open", "received", "held"),
    "payload": ("pending", "held", "parked"),
}
_PAGE = 500


class JournalReader:
    """Reads what is committed. One reader belongs to one thread at a time.

    Raises JournalMissingError, JournalUnusableError and JournalVersionError when opened.
    """

    def __init__(self, path: Path):
        self._db = schema.open_reader(path)
        self.journal_id = journal_id(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    # Entries.

    def entries(
        self,
        *,
        states: Sequence[EntryState] = (),
        device_id: str | None = None,
        ascending: bool = False,
        limit: int | None = None,
    ) -> Iterator[StoredEntry]:
        """Yield entries, newest first, of the given states and instrument.

        Read in pages, so that a long listing does not keep the writer from tidying up.
        """
        where, values = _filters(states, device_id)
        left = limit if limit is not None else -1
        cursor: int | None = None
        while left:
            page = _PAGE if left < 0 else min(_PAGE, left)
            rows = self._page(where, values, cursor, ascending, page)
            for row in rows:
                yield StoredEntry(*row)
            if len(rows) < page:
                return
            cursor = rows[-1][0]
            left -= page if left > 0 else 0

    def _page(
        self, where: list[str], values: list[str], cursor: int | None, ascending: bool, limit: int
    ) -> list[tuple[Any, ...]]:
        terms, given = list(where), [*values]
        if cursor is not None:
            terms.append(f"entry_id {'>' if ascending else '<'} {cursor}")
        sql = _ENTRY + (" WHERE " + " AND ".join(terms) if terms else "")
        sql += f" ORDER BY entry_id {'ASC' if ascending else 'DESC'} LIMIT {limit}"
        return self._db.execute(sql, given).fetchall()

    def entry(self, entry_id: int) -> StoredEntry | None:
        """Return one entry, None when there is none of that id."""
        row = self._db.execute(_ENTRY + "WHERE entry_id = ?", (entry_id,)).fetchone()
        return None if row is None else StoredEntry(*row)

    def frames(self, entry_id: int) -> list[bytes]:
        """Return the raw bytes of an entry, frame by frame."""
        rows = self._db.execute(
            "SELECT raw FROM frame WHERE frame_key BETWEEN ? AND ? ORDER BY frame_key",
            keys_of(entry_id),
        )
        return [raw for (raw,) in rows]

    def text(self, entry_id: int) -> bytes:
        """Return what the frames of an entry say, joined."""
        return entry_text(self._db, entry_id)

    def earlier_parts(self, entry_id: int) -> list[int]:
        """Return the entries whose records were joined before this one's, the latest first."""
        parts: list[int] = []
        entry = self.entry(entry_id)
        while entry is not None and entry.continues is not None:
            parts.append(entry.continues)
            entry = self.entry(entry.continues)
        return parts

    def inputs(self, entry_id: int) -> bytes:
        """Return what the decision on an entry was based on, as it was kept."""
        row = self._db.execute(
            "SELECT inputs FROM entry WHERE entry_id = ?", (entry_id,)
        ).fetchone()
        return b"" if row is None or row[0] is None else bytes(row[0])

    def incomplete(self, device_id: str, since: str) -> list[IncompleteEntry]:
        """Return the entries of an instrument that were cut short since then, newest first."""
        rows = self._db.execute(
            "SELECT entry_id, received_at FROM entry WHERE state = 'held'"
            " AND reason = 'incomplete' AND device_id = ? AND received_at >= ?"
            " ORDER BY entry_id DESC",
            (device_id, since),
        ).fetchall()
        return [IncompleteEntry(entry_id, at, self.text(entry_id)) for entry_id, at in rows]

    # Payloads.

    def payloads(self, entry_id: int) -> list[StoredPayload]:
        """Return the payloads of an entry."""
        return self._payloads(
            "WHERE payload_key BETWEEN ? AND ? ORDER BY payload_key", keys_of(entry_id)
        )

    def payloads_of_sample(self, sample_id: str) -> list[StoredPayload]:
        """Return the payloads of a sample in the order of their arrival."""
        return self._payloads("WHERE sample_id = ? ORDER BY payload_key", (sample_id,))

    def undelivered(self, state: PayloadState, limit: int) -> list[StoredPayload]:
        """Return up to `limit` payloads in a state that is not delivered, oldest first."""
        return self._payloads("WHERE state = ? ORDER BY payload_key LIMIT ?", (state, limit))

    def freed_samples(self) -> set[str]:
        """Return the samples that have parked payloads and none on hold any more."""
        return {sample_id for (sample_id,) in self._db.execute(_FREED)}

    def blocked_from(self, sample_ids: Collection[str]) -> dict[str, int]:
        """Return those of the samples that have held or parked payloads, with the first key."""
        marks = ",".join("?" * len(sample_ids))
        rows = self._db.execute(
            "SELECT sample_id, min(payload_key) FROM payload"
            f" WHERE sample_id IN ({marks}) AND +state IN ('held', 'parked')"
            " GROUP BY sample_id",
            tuple(sample_ids),
        )
        return dict(rows.fetchall())

    def _payloads(self, where: str, values: tuple[object, ...]) -> list[StoredPayload]:
        rows = self._db.execute(_PAYLOAD + where, values).fetchall()
        return [_payload(row) for row in rows]

    # For the rules.

    def history_bodies(self, device_id: str, sample_id: str, since: str) -> list[bytes]:
        """Return the packed payloads of a sample from an instrument since then, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM payload WHERE sample_id = ? AND device_id = ? AND received_at >= ?"
            " AND state <> 'discarded' ORDER BY payload_key",
            (sample_id, device_id, since),
        )
        return [body for (body,) in rows]

    def last_decided(self, device_id: str) -> tuple[bytes, str] | None:
        """Return digest and `received_at` of the entry of an instrument decided last."""
        row = self._db.execute(
            "SELECT digest, received_at FROM device WHERE device_id = ?", (device_id,)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def known_since(self, device_id: str) -> str | None:
        """Return since when the journal knows an instrument; None for a new one."""
        row = self._db.execute(
            "SELECT known_since FROM device WHERE device_id = ?", (device_id,)
        ).fetchone()
        return None if row is None else row[0]

    # The waiting list, and figures.

    def waiting(self) -> tuple[list[bytes], str | None]:
        """Return the rows of the waiting-list copy, packed, and when it was refreshed."""
        rows = self._db.execute("SELECT body FROM waiting").fetchall()
        found = self._db.execute(
            "SELECT value FROM meta WHERE name = 'waiting_refreshed_at'"
        ).fetchone()
        return [body for (body,) in rows], None if found is None else found[0]

    def orders(self) -> list[bytes]:
        """Return the copy of the open orders, packed."""
        return [body for (body,) in self._db.execute("SELECT body FROM local_order")]

    def notes(self, since: str) -> list[tuple[int, bytes]]:
        """Return what became of orders that were sent since an instant, the oldest first."""
        return self._db.execute(
            "SELECT note_key, body FROM order_note WHERE sent_at >= ? ORDER BY note_key", (since,)
        ).fetchall()

    def untold_notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` notes above a key that the stores lack, the oldest first."""
        return self._db.execute(
            "SELECT note_key, body FROM order_note WHERE told = 0 AND note_key > ?"
            " ORDER BY note_key LIMIT ?",
            (after, limit),
        ).fetchall()

    def awaits_delivery(self, sample_ids: Sequence[str]) -> bool:
        """Whether there are results of these samples that the stores do not have yet."""
        places = ",".join("?" * len(sample_ids))
        pending = f"SELECT 1 FROM payload WHERE sample_id IN ({places}) AND +state = 'pending'"
        return self._db.execute(pending, list(sample_ids)).fetchone() is not None

    def last_note(self) -> int:
        """Return the highest key of a note; 0 without any."""
        return int(
            self._db.execute("SELECT ifnull(max(note_key), 0) FROM order_note").fetchone()[0]
        )

    def backlog(self) -> dict[str, int]:
        """Return how many entries and payloads are in each state that is not settled."""
        return {
            f"{table}_{state}": self._db.execute(
                f"SELECT count(*) FROM {table} WHERE state = ?", (state,)
            ).fetchone()[0]
            for table, states in _UNSETTLED.items()
            for state in states
        }

    def size(self) -> int:
        """Return the bytes of the journal that hold something."""
        return size_in_use(self._db)


def _payload(row: tuple[Any, ...]) -> StoredPayload:
    payload = StoredPayload(*row)
    return replace(payload, is_rerun=bool(payload.is_rerun))  # SQLite has no booleans


def _filters(states: Sequence[EntryState], device_id: str | None) -> tuple[list[str], list[str]]:
    terms: list[str] = []
    values: list[str] = []
    if len(states) == 1:  # which the index of what is unsettled can answer
        terms.append("state = ?")
    elif states:
        terms.append(f"state IN ({','.join('?' * len(states))})")
    if states:
        values += states
    if device_id is not None:
        terms.append("device_id = ?")
        values.append(device_id)
    return terms, values
