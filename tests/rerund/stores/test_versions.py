"""The schema: made at first start, the same by revisions, refused when it is another."""

import sqlite3
import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.schema import CreateIndex, CreateTable

from rerund.stores import migrate
from rerund.stores.ports import StoreUnavailable
from rerund.stores.rows import upsert
from rerund.stores.schema import SCHEMA_VERSION, metadata, report_values
from rerund.stores.sqlite_database import SqliteDatabase
from rerund.stores.versions import StoreVersionError, prepare
from tests.rerund.stores_at import open_embedded


def schema(database):
    """SQLite writes a column that was added behind the keys: so words are sorted."""
    with database.read() as connection:
        said = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
        found = connection.exec_driver_sql(said).all()
        columns = {
            row[1]: connection.exec_driver_sql(f"PRAGMA table_info({row[1]})").all()
            for row in found
            if row[0] == "table"
        }
    return sorted(
        (*row[:3], sorted(row[3].replace(",", " ").split()), columns.get(row[1], []))
        for row in found
        if not row[1].startswith("sqlite_")
    )


@pytest.fixture
def migrated(tmp_path):
    database = SqliteDatabase(tmp_path / "migrated.db", "store")
    migrate.upgrade(database)
    yield database
    database.close()


def test_the_revisions_make_what_a_first_start_makes(database, migrated):
    prepare(database)
    assert schema(database) == schema(migrated)


def test_the_newest_revision_is_the_version_of_the_code():
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_heads() == [SCHEMA_VERSION]


def test_status_before_and_after(database):
    assert migrate.status(database) == migrate.SchemaStatus(None)
    assert not migrate.status(database).current
    assert migrate.upgrade(database) == migrate.SchemaStatus(SCHEMA_VERSION)
    assert migrate.status(database).current


def test_upgrade_and_start_again_change_nothing(database):
    prepare(database)
    before = schema(database)
    prepare(database)
    migrate.upgrade(database)
    assert schema(database) == before


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "version 9999"),
        ("DELETE FROM alembic_version", "no version"),
        ("DROP TABLE alembic_version", "no version"),
    ],
)
def test_another_version_is_refused_and_left_alone(tmp_path, change, found):
    path = tmp_path / "store.db"
    open_embedded(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
        before = list(connection.iterdump())
    connection.close()
    with pytest.raises(StoreVersionError, match=f"{found}, expected {SCHEMA_VERSION}"):
        open_embedded(path)
    connection = sqlite3.connect(path)
    assert list(connection.iterdump()) == before
    connection.close()


def test_an_upgrade_from_an_unknown_version_is_refused(database):
    prepare(database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError, match="9999"):
        migrate.upgrade(database)


def test_an_upgrade_that_fails_leaves_nothing(database):
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE waiting_list (mine TEXT)")
    before = schema(database)
    with pytest.raises(StoreUnavailable, match="SQLITE_ERROR"):
        migrate.upgrade(database)
    assert schema(database) == before


def test_a_start_does_not_import_alembic():
    code = "import sys, rerund.stores.opening; print('alembic' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize(
    "dialect", [MySQLDialect_pymysql(), MariaDBDialect()], ids=["mysql", "mariadb"]
)
def test_the_tables_are_said_in_the_words_of_a_server(dialect):
    for table in metadata.sorted_tables:
        made = str(CreateTable(table).compile(dialect=dialect))
        assert "utf8mb4_bin" in made
        assert "ENGINE=InnoDB" in made
        for index in table.indexes:
            assert "WHERE" not in str(CreateIndex(index).compile(dialect=dialect))


def test_an_upsert_is_said_in_the_words_of_a_server():
    said = str(upsert(report_values, "mysql").compile(dialect=MySQLDialect_pymysql()))
    assert "ON DUPLICATE KEY UPDATE" in said
    assert "`index` = VALUES(`index`)" not in said


def test_tables_of_an_earlier_version_are_brought_up_and_keep_their_rows(tmp_path, migrated):
    old = SqliteDatabase(tmp_path / "old.db", "store")
    migrate.upgrade(old, "0001")
    with old.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO device (lab_id, device_id, name) VALUES (1, '42', 'Sysmex')"
        )
    with pytest.raises(StoreVersionError, match="version 0001, expected"):
        prepare(old)
    assert migrate.upgrade(old) == migrate.SchemaStatus(SCHEMA_VERSION)
    assert schema(old) == schema(migrated)
    with old.read() as connection:
        names = connection.exec_driver_sql("SELECT name FROM device").scalars().all()
    assert names == ["Sysmex"]
    old.close()


def test_the_waiting_list_keeps_its_rows_when_its_index_takes_originals_too(tmp_path, migrated):
    old = SqliteDatabase(tmp_path / "old.db", "store")
    migrate.upgrade(old, "0005")
    with old.write() as connection:
        for number, rerun_type in ((0, "NULL"), (1, "'manual_rerun'")):
            connection.exec_driver_sql(
                "INSERT INTO waiting_list (lab_id, lab_report_id, rerun_number, rerun_type,"
                f" requested, remaining, priority) VALUES (1, 7, {number}, {rerun_type},"
                " '[1,2]', '[2]', 'S')"
            )

    def rows():
        with old.read() as connection:
            return connection.exec_driver_sql("SELECT * FROM waiting_list").all()

    before = rows()
    assert len(before) == 2
    assert migrate.upgrade(old) == migrate.SchemaStatus(SCHEMA_VERSION)
    assert rows() == [(*row, None) for row in before]  # taken by nobody
    assert schema(old) == schema(migrated)
    with old.read() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM waiting_list WHERE lab_id = 1 AND status = 'pending'"
        ).all()
    assert "ix_waiting_status" in plan[0][3]
    old.close()
