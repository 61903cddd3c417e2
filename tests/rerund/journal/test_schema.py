"""The file: made once, known by its marks, refused when it is another's."""

import sqlite3

import pytest

from rerund.journal import prune, schema
from rerund.journal.errors import JournalMissingError, JournalVersionError
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader


def version_of(path, version):
    schema.open_writer(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


@pytest.mark.parametrize("opened", [Journal.open, JournalReader, schema.open_editor])
def test_another_version_is_refused_with_both_numbers(tmp_path, opened):
    path = tmp_path / "journal.db"
    version_of(path, 7)
    with pytest.raises(JournalVersionError, match=r"journal format 7, .* reads 2"):
        opened(path)


@pytest.mark.parametrize("opened", [Journal.open, JournalReader])
def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path, opened):
    path = tmp_path / "journal.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (a)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalVersionError, match="is not a journal of rerund"):
        opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opened", [Journal.open, JournalReader])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, opened):
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    before = path.read_bytes()
    with pytest.raises(JournalVersionError, match="is not a journal of rerund"):
        opened(path)
    assert path.read_bytes() == before


def test_a_refused_file_can_be_opened_after_it_was_mended(tmp_path):
    path = tmp_path / "journal.db"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(JournalVersionError):
        Journal.open(path)
    path.unlink()
    Journal.open(path)._writer.abandon()


def test_there_is_nothing_to_read_before_it_was_made(tmp_path):
    with pytest.raises(JournalMissingError, match="does not exist"):
        JournalReader(tmp_path / "journal.db")


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(JournalMissingError, match=r"state does not exist"):
        Journal.open(tmp_path / "state" / "journal.db")


def test_every_commit_is_synced_and_no_checkpoint_hides_its_errors(tmp_path):
    db = schema.open_writer(tmp_path / "journal.db")
    asked = {
        name: db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
    }
    db.close()
    assert asked == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0}


def test_a_path_with_signs_of_uris_is_a_path(tmp_path):
    path = tmp_path / "a?b#c%20d" / "journal.db"
    path.parent.mkdir()
    schema.open_writer(path).close()
    assert path.exists()
    JournalReader(path).close()


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT entry_id FROM entry WHERE state = ? ORDER BY entry_id", "received"),
        ("SELECT payload_key FROM payload WHERE state = ? ORDER BY payload_key", "pending"),
        ("SELECT body FROM payload WHERE sample_id = ? AND device_id = '1'", "S1"),
        ("SELECT raw FROM frame WHERE frame_key BETWEEN ? AND 9", 1),
        ("SELECT note_key, body FROM order_note WHERE sent_at >= ?", "2026"),
        (prune._OLD_NOTES, "2026"),
    ],
    ids=["undecided", "undelivered", "history", "frames", "notes", "old notes"],
)
def test_what_the_daemon_asks_again_and_again_is_answered_by_an_index(tmp_path, sql, value):
    db = schema.open_writer(tmp_path / "journal.db")
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", (value,))]
    db.close()
    assert plan[0].startswith("SEARCH")


def test_a_journal_of_format_1_gets_what_format_2_has(tmp_path):
    path = tmp_path / "journal.db"
    schema.open_writer(path).close()
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE local_order; DROP TABLE order_note; PRAGMA user_version = 1")
    db.close()
    with pytest.raises(JournalVersionError, match="journal format 1"):
        JournalReader(path)
    schema.open_writer(path).close()
    with JournalReader(path) as reader:
        assert (reader.orders(), reader.last_note()) == ([], 0)
