"""Where a journal lies, so that a copy of it is not taken for the journal itself.

Results are numbered by the name of their journal and the number of their entry. Two copies of
one journal would give two results the same number, and the store would keep the first.
"""

import hashlib
import secrets
import socket
import sqlite3
from contextlib import suppress
from pathlib import Path

_MACHINE = Path("/etc/machine-id")
_WRITE = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


def place_of(path: Path) -> str:
    """Return what differs for every copy of a file: the machine, its name, the file itself."""
    machine = ""
    with suppress(OSError):
        machine = _MACHINE.read_text()
    text = "\x1f".join((machine, socket.gethostname(), str(path.stat().st_ino)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def name_copy(db: sqlite3.Connection, path: Path) -> None:
    """Give a journal that was copied or moved here a new name, for what is received from now on.

    Raises sqlite3.OperationalError.
    """
    place = place_of(path)
    found = db.execute("SELECT value FROM meta WHERE name = 'place'").fetchone()
    if found == (place,):
        return
    new = [("place", place)]
    if found is not None:
        new.append(("journal_id", secrets.token_hex(16)))
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_WRITE, new)
