"""The rights that docs/stores.md gives out: enough for each user, and no more."""

import re
from pathlib import Path

import pymysql
import pytest

from rerund.stores import migrate
from rerund.stores.lab_tables import LabTables, Order
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.ports import StoreUnavailable
from rerund.stores.relational import RelationalReportStore
from rerund.stores.versions import StoreVersionError, prepare
from tests.rerund.conftest import LAB_DATA
from tests.rerund.stores.made import AT, event, whole

DOCUMENT = Path(__file__).parents[3] / "docs" / "stores.md"


def documented():
    """Every SQL statement of the page, in its order."""
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return [statement for block in blocks for statement in block.strip().rstrip(";").split(";\n")]


def password_of(user):
    (found,) = re.findall(rf"CREATE USER '{user}'@'%' IDENTIFIED BY '(.*?)'", DOCUMENT.read_text())
    return found


@pytest.fixture(scope="module")
def lab(servers):
    """A server on which the page has been followed, its upgrade in between."""
    server, statements = servers.mariadb, documented()
    for statement in statements:
        if "'rerund'@" in statement and statement.startswith("CREATE USER"):
            upgrader = opened_by(server, "rerund_upgrade")
            assert migrate.upgrade(upgrader).current
            upgrader.close()
        server.execute(statement)
    yield server
    server.execute("DROP DATABASE rerund", "DROP USER rerund, rerund_upgrade, lims")


def opened_by(server, user):
    return MysqlDatabase(server.settings("rerund", user=user, password=password_of(user)))


@pytest.fixture
def daemon(lab):
    database = opened_by(lab, "rerund")
    yield database
    database.close()


@pytest.fixture
def lims(lab):
    """Runs a statement as the LIMS; nothing of it is kept."""
    with pymysql.connect(
        host="127.0.0.1",
        port=lab.port,
        user="lims",
        password=password_of("lims"),
        database="rerund",
        ssl_disabled=True,
    ) as connection:

        def run(statement):
            with connection.cursor() as cursor:
                return cursor.execute(statement)

        yield run


def test_the_daemon_does_all_its_work_without_changing_tables(daemon):
    prepare(daemon)
    tables, store = LabTables(daemon), RelationalReportStore(daemon)
    tables.write(LAB_DATA)
    tables.register(1, Order(sample_id="S1", report_format_id=1, lab_report_id=1))
    tables.write(LAB_DATA.__class__(1, LAB_DATA.formats[:1], LAB_DATA.devices[:1], ()))
    store.commit(whole())
    store.mark_applied(1, [event().event_id])
    store.mark_checked(1, [1])
    assert store.change_token(1, 3600.0) is not None
    assert store.order_token(1) is not None
    for change in ("CREATE TABLE x (y INT)", "DROP TABLE device", "ALTER TABLE device ADD x INT"):
        with pytest.raises(StoreUnavailable, match="1142"), daemon.write() as connection:
            connection.exec_driver_sql(change)


def test_what_a_lims_asks_for_itself_is_an_open_order(daemon, lims):
    store = RelationalReportStore(daemon)
    before = store.order_token(9)
    for statement in (ALLOWED[0], ORDERED):
        lims(statement)
    assert store.orders(9, AT) == []
    lims("COMMIT")
    (order,) = store.orders(9, AT)
    assert (order.lab_report_id, order.sample_id, order.patient_name) == (1, "S9", "Doe")
    assert (order.rerun_number, order.remaining, order.priority) == (0, [1], "stat")
    assert store.order_token(9) != before
    with daemon.write() as connection:
        connection.exec_driver_sql("DELETE FROM waiting_list WHERE lab_id = 9")
        connection.exec_driver_sql("DELETE FROM lab_report_relation WHERE lab_id = 9")


