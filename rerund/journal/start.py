"""What a start does to a journal before anything is received."""

import sqlite3
from pathlib import Path

from rerund.journal import schema
from rerund.journal.ballast import Ballast
from rerund.journal.errors import JournalFull
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
    """Open a journal and hold what an earlier process left open.

    On a full disk it is done in the room of the ballast. Raises JournalFull when that is
    not enough, JournalVersionError.
    """
    try:
        return _open(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
    ballast.release()
    try:
        return _open(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise JournalFull from error


def _open(path: Path) -> sqlite3.Connection:
    db = schema.open_writer(path)
    try:
        db.execute(_HOLD_UNFINISHED, {"span": SPAN})
    except sqlite3.OperationalError:
        db.close()
        raise
    return db
