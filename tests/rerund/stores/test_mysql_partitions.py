"""The large tables split by lab, as docs/scaling.md says: everything works in them."""

import re
from pathlib import Path

import pytest

from rerund.stores import migrate
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.relational import RelationalReportStore
from tests.rerund.stores.made import moved, report, unmatched, whole
from tests.rerund.stores_at import Lims

DOCUMENT = Path(__file__).parents[3] / "docs" / "scaling.md"


def documented():
    """Every SQL statement of the page, in its order."""
    blocks = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return [line.rstrip(";") for block in blocks for line in block.strip().splitlines()]


@pytest.fixture
def database(servers):
    """A database that was upgraded and then split."""
    server = servers.mariadb
    server.execute("CREATE DATABASE split")
    database = MysqlDatabase(server.settings("split"))
    migrate.upgrade(database)
    with database.write() as connection:
        for statement in documented():
            connection.exec_driver_sql(statement)
    yield database
    database.close()
    server.execute("DROP DATABASE split")


def test_a_transaction_is_written_read_and_rewritten(database):
    store, lims = RelationalReportStore(database), Lims(database)
    lims(report=report())
    transaction = whole(ledger=[unmatched()])
    store.commit(transaction)
    (row,) = store.ledger_of_samples(1, ["S1"])
    row.lab_report_id, row.index, row.outcome = 1, 1, "registered"
    store.commit(whole(version=1, reports=[moved(1, 1, 3)], ledger=[row], activity=[], waiting=[]))
    (again,) = store.ledger_of_reports(1, [1])
    assert (again.row_id, again.outcome) == (row.row_id, "registered")
    assert len(store.activity(1, 1)) == 1


def test_a_statement_of_a_lab_looks_into_one_partition(database):
    with database.read() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN PARTITIONS SELECT * FROM device_results WHERE lab_id = 1 AND sample_id = 'S1'"
        )
        (partitions,) = {row["partitions"] for row in plan.mappings()}
    assert re.fullmatch(r"p\d+", partitions)
