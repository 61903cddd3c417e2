"""SQLite as the stores use it: durable, one writer at a time, errors in the ports' words."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from rerund.stores.failures import DuplicateKey, translated
from rerund.stores.ports import StoreRejected, StoreUnavailable
from rerund.stores.rows import as_row
from rerund.stores.schema import lab_report_relation
from rerund.stores.sqlite_database import SqliteDatabase
from rerund.stores.versions import prepare
from tests.rerund.rights import locked, open_folder
from tests.rerund.stores.made import report

ROW = as_row(report(patient_name="Doe Jane"))


@pytest.fixture
def prepared(database):
    prepare(database)
    return database


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2)])
def test_a_commit_is_on_disk(database, pragma, value):
    with database.read() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


def test_a_block_that_fails_writes_nothing(prepared):
    def failing():
        with prepared.write() as connection:
            connection.execute(insert(lab_report_relation), ROW)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    with prepared.read() as connection:
        assert connection.execute(lab_report_relation.select()).all() == []


def test_a_second_writer_waits_and_then_gives_up(prepared, tmp_path):
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"), prepared.write():
        pass
    with prepared.read() as connection:
        assert connection.execute(lab_report_relation.select()).all() == []
    other.execute("ROLLBACK")
    with prepared.write() as connection:
        connection.execute(insert(lab_report_relation), ROW)
    other.close()


def test_a_writer_goes_on_when_the_other_one_has_ended(tmp_path):
    database = SqliteDatabase(tmp_path / "store.db", "store")
    prepare(database)
    started = threading.Event()

    def write_too():
        started.set()
        with database.write() as connection:
            connection.execute(insert(lab_report_relation), ROW)

    thread = threading.Thread(target=write_too)
    with database.write():
        thread.start()
        started.wait()
    thread.join()
    with database.read() as connection:
        assert len(connection.execute(lab_report_relation.select()).all()) == 1
    database.close()


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    database = SqliteDatabase(folder / "store.db", "store")
    shutil.rmtree(folder)
    for attempt in (database.read, database.write):
        with pytest.raises(StoreUnavailable, match="store is not available: SQLITE_CANTOPEN"):
            attempt().__enter__()
    with pytest.raises(StoreUnavailable):
        database.changes()
    database.close()


def test_a_file_that_this_process_may_not_use_is_unavailable_and_says_why():
    with (
        open_folder() as folder,
        locked(folder),
        pytest.raises(StoreUnavailable, match=r"no permission to enter .*, mode 0000"),
    ):
        SqliteDatabase(folder / "store.db", "store")


def test_a_file_in_no_folder_is_unavailable_and_says_why(tmp_path):
    with pytest.raises(StoreUnavailable, match=r"missing/store.db: .*missing does not exist"):
        SqliteDatabase(tmp_path / "missing" / "store.db", "store")


def test_a_file_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "store.db").write_bytes(b"no database" * 100)
    database = SqliteDatabase(tmp_path / "store.db", "store")
    with pytest.raises(StoreUnavailable, match="SQLITE_NOTADB"), database.read():
        pass
    database.close()


def test_no_error_quotes_a_patient(prepared):
    for broken, error in (
        ({**ROW, "sample_id": None}, StoreRejected),
        ({**ROW, "registered_at": "Doe"}, StoreRejected),
        ({**ROW, "lab_report_id": 2**80}, StoreRejected),
        ({**ROW, "patient_name": "Doe \udc80"}, StoreRejected),
    ):
        with pytest.raises(error) as refused, prepared.write() as connection:
            connection.execute(insert(lab_report_relation), broken)
        assert "Doe" not in str(refused.value)
        assert refused.value.__suppress_context__


def test_a_duplicate_key_is_told_apart(prepared):
    with prepared.write() as connection:
        connection.execute(insert(lab_report_relation), ROW)
    with pytest.raises(DuplicateKey), prepared.write() as connection:
        connection.execute(insert(lab_report_relation), ROW)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            DataError(None, None, Exception(1406, "Data too long: 'Doe'")),
            "refused the rows: 1406 data too long",
        ),
        (
            IntegrityError(None, None, Exception(1048, "null: 'Doe'")),
            "refused the rows: 1048 a column can not be null",
        ),
        (
            OperationalError(None, None, Exception(2006, "gone: 'Doe'")),
            "not available: 2006 server has gone away",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_a_server_are_told_by_number(raised, said):
    with (
        pytest.raises((StoreRejected, StoreUnavailable), match=f"store .*{said}$"),
        translated("store"),
    ):
        raise raised


def test_a_duplicate_key_of_a_server_is_told_apart():
    duplicate = IntegrityError(None, None, Exception(1062, "Duplicate entry 'Doe'"))
    with pytest.raises(DuplicateKey), translated("store"):
        raise duplicate


def test_more_readers_than_connections_are_told_to_come_again(prepared):
    def read_all_at_once():
        with ExitStack() as readers:
            for _ in range(100):
                readers.enter_context(prepared.read())

    with pytest.raises(StoreUnavailable, match="TimeoutError"):
        read_all_at_once()


def test_a_mistake_of_ours_is_not_hidden(prepared):
    with pytest.raises(AttributeError), prepared.write() as connection:
        connection.no_such_method()  # type: ignore[attr-defined]


def test_a_closed_database_opens_again(prepared):
    token = prepared.changes()
    prepared.close()
    assert prepared.changes() is not None
    assert token is not None
    with prepared.read() as connection:
        assert connection.execute(lab_report_relation.select()).all() == []


OPEN_AND_ADD = """
import sys
from pathlib import Path
from rerund.stores.lab_tables import Order
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
path, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
with open_stores(StoreSettings(str(path))) as opened:
    for number in range(20):
        opened.lab.register(1, Order(sample_id=f"{name}-{number}", report_format_id=1))
"""


def test_processes_that_make_one_file_at_once_write_side_by_side(tmp_path):
    path = tmp_path / "store.db"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_ADD, path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for name in "abcd"
    ]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.close()
    for child in children:
        child.stdout.close()
        assert child.wait() == 0
    rows = sqlite3.connect(path).execute("SELECT lab_report_id FROM lab_report_relation")
    assert sorted(number for (number,) in rows) == list(range(1, 81))
    rows.connection.close()


def test_a_new_file_is_readable_for_its_owner_alone(tmp_path):
    database = SqliteDatabase(tmp_path / "private.db", "store")
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE patient (name TEXT)")

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("private.db*")}
    database.close()

    assert set(modes.values()) == {0o600}, modes
