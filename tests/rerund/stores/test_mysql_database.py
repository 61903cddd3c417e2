"""MariaDB as the stores use it: views, locks and counts, and errors in the ports' words."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, select, text, update

from rerund.rerun.records import LabData, Mapping, Transaction
from rerund.stores.failures import DuplicateKey
from rerund.stores.lab_tables import LabTables, Order
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.ports import StaleReport, StoreRejected, StoreUnavailable
from rerund.stores.relational import RelationalReportStore
from rerund.stores.rows import as_row
from rerund.stores.schema import lab_report_relation
from tests.rerund.stores.made import event, ledger, moved, report

ROW = as_row(report(patient_name="Doe Jane"))
ALL_REPORTS = select(lab_report_relation.c.lab_report_id).order_by("lab_report_id")


@pytest.fixture
def settings(servers):
    with servers.empty("mysql") as settings:
        yield settings


@pytest.fixture
def mysql(settings):
    database = MysqlDatabase(settings)
    yield database
    database.close()


@pytest.fixture
def impatient(settings):
    """The same database, for one that waits for a row as shortly as can be."""
    database = MysqlDatabase(type(settings)(**{**asdict(settings), "timeout": 2.0}))
    yield database
    database.close()


def asdict(settings):
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def add(connection, number):
    connection.execute(insert(lab_report_relation), as_row(report(number)))


def numbers(connection):
    return list(connection.scalars(ALL_REPORTS))


def test_a_read_is_one_view_and_a_write_sees_what_others_committed(mysql, servers):
    other = MysqlDatabase(mysql_settings(servers, mysql))
    with mysql.read() as reading, mysql.write() as writing:
        assert (numbers(reading), numbers(writing)) == ([], [])
        with other.write() as connection:
            add(connection, 1)
        assert (numbers(reading), numbers(writing)) == ([], [1])
    with mysql.read() as reading:
        assert numbers(reading) == [1]
    other.close()


def mysql_settings(servers, database):
    return servers.mariadb.settings(database._engine.url.database)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("@@session.time_zone", "+00:00"),
        ("@@session.sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
        ("@@session.character_set_client", "utf8mb4"),
        ("@@session.collation_connection", "utf8mb4_bin"),
        ("@@session.autocommit", 0),
    ],
)
def test_a_session_does_not_depend_on_the_server_s_settings(mysql, servers, variable, value):
    servers.mariadb.execute("SET GLOBAL time_zone = '+05:00'", "SET GLOBAL sql_mode = ''")
    try:
        with mysql.read() as connection:
            assert connection.scalar(text(f"SELECT {variable}")) == value
    finally:
        servers.mariadb.execute("SET GLOBAL time_zone = SYSTEM", "SET GLOBAL sql_mode = DEFAULT")


def test_updates_count_the_rows_they_found_one_by_one_too(mysql):
    with mysql.write() as connection:
        for number in (1, 2):
            add(connection, number)
        same = update(lab_report_relation).where(
            lab_report_relation.c.lab_report_id == text(":number")
        )
        same = same.values(flag=0)
        assert connection.execute(same, [{"number": 1}, {"number": 2}]).rowcount == 2
        assert connection.execute(same, [{"number": 1}, {"number": 3}]).rowcount == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sample_id": None}, "1048 a column can not be null"),
        ({"sample_id": "Doe" * 50}, "1406 data too long"),
        ({"registered_at": "Doe"}, "ValueError"),
        ({"registered_at": "0001-01-01T00:00:00+14:00"}, "OverflowError"),
        ({"lab_report_id": 2**80}, "1264 out of range"),
        ({"flag": 2**40}, "1264 out of range"),
        ({"patient_name": "Doe \udc80"}, "UnicodeEncodeError"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_rejected_without_a_word_of_it(mysql, change, said):
    with pytest.raises(StoreRejected, match=said) as refused, mysql.write() as connection:
        connection.execute(insert(lab_report_relation), {**ROW, **change})
    assert "Doe" not in str(refused.value)
    assert refused.value.__suppress_context__
    with mysql.read() as connection:
        assert numbers(connection) == []


def test_a_duplicate_key_is_told_apart(mysql):
    with mysql.write() as connection:
        connection.execute(insert(lab_report_relation), ROW)
    with pytest.raises(DuplicateKey), mysql.write() as connection:
        connection.execute(insert(lab_report_relation), ROW)


def test_keys_are_compared_byte_by_byte_and_may_be_as_long_as_they_are_declared(mysql):
    codes = ["abc", "ABC", "äbc", "abç", "\N{DROP OF BLOOD}" * 128]
    mappings = tuple(Mapping("4" * 64, code, 1, 1, code, "g/L") for code in codes)
    LabTables(mysql).write(LabData(1, (), (), mappings))
    found = RelationalReportStore(mysql).lab_data(1).mappings
    assert {mapping.test_code for mapping in found} == set(codes)


def test_many_rows_are_one_statement(mysql, servers):
    def inserts():
        ((_, count),) = servers.mariadb.rows("SHOW GLOBAL STATUS LIKE 'Com_insert'")
        return int(count)

    before = inserts()
    rows = [ledger(number) for number in range(1, 101)]
    RelationalReportStore(mysql).commit(Transaction(ledger=rows))
    assert inserts() - before == 2  # the payload, and its results
    stored = RelationalReportStore(mysql).ledger_of_samples(1, ["S1"])
    assert [row.result_id for row in stored] == [row.result_id for row in rows]


def test_a_row_that_somebody_else_holds_is_waited_for_and_then_given_up(mysql, impatient):
    with mysql.write() as connection:
        add(connection, 1)
    change = update(lab_report_relation).values(flag=1)
    with mysql.write() as holding:
        holding.execute(change)
        with (
            pytest.raises(StoreUnavailable, match="1205 lock wait timeout"),
            impatient.write() as connection,
        ):
            connection.execute(change)
    with impatient.write() as connection:
        assert connection.execute(change).rowcount == 1


_WAITING = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"


@contextmanager
def deadlocked(mysql, servers, work):
    """Let work on reports 1 and 2 end in a deadlock with a LIMS that has changed more."""
    with mysql.write() as connection:
        for number in range(1, 20):
            add(connection, number)
    with servers.mariadb.root() as other, ThreadPoolExecutor(1) as pool:
        other.select_db(mysql._engine.url.database)
        sign = "UPDATE lab_report_relation SET birth_date = '1980' WHERE lab_id = 1 AND {}"
        with other.cursor() as cursor:
            cursor.execute(sign.format("lab_report_id > 1"))
            working = pool.submit(work)
            while servers.mariadb.rows(_WAITING)[0][1] == "0":
                assert not working.done()
            cursor.execute(sign.format("lab_report_id = 1"))  # the one with less to take back ends
        yield working, other


def test_a_deadlock_is_decided_again(mysql, servers):
    store = RelationalReportStore(mysql)
    transaction = Transaction([moved(1), moved(2)], [event(1, 1), event(1, 2)])
    with deadlocked(mysql, servers, lambda: store.commit(transaction)) as (committing, other):
        with pytest.raises(StaleReport):
            committing.result()
        other.rollback()
    assert store.events(1, 1) == []
    store.commit(transaction)
    assert [row.flag for row in store.reports(1, [1, 2])] == [3, 3]


def test_a_mark_that_was_taken_back_by_a_deadlock_is_set_again(mysql, servers):
    store = RelationalReportStore(mysql)
    with deadlocked(mysql, servers, lambda: store.mark_checked(1, [1, 2])) as (marking, other):
        other.commit()
        marking.result()
    assert [row.results_checked for row in store.reports(1, [1, 2])] == [True, True]


def test_exclusive_blocks_exclude_each_other_and_no_other_writer(mysql, impatient):
    with mysql.exclusive() as connection:
        add(connection, 1)
        with (
            pytest.raises(StoreUnavailable, match="another process is writing"),
            impatient.exclusive(),
        ):
            pass
        with impatient.write() as other:
            add(other, 2)
    with impatient.exclusive() as connection:
        assert numbers(connection) == [1, 2]


def test_an_exclusive_block_that_fails_writes_nothing_and_lets_the_next_one(mysql, impatient):
    def failing():
        with mysql.exclusive() as connection:
            add(connection, 1)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    with impatient.exclusive() as connection:
        assert numbers(connection) == []


def test_orders_registered_at_once_get_a_number_each(mysql, impatient):
    order = Order(sample_id="S1", report_format_id=1)

    def register(database):
        return [LabTables(database).register(1, order) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(register, [mysql, impatient, mysql, impatient])
    assert sorted(number for part in found for number in part) == list(range(1, 21))


def test_an_order_whose_number_a_lims_takes_meanwhile_gets_the_next(mysql, monkeypatch):
    tables, taken = LabTables(mysql), threading.Event()

    def lims_is_faster(connection, lab_id):
        if not taken.is_set():
            taken.set()
            with mysql.write() as lims:
                add(lims, 7)
            return 7
        return 8

    monkeypatch.setattr("rerund.stores.lab_tables._next_report", lims_is_faster)
    assert tables.register(1, Order(sample_id="S1", report_format_id=1)) == 8


def test_more_threads_than_connections_wait_for_each_other(settings):
    database = MysqlDatabase(type(settings)(**{**asdict(settings), "pool_size": 2}))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: round(database.now() / 600), range(40)))) <= 2
    database.close()
