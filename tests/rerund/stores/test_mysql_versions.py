"""The schema on a server: made by revisions alone, which may be run again half-way."""

import pytest

from rerund.stores import migrate
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.ports import StoreUnavailable
from rerund.stores.schema import SCHEMA_VERSION, metadata
from rerund.stores.versions import StoreVersionError, make_tables, prepare


@pytest.fixture
def empty(servers):
    """A database without a table."""
    server = servers.mariadb
    server.execute("CREATE DATABASE empty")
    database = MysqlDatabase(server.settings("empty"))
    yield database
    database.close()
    server.execute("DROP DATABASE empty")


def schema(database):
    """How each table would be made again."""
    with database.read() as connection:
        tables = connection.exec_driver_sql("SHOW TABLES").scalars().all()
        made = [
            connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()[1] for table in tables
        ]
        return dict(zip(tables, made, strict=True))


def columns_of(database):
    with database.read() as connection:
        return connection.exec_driver_sql(
            "SELECT table_name, column_name, column_type, is_nullable, column_default, extra"
            " FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND table_name <> 'alembic_version' ORDER BY table_name, ordinal_position"
        ).all()


def indexes_of(database):
    with database.read() as connection:
        return connection.exec_driver_sql(
            "SELECT table_name, index_name, non_unique, GROUP_CONCAT(column_name"
            " ORDER BY seq_in_index) FROM information_schema.statistics"
            " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
            " GROUP BY table_name, index_name, non_unique ORDER BY table_name, index_name"
        ).all()


def test_the_revisions_make_the_tables_of_the_code(empty, servers):
    assert migrate.status(empty) == migrate.SchemaStatus(None)
    assert migrate.upgrade(empty) == migrate.SchemaStatus(SCHEMA_VERSION)
    prepare(empty)
    with servers.empty("mysql") as settings:
        made = MysqlDatabase(settings)
        assert columns_of(empty) == columns_of(made)
        assert indexes_of(empty) == indexes_of(made)
        made.close()


def test_tables_of_the_version_before_orders_are_brought_up_and_keep_their_rows(empty, servers):
    migrate.upgrade(empty, "0005")
    servers.mariadb.execute(
        "INSERT INTO empty.waiting_list (lab_id, lab_report_id, requested, remaining, priority)"
        " VALUES (1, 7, '[1]', '[1]', 'S')"
    )
    before = servers.mariadb.rows("SELECT * FROM empty.waiting_list")
    assert migrate.upgrade(empty) == migrate.SchemaStatus(SCHEMA_VERSION)
    taken_by_nobody = [(*row, None) for row in before]
    assert servers.mariadb.rows("SELECT * FROM empty.waiting_list") == taken_by_nobody
    assert len(before) == 1
    with servers.empty("mysql") as settings:
        made = MysqlDatabase(settings)
        assert indexes_of(empty) == indexes_of(made)
        made.close()


def test_every_table_is_compared_byte_by_byte_and_survives_a_crash(empty):
    migrate.upgrade(empty)
    with empty.read() as connection:
        kinds = connection.exec_driver_sql(
            "SELECT table_name, engine, table_collation FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
        ).all()
    assert {tuple(row[1:]) for row in kinds} == {("InnoDB", "utf8mb4_bin")}
    assert {row[0] for row in kinds} == set(metadata.tables)


def test_an_upgrade_again_changes_nothing(empty):
    migrate.upgrade(empty)
    before = schema(empty)
    migrate.upgrade(empty)
    assert schema(empty) == before


@pytest.mark.parametrize("last", ["activity_log", "rerun_event", "waiting_list"])
def test_an_upgrade_that_failed_half_way_goes_on(empty, servers, last):
    """Another table of the name of one of ours stops it there, until somebody removes it."""
    servers.mariadb.execute(f"CREATE TABLE empty.{last} (mine TEXT)")
    with pytest.raises(StoreUnavailable, match="1050"):
        migrate.upgrade(empty)
    assert not migrate.status(empty).current
    with pytest.raises(StoreVersionError):
        prepare(empty)
    servers.mariadb.execute(f"DROP TABLE empty.{last}")
    assert migrate.upgrade(empty).current
    with servers.empty("mysql") as settings:
        made = MysqlDatabase(settings)
        assert indexes_of(empty) == indexes_of(made)
        made.close()


def test_a_revision_that_failed_behind_its_column_goes_on(empty, servers):
    migrate.upgrade(empty, "0005")
    servers.mariadb.execute("ALTER TABLE empty.waiting_list ADD COLUMN taken_by VARCHAR(64)")
    assert migrate.upgrade(empty).current


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE empty.alembic_version SET version_num = '9999'", "version 9999"),
        ("DELETE FROM empty.alembic_version", "no version"),
        ("DROP TABLE empty.alembic_version", "no version"),
    ],
)
def test_another_version_is_refused_and_left_alone(empty, servers, change, found):
    migrate.upgrade(empty)
    servers.mariadb.execute(change)
    before = schema(empty)
    with pytest.raises(StoreVersionError, match=f"{found}, expected {SCHEMA_VERSION}"):
        prepare(empty)
    assert schema(empty) == before


def test_an_upgrade_from_an_unknown_version_is_refused(empty, servers):
    with empty.write() as connection:
        make_tables(connection)
    servers.mariadb.execute("UPDATE empty.alembic_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError, match="9999"):
        migrate.upgrade(empty)
