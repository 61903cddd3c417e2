"""On a server the token of the orders is a sum: what it does not sum up leaves it alone."""

import pytest

from rerund.rerun.records import Transaction
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.relational import RelationalReportStore
from tests.rerund.stores.made import activity, ledger, slot, waiting


@pytest.fixture
def reports(servers):
    with servers.empty("mysql") as settings:
        database = MysqlDatabase(settings)
        yield RelationalReportStore(database)
        database.close()


@pytest.mark.parametrize(
    "transaction",
    [
        Transaction(values=[slot()], ledger=[ledger()], activity=[activity()]),
        Transaction(waiting=[waiting(2, status="resulted")]),
        Transaction(waiting=[waiting(1, lab_id=2)]),
    ],
    ids=["results", "a closed order", "another lab"],
)
def test_what_is_no_open_order_of_the_lab_leaves_the_token(reports, transaction):
    reports.commit(Transaction(waiting=[waiting(1)]))
    token = reports.order_token(1)
    reports.commit(transaction)
    assert reports.order_token(1) == token
