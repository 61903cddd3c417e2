"""The journal file: its format, how it is made and how it is opened.

One SQLite file in WAL mode, `synchronous=FULL`: a commit returns when the bytes are on
disk. `application_id` says that it is a journal, `user_version` is its format.

    meta(name, value)       journal_id (32 hex digits, new for a copy), place, waiting_refreshed_at
    entry(entry_id, …)      one message as it came, or bytes that were refused; 1, 2, 3 …
    frame(frame_key, …)     the bytes of entries, frame by frame
    payload(payload_key, …) what was made of entries, each with its own delivery state
    device(device_id, …)    the last entry that each instrument's rules decided
    waiting(…)              the local copy of the waiting list: open and late reruns
    local_order(…)          the local copy of the waiting list: orders, as instruments are told
    order_note(note_key, …) what became of orders that went to instruments

A frame or payload has the key `entry_id * SPAN + n`, n = 0, 1, 2 … within its entry: what
belongs together lies together, is appended in order, and needs no index. An entry id is
never used twice: the highest one stays in the file, because pruning leaves the newest entry.

    entry.state    open          frames arrive, each committed before it is acknowledged
                   received      complete, not yet decided
                   interpreted, query, retransmission, empty      decided
                   held          on hold, see reason
                   superseded    cut short, then begun again or resumed by entry `successor`
                   rejected      bytes answered with NAK or ignored, kept as evidence
                   discarded     given up by a person
    entry.continues    the entry cut short whose records come before this one's
    frame.text_at, text_size   where the text of the frame lies in its raw bytes
    payload.state  pending, delivered, held, parked (waits behind a held one of its sample),
                   discarded

What a crash leaves: entries in state open (held as `incomplete` at the next start) and
received (handed out again). A torn write is no commit: SQLite's WAL has checksums.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rerund.hindrance import hindrance
from rerund.journal.errors import (
    JournalMissingError,
    JournalUnusableError,
    JournalVersionError,
)

APPLICATION_ID = 0x72726E64  # "rrnd"
FORMAT = 2
SPAN = 1 << 24
"""Keys per entry: more than any message has frames, for 5e11 entries."""

_BUSY_SECONDS = 10.0

# The partial indexes say OR where IN would read better: SQLite sees that `state = 'open'`
# is inside them only when it stands there as a term (sqlite.org/partialindex.html, 3.2).
_DDL = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
    entry_id INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL,
    link TEXT NOT NULL,
    received_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    frames INTEGER NOT NULL,
    size INTEGER NOT NULL,
    continues INTEGER,
    successor INTEGER,
    digest BLOB,
    inputs BLOB
);
CREATE INDEX entry_unsettled ON entry (state)
    WHERE state = 'open' OR state = 'received' OR state = 'held';
CREATE TABLE frame (
    frame_key INTEGER PRIMARY KEY,
    text_at INTEGER NOT NULL,
    text_size INTEGER NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE payload (
    payload_key INTEGER PRIMARY KEY,
    payload_id TEXT NOT NULL,
    sample_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    is_rerun INTEGER NOT NULL,
    rerun_number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX payload_sample ON payload (sample_id, device_id);
CREATE INDEX payload_undelivered ON payload (state)
    WHERE state = 'pending' OR state = 'held' OR state = 'parked';
CREATE TABLE device (
    device_id TEXT PRIMARY KEY,
    known_since TEXT NOT NULL,
    entry_id INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE waiting (
    sample_id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (sample_id, body)
) WITHOUT ROWID;
"""
_DDL_2 = """
CREATE TABLE local_order (
    lab_report_id INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    rerun_number INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (lab_report_id, device_id, rerun_number)
) WITHOUT ROWID;
CREATE TABLE order_note (
    note_key INTEGER PRIMARY KEY,
    sent_at TEXT NOT NULL,
    told INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX order_note_untold ON order_note (note_key) WHERE told = 0;
CREATE INDEX order_note_sent ON order_note (sent_at);
"""
"""What format 2 has besides: a journal of format 1 gets it when a daemon opens it."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a journal for writing, made if it does not exist. Raises JournalVersionError.

    What an earlier process wrote but never saw on disk is written again: after a failed
    fsync the page cache may hold it while the disk does not, and a checkpoint copies it.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        _sync_folder(path.parent)
    db = _connect(f"file:{_quoted(path)}?mode=rw")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            _create(db)
        if _is_of_format(db, 1):
            _upgrade(db)
        check_format(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -16384")
        # Checkpoints are asked for: one that SQLite starts by itself hides its errors.
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        db.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise JournalVersionError(path, FORMAT, None) from error
        raise
    except JournalVersionError:
        db.close()
        raise
    return db


def open_editor(path: Path) -> sqlite3.Connection:
    """Open a journal to change a few rows beside the daemon.

    Raises JournalMissingError, JournalUnusableError, JournalVersionError.
    """
    with _existing(path, write=True):
        db = _connect(f"file:{_quoted(path)}?mode=rw")
        try:
            check_format(db, path)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
        except (JournalVersionError, sqlite3.DatabaseError):
            db.close()
            raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a journal for reading beside whoever writes it.

    Raises JournalMissingError, JournalUnusableError, JournalVersionError.
    """
    with _existing(path):
        db = _connect(f"file:{_quoted(path)}?mode=ro")
        try:
            check_format(db, path)
        except (JournalVersionError, sqlite3.DatabaseError):
            db.close()
            raise
    return db


@contextmanager
def _existing(path: Path, *, write: bool = False) -> Iterator[None]:
    """Say why a journal that should be there can not be opened, as SQLite itself does not."""
    try:
        if not path.exists():
            raise JournalMissingError(path)
        yield
    except OSError as error:
        reason = hindrance(path, write=write) or str(error.strerror)
        raise JournalUnusableError(path, reason) from error
    except sqlite3.OperationalError as error:
        reason = hindrance(path, write=write) or error.sqlite_errorname
        raise JournalUnusableError(path, reason) from error
    except sqlite3.DatabaseError as error:
        raise JournalVersionError(path, FORMAT, None) from error


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Raise JournalVersionError unless the file is a journal of this format."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise JournalVersionError(path, FORMAT, None)
    if version != FORMAT:
        raise JournalVersionError(path, FORMAT, version)


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri,
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=1024,
    )


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables or db.execute("PRAGMA user_version").fetchone()[0]:
            return  # somebody else's file, or made by another process a moment ago
        for statement in (_DDL + _DDL_2).split(";")[:-1]:
            db.execute(statement)
        db.execute("INSERT INTO meta VALUES ('journal_id', ?)", (secrets.token_hex(16),))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
    finally:
        db.execute("COMMIT")


def _is_of_format(db: sqlite3.Connection, version: int) -> bool:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    return application == APPLICATION_ID and _version(db) == version


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _upgrade(db: sqlite3.Connection) -> None:
    """Bring a journal of format 1 to format 2: it had no orders."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _version(db) == 1:  # nobody else did it a moment ago
            for statement in _DDL_2.split(";")[:-1]:
                db.execute(statement)
            db.execute("PRAGMA user_version = 2")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
