"""A start on a full disk, and what becomes of the reserve."""

import sqlite3

import pytest

from rerund.journal import start
from rerund.journal.ballast import Ballast
from rerund.journal.errors import JournalFailed, JournalFull
from rerund.journal.journal import Journal
from tests.rerund.journal.desk import Desk, until


def error(code: int) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError("a broken disk")
    made.sqlite_errorcode = code
    made.sqlite_errorname = "SQLITE_FULL" if code == sqlite3.SQLITE_FULL else "SQLITE_IOERR"
    return made


@pytest.fixture
def disk(monkeypatch):
    """Make the next openings fail with the codes given."""
    opened = start.schema.open_writer
    codes: list[int] = []

    def open_writer(path):
        if codes:
            raise error(codes.pop(0))
        return opened(path)

    monkeypatch.setattr(start.schema, "open_writer", open_writer)
    return codes


def reserve(tmp_path) -> Ballast:
    made = Ballast(tmp_path / "journal.ballast", 4096)
    made.restore()
    return made


def test_a_start_on_a_full_disk_takes_the_room_of_the_reserve(tmp_path, disk):
    disk.append(sqlite3.SQLITE_FULL)
    start.open_for_daemon(tmp_path / "journal.db", reserve(tmp_path)).close()
    assert not (tmp_path / "journal.ballast").exists()


async def test_a_start_for_which_even_the_reserve_is_too_small_says_so(tmp_path, disk):
    disk += [sqlite3.SQLITE_FULL, sqlite3.SQLITE_FULL]
    with pytest.raises(JournalFull):
        Journal.open(tmp_path / "journal.db")
    assert await Journal.open(tmp_path / "journal.db").close()


@pytest.mark.parametrize("codes", [[], [sqlite3.SQLITE_FULL]], ids=["at once", "after full"])
def test_a_failed_disk_is_not_taken_for_a_full_one(tmp_path, disk, codes):
    disk += [*codes, sqlite3.SQLITE_IOERR]
    with pytest.raises(JournalFailed, match="SQLITE_IOERR"):
        start.open_for_daemon(tmp_path / "journal.db", reserve(tmp_path))


async def test_a_journal_whose_reserve_does_not_fit_accepts_nothing_until_it_does(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("rerund.journal.writer.PROBE_SECONDS", 0.001)
    room: list[bool] = [False, False]
    restore = Ballast.restore
    monkeypatch.setattr(Ballast, "restore", lambda self: room.pop(0) if room else restore(self))
    async with Desk(tmp_path) as desk:
        assert not desk.journal.accepting
        await until(lambda: desk.journal.accepting)
    assert desk.accepting == [False, True]
