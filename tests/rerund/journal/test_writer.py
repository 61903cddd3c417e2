"""Which errors are survived, and what is told of them."""

import errno
import sqlite3

import pytest

from rerund.journal import schema, writer
from rerund.journal.ballast import Ballast
from rerund.journal.writer import Writer


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("quoting what was being written")
    made.sqlite_errorcode = code
    return made


@pytest.fixture
def make(tmp_path):
    path = tmp_path / "journal.db"
    made = []

    def writer_of(*, full: bool) -> Writer:
        ballast = Ballast(tmp_path / "journal.ballast", 4096)
        made.append(
            Writer(
                path,
                schema.open_writer(path),
                ballast,
                lambda report: None,
                full=full,
                poll_seconds=1,
            )
        )
        return made[-1]

    yield writer_of
    for each in made:
        each.abandon()


@pytest.mark.parametrize(
    ("code", "room", "full"),
    [
        (sqlite3.SQLITE_FULL, True, True),
        (sqlite3.SQLITE_IOERR_WRITE, False, True),
        (sqlite3.SQLITE_IOERR_WRITE, True, False),
        (sqlite3.SQLITE_IOERR_SHMSIZE, False, True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True, False),
        (sqlite3.SQLITE_IOERR_FSYNC, False, False),
        (sqlite3.SQLITE_IOERR, False, False),
        (sqlite3.SQLITE_CORRUPT, False, False),
    ],
)
def test_a_full_disk_is_told_from_a_failed_one(make, monkeypatch, code, room, full):
    monkeypatch.setattr(writer, "has_no_room", lambda folder: not room)
    assert make(full=False)._is_full(error(code)) is full


def test_a_write_that_failed_just_before_the_room_came_is_forgiven_once(make, monkeypatch):
    monkeypatch.setattr(writer, "has_no_room", lambda folder: False)
    one = make(full=True)
    failed = error(sqlite3.SQLITE_IOERR_WRITE)
    assert [one._is_full(failed), one._is_full(failed)] == [True, False]
    one._commit([])
    assert one._is_full(failed)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(errno.EIO, "Input/output error", "/var/lib/rerund/journal.db"), "OSError 5"),
        (ValueError("Jane Doe"), "ValueError"),
        (sqlite3.ProgrammingError("Jane Doe"), "ProgrammingError"),
    ],
)
def test_what_is_told_of_an_error_quotes_nothing(raised, told):
    assert writer._describe(raised) == told
