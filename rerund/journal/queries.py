"""What reader, writer and maintenance all ask of the file."""

import sqlite3

from rerund.journal.rows import ReceivedEntry
from rerund.journal.schema import SPAN

_TEXT = """
SELECT substr(raw, text_at + 1, text_size) FROM frame
WHERE frame_key BETWEEN ? AND ? ORDER BY frame_key
"""


def keys_of(entry_id: int) -> tuple[int, int]:
    """Return the first and the last key that rows of an entry can have."""
    return entry_id * SPAN, entry_id * SPAN + SPAN - 1


def entry_text(db: sqlite3.Connection, entry_id: int) -> bytes:
    """Return the texts of an entry's frames, joined."""
    return b"".join(text for (text,) in db.execute(_TEXT, keys_of(entry_id)))


def received_ids(db: sqlite3.Connection) -> set[int]:
    """Return the entries that wait for a decision."""
    return {
        entry_id
        for (entry_id,) in db.execute("SELECT entry_id FROM entry WHERE state = 'received'")
    }


def received_entry(db: sqlite3.Connection, entry_id: int) -> ReceivedEntry:
    """Return an entry that waits for a decision, with its text."""
    device_id, received_at, reason = db.execute(
        "SELECT device_id, received_at, reason FROM entry WHERE entry_id = ?", (entry_id,)
    ).fetchone()
    return ReceivedEntry(entry_id, device_id, received_at, entry_text(db, entry_id), reason)


def journal_id(db: sqlite3.Connection) -> str:
    """Return the random name that the journal got when it was made."""
    (found,) = db.execute("SELECT value FROM meta WHERE name = 'journal_id'").fetchone()
    return str(found)


def size_in_use(db: sqlite3.Connection) -> int:
    """Return the bytes of the file that hold something; freed ones are used again."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_size)