def test_a_daemon_finds_no_table_where_nobody_has_upgraded(servers, lab):
    servers.mariadb.execute("CREATE DATABASE nothing_yet")
    database = MysqlDatabase(lab.settings("nothing_yet"))
    with pytest.raises(StoreVersionError, match="has no tables yet: rerund db upgrade"):
        prepare(database)
    assert servers.mariadb.rows("SHOW TABLES IN nothing_yet") == []
    database.close()
    servers.mariadb.execute("DROP DATABASE nothing_yet")


ORDERED = (
    "INSERT INTO waiting_list (lab_id, lab_report_id, requested, remaining, priority)"
    " VALUES (9, 1, '[1]', '[1]', 'stat')"
)
ALLOWED = [
    (
        "INSERT INTO lab_report_relation (lab_id, lab_report_id, sample_id, report_format_id,"
        " registered_at, patient_id, patient_name, sex, birth_date)"
        " VALUES (9, 1, 'S9', 1, UTC_TIMESTAMP(6), 'P1', 'Doe', 'F', '1980-01-01')"
    ),
    "UPDATE lab_report_relation SET is_signed = 1, is_completed = 1, completed_at = NOW(6)",
    (
        "UPDATE lab_report_relation SET sampleRedrawFlag = 1"
        " WHERE lab_id = 1 AND lab_report_id = 1 AND sampleRedrawFlag IN (0, 1, 2)"
    ),
    "INSERT INTO report_format (lab_id, report_format_id, name) VALUES (9, 1, 'CBC')",
    (
        "INSERT INTO report_format_parameter"
        " (lab_id, report_format_id, `index`, `order`, parameter_name, units, ranges, meta)"
        " VALUES (9, 1, 1, 1, 'WBC', 'g/L', '[]', '{}')"
    ),
    "UPDATE report_format_parameter SET meta = '{}'",
    "DELETE FROM report_format_parameter WHERE lab_id = 9",
    "INSERT INTO device (lab_id, device_id, name) VALUES (9, '42', 'XN')",
    "UPDATE device SET name = 'XN-1000', updated_at = NOW(6)",
    (
        "INSERT INTO device_format_mapping"
        " (lab_id, device_id, test_code, report_format_id, `index`) VALUES (9, '42', 'WBC', 1, 1)"
    ),
    "DELETE FROM device_format_mapping WHERE lab_id = 9",
    ORDERED,
    *re.findall(r"```\n(INSERT INTO waiting_list.*?);\n```", DOCUMENT.read_text(), re.DOTALL),
    "SELECT * FROM device_results JOIN report_values JOIN activity_log JOIN rerun_event",
]
FORBIDDEN = [
    "UPDATE lab_report_relation SET rerun_version = 1",
    "UPDATE lab_report_relation SET last_rerun_number = 0",
    "UPDATE lab_report_relation SET auto_rerun_indexes = '[]'",
    "UPDATE lab_report_relation SET results_checked = 1",
    "UPDATE lab_report_relation SET lab_report_id = 2",
    (
        "INSERT INTO lab_report_relation (lab_id, lab_report_id, sample_id, report_format_id,"
        " rerun_version) VALUES (9, 1, 'S9', 1, 1)"
    ),
    "DELETE FROM lab_report_relation",
    "UPDATE device SET lease_owner = 'me'",
    (
        "INSERT INTO waiting_list (lab_id, lab_report_id, rerun_number, requested, remaining)"
        " VALUES (9, 1, 1, '[1]', '[1]')"
    ),
    "UPDATE waiting_list SET status = 'cancelled'",
    "DELETE FROM waiting_list",
    "DELETE FROM device_results",
    "UPDATE report_values SET value = '1'",
    "INSERT INTO rerun_event SELECT * FROM rerun_event",
    "UPDATE activity_log SET code = 980",
    "DELETE FROM activity_log",
    "CREATE TABLE x (y INT)",
]


@pytest.mark.parametrize("statement", ALLOWED)
def test_a_lims_may(lims, statement):
    lims(statement)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_lims_may_not(lims, statement):
    with pytest.raises(pymysql.err.OperationalError) as refused:
        lims(statement)
    assert refused.value.args[0] in (1142, 1143)
