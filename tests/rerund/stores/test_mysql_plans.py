"""On a server, too, no question reads a whole table or all of a lab."""

import json

import pytest
from sqlalchemy import event

from rerund.rerun.records import Transaction
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.ports import StaleReport
from rerund.stores.relational import RelationalReportStore
from tests.rerund.stores.made import ledger, moved
from tests.rerund.stores.test_query_plans import READS

ROWS = 3000
"""Of one lab, in which each question is about a few."""

_SEQ = f"FROM seq_1_to_{ROWS}"
FILL = [
    (
        "INSERT INTO lab_report_relation (lab_id, lab_report_id, sample_id, report_format_id,"
        f" registered_at, results_checked) SELECT 1, seq, concat('S', seq), 1, NOW(6), 1 {_SEQ}"
    ),
    (
        "INSERT INTO report_values (lab_id, lab_report_id, `index`, value, abnormal_flags,"
        " device_id, device_name, device_value, result_id, rerun_number, updated_at)"
        f" SELECT 1, seq, 1, '1', '[]', '42', 'XN', '1', 'j', 0, NOW(6) {_SEQ}"
    ),
    (
        "INSERT INTO rerun_event (lab_id, lab_report_id, version, event_id, kind, flag_before,"
        " flag_after, at, reruns, `values`, inputs, answer, applied_at) SELECT 1, seq, 1,"
        " concat('event-', seq), 'request', 0, 3, NOW(6), '[]', '[]', '{}', '{}', NOW(6)"
        f" {_SEQ}"
    ),
    (
        "INSERT INTO activity_log (lab_id, lab_report_id, code, at, user_id, event_id, old, new)"
        f" SELECT 1, seq, 981, NOW(6), 7, 'event', '{{}}', '{{}}' {_SEQ}"
    ),
    (
        "INSERT INTO waiting_list (lab_id, lab_report_id, rerun_number, rerun_type, requested,"
        " remaining, status, updated_at) SELECT 1, seq, 1, 'manual_rerun', '[1]', '[]', 'resulted',"
        f" '2026-05-01' {_SEQ}"
    ),
    (
        "INSERT INTO waiting_list (lab_id, lab_report_id, requested, remaining, status,"
        " updated_at) SELECT 1, seq, '[1]', '[1]', if(seq > 9, 'resulted', 'sent'),"
        f" '2026-05-01' {_SEQ}"
    ),
]


def ledger_of_years(reports):
    rows = [
        ledger(number, lab_report_id=number, sample_id=f"S{number}", device_id=f"D{number}")
        for number in range(1, ROWS + 1)
    ]
    reports.commit(Transaction(ledger=rows))


@pytest.fixture(scope="module")
def filled(servers):
    """A lab of years, of which the server knows how many rows each question would find."""
    with servers.empty("mysql") as settings:
        database = MysqlDatabase(settings)
        with database.write() as connection:
            for statement in FILL:
                connection.exec_driver_sql(statement)
        ledger_of_years(RelationalReportStore(database))
        with database.write() as connection:
            tables = connection.exec_driver_sql("SHOW TABLES").scalars().all()
            connection.exec_driver_sql(f"ANALYZE TABLE {', '.join(tables)}").all()
        yield database
        database.close()


@pytest.fixture
def plans(filled):
    """What the server says of every statement since: (table, how it is read, rows)."""
    steps = []

    def explain(connection, cursor, statement, parameters, context, many):
        if not statement.startswith(("SELECT", "UPDATE", "DELETE")):
            return
        with cursor.connection.cursor() as asked:
            asked.execute(f"EXPLAIN FORMAT=JSON {statement}", parameters[0] if many else parameters)
            (plan,) = asked.fetchone()
        steps.extend(tables_of(json.loads(plan)))

    event.listen(filled._engine, "before_cursor_execute", explain)
    yield RelationalReportStore(filled), steps
    event.remove(filled._engine, "before_cursor_execute", explain)


def tables_of(plan):
    """Every table that a plan reads, however deep."""
    if isinstance(plan, dict):
        if "table_name" in plan:
            yield plan["table_name"], plan.get("access_type"), plan.get("rows", 0)
        for part in plan.values():
            yield from tables_of(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from tables_of(part)


def assert_narrow(steps):
    for table, access, rows in steps:
        if not table.startswith("<"):
            assert access not in ("ALL", "index"), (table, access, rows)
            assert rows < ROWS / 10, (table, access, rows)


@pytest.mark.parametrize("method", READS)
def test_a_question_is_a_narrow_search(plans, method):
    reports, steps = plans
    getattr(reports, method)(1, *READS[method])
    assert_narrow(steps)


def test_what_changed_is_summed_up_from_few_rows(plans):
    reports, steps = plans
    reports.change_token(1, 3600.0)
    assert {table for table, _, _ in steps} == {
        "waiting_list",
        "rerun_event",
        "lab_report_relation",
    }
    assert_narrow(steps)


def test_whether_an_order_changed_is_summed_up_from_the_open_ones(plans):
    reports, steps = plans
    reports.order_token(1)
    assert [table for table, _, _ in steps] == ["waiting_list"]
    assert_narrow(steps)


def test_a_commit_changes_what_it_names(plans):
    reports, steps = plans
    for transaction in (Transaction([moved(9999)]), Transaction(ledger=[ledger(row_id=9999)])):
        with pytest.raises(StaleReport):
            reports.commit(transaction)
    assert_narrow(steps)
