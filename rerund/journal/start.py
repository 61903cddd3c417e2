"""What a start does to a journal before anything is received."""

import sqlite3
from pathlib import Path

from rerund.journal import schema
from rerund.journal.ballast import Ballast
from rerund.journal.errors import JournalFull, from_sqlite
from rerund.journal.place import name_copy
from rerund.journal.schema import SPAN

_HOLD_UNFINISHED = """
UPDATE entry SET state = 'held', reason = 'incomplete', detail = 'cut short by a stop of rerund',
    frames = (SELECT count(*) FROM frame
              WHERE frame_key BETWEEN entry_id * :span AND entry_id * :span + :span - 1),
    size = (SELECT ifnull(sum(length(raw)), 0) FROM frame
            WHERE frame_key BETWEEN entry_id * :span AND entry_id * :span + :span - 1)
WHERE state = 'open'
"""


def open_for_daemon(path: Path, ballast: Ballast) -> sqlite3.Connection:
    """Open a journal, hold what an earlier process left open, and name it anew if it is a copy.

    On a full disk it is done in the room of the ballast. Raises JournalFull when that is
    not enough, JournalFailed, JournalVersionError.
    """
    try:
        return _open(path)
    except JournalFull:
        ballast.release()
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    try:
        db = schema.open_writer(path)
        db.execute(_HOLD_UNFINISHED, {"span": SPAN})
        name_copy(db, path)
    except sqlite3.OperationalError as error:
        raise from_sqlite(error) from error
    return db
