"""No question reads a whole table, or all of a lab: a store of years answers like a new one."""

import re

import pytest
from sqlalchemy import event

from rerund.rerun.records import Transaction
from rerund.stores.documents import EmbeddedRerunStore
from rerund.stores.ports import StaleReport
from rerund.stores.relational import RelationalReportStore
from rerund.stores.versions import prepare
from tests.rerund.stores.made import AT, LATER, ledger, moved, rerun, value

READS = {
    "reports": ([1, 2],),
    "reports_of_samples": (["S1", "S2"],),
    "unchecked_reports": (5,),
    "report_values": ([1, 2],),
    "waiting_rows": ([1, 2],),
    "waiting_copy": (AT,),
    "orders": (AT,),
    "orders_of_samples": (["S1", "S2"], AT),
    "unapplied_events": ([1, 2],),
    "unapplied_reports": (5,),
    "event": ("event",),
    "events": (1,),
    "ledger_by_result": (["j-1", "j-2"],),
    "ledger_of_samples": (["S1", "S2"], AT),
    "ledger_of_reports": ([1, 2],),
    "ledger_of_device": ("42", AT, LATER),
    "matchable_samples": (AT, "", 5),
    "activity": (1,),
    "mark_applied": (["one", "two"],),
    "mark_checked": ([1, 2],),
}


@pytest.fixture
def plans(database):
    """The steps of every statement since, as SQLite plans them."""
    steps = []

    def explain(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            with_values = parameters[0] if many else parameters
            asked = cursor.connection.cursor()
            asked.execute(f"EXPLAIN QUERY PLAN {statement}", with_values)
            steps.extend(row[3] for row in asked.fetchall())

    prepare(database)
    stores = RelationalReportStore(database), EmbeddedRerunStore(database)
    event.listen(database._engine, "before_cursor_execute", explain)
    return *stores, steps


def assert_narrow(steps):
    reading = [step for step in steps if re.match("SCAN|SEARCH", step)]
    assert reading
    for step in reading:
        assert re.search(r"SEARCH .*\((lab_id=\? AND|_id=\?|rowid=\?|deleted_at<\?)", step), step


@pytest.mark.parametrize("method", READS)
def test_a_question_is_a_narrow_search(plans, method):
    reports, _, steps = plans
    getattr(reports, method)(1, *READS[method])
    assert_narrow(steps)


def test_orders_of_samples_are_not_looked_for_among_all_that_are_open(plans):
    reports, _, steps = plans
    reports.orders_of_samples(1, ["S1"], AT)
    (found,) = [step for step in steps if " waiting_list " in step]
    assert "(lab_id=? AND lab_report_id=?" in found


def test_the_version_of_the_lab_is_read_from_what_is_small(plans):
    reports, _, steps = plans
    reports.lab_data_version(1)
    for table in ("report_format_parameter", "device_format_mapping"):
        reading = [step for step in steps if f" {table} " in step]
        assert len(reading) == 2
        assert all("COVERING INDEX" in step for step in reading)


def test_a_commit_changes_what_it_names(plans):
    reports, _, steps = plans
    with pytest.raises(StaleReport):
        reports.commit(Transaction([moved()]))
    with pytest.raises(StaleReport):
        reports.commit(Transaction(ledger=[ledger(row_id=1)]))
    assert_narrow(steps)


def test_documents_are_found_by_their_keys(plans):
    _, reruns, steps = plans
    for version in (1, 2):
        reruns.apply([rerun(version=version)], [value(version=version)])
    reruns.reruns(1, [1, 2])
    reruns.values(1, [1, 2])
    reruns.purge(1.0)
    assert_narrow(steps)
