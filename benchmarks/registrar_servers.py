"""The registrar on MariaDB, Redis and a MongoDB-wire server, against their own bulk writes.

The bulk writes are the statements and commands that the registrar sends for the same payloads,
recorded and sent again over one connection: nothing is read, nothing decided. The servers are
private ones on this machine, as the tests start them.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pymongo
import pymysql
from pymongo.monitoring import CommandListener
from sqlalchemy import Engine, event

from benchmarks.backlog import LAB, Payloads, fill_journal, register_lab
from benchmarks.measure import Row, row
from benchmarks.registrar import drained, rate
from rerund.registrar import BATCH
from rerund.rerun.service import RerunService
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.opening import open_stores
from rerund.stores.settings import MongodbSettings, MysqlSettings, StoreSettings
from tests.servers.databases import config_of
from tests.servers.servers import Servers

RESULTS, ROUNDS, PAYLOADS = 21, 3, 1920

WRITES, COMMIT = ("INSERT", "UPDATE", "DELETE"), "COMMIT"


class Bulk(NamedTuple):
    """One bulk write: a statement with its rows, or a collection with its documents."""

    what: str
    rows: Sequence[Any]
    is_sql: bool = True


def rows() -> Iterator[Row]:
    """Yield the rows of the servers."""
    payloads = Payloads(RESULTS)
    shares, rates, bulk = [], [], []
    with ExitStack() as stack:
        servers = Servers(stack)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with _stores(servers, payloads) as settings:
            writes = _recorded(settings, payloads)
        for turn in range(ROUNDS):
            with _stores(servers, payloads) as settings:
                bulk.append(PAYLOADS / _written(settings, writes))
            state = directory / str(turn)
            state.mkdir()
            fill_journal(state / "journal.db", payloads, PAYLOADS)
            with _stores(servers, payloads) as settings:
                rates.append(rate(drained(state, config_of(settings))))
            shares.append(rates[-1] / bulk[-1])
    what = f"registrar on MariaDB, Redis and MongoDB's wire, {RESULTS} results a payload"
    yield row(f"{what}: payloads a second", rates, "/s")
    yield row(f"{what}: the servers' own bulk writes, payloads a second", bulk, "/s")
    yield row(f"{what}: share of the bulk writes' rate", shares, "x", floor=0.7)


@contextmanager
def _stores(servers: Servers, payloads: Payloads) -> Iterator[StoreSettings]:
    """Stores on the servers with the lab and its reports in them, for the time of a block."""
    with ExitStack() as stack:
        mysql, mongodb, redis = (
            stack.enter_context(servers.empty(name)) for name in ("mysql", "mongodb", "redis")
        )
        database = MysqlDatabase(mysql)
        register_lab(database, payloads, PAYLOADS)
        database.close()
        yield StoreSettings("", mysql, mongodb, redis)


def _without_empty_commits(writes: Sequence[Bulk]) -> list[Bulk]:
    """Leave out the ends of transactions that only read."""
    kept: list[Bulk] = []
    for write in writes:
        if write.what != COMMIT or (kept and kept[-1].what != COMMIT):
            kept.append(write)
    return kept


def _recorded(settings: StoreSettings, payloads: Payloads) -> list[Bulk]:
    """Return the bulk writes by which the registrar's batches are registered, in order."""
    listener = _Commands()
    pymongo.monitoring.register(listener)
    made = list(payloads.made(PAYLOADS))
    with open_stores(settings) as opened, _statements(listener.writes.append):
        service = RerunService(opened.stores)
        for start in range(0, PAYLOADS, BATCH):
            service.register(LAB, made[start : start + BATCH])
    return _without_empty_commits(listener.writes)


class _Commands(CommandListener):
    """Remembers the commands that write documents."""

    def __init__(self) -> None:
        self.writes: list[Bulk] = []

    def started(self, event: Any) -> None:
        """Remember new documents: no rerun of these payloads changes one that is there."""
        if event.command_name == "insert":
            documents = list(event.command["documents"])
            self.writes.append(Bulk(event.command["insert"], documents, is_sql=False))

    def succeeded(self, event: Any) -> None:
        """Nothing more is to be known."""

    def failed(self, event: Any) -> None:
        """Nothing more is to be known."""


@contextmanager
def _statements(heard: Callable[[Bulk], None]) -> Iterator[None]:
    def hear(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.split(None, 1)[0] in WRITES:
            heard(Bulk(statement, list(parameters) if many else [parameters]))

    def committed(conn: Any) -> None:
        heard(Bulk(COMMIT, ()))

    event.listen(Engine, "before_cursor_execute", hear)
    event.listen(Engine, "commit", committed)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
        event.remove(Engine, "commit", committed)


def _written(settings: StoreSettings, writes: Sequence[Bulk]) -> float:
    """Send bulk writes again; returns the seconds they took."""
    assert settings.mysql
    assert settings.mongodb
    with (
        _connected(settings.mysql) as connection,
        _database(settings.mongodb) as database,
        connection.cursor() as cursor,
    ):
        started = time.perf_counter()
        for write in writes:
            if write.what == COMMIT:
                connection.commit()
            elif write.is_sql:
                cursor.executemany(write.what, write.rows)
            else:
                database[write.what].insert_many(write.rows, ordered=False)
        return time.perf_counter() - started


@contextmanager
def _connected(settings: MysqlSettings) -> Iterator[Any]:
    connection = pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        database=settings.database,
        charset="utf8mb4",
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _database(settings: MongodbSettings) -> Iterator[Any]:
    client: pymongo.MongoClient[Any] = pymongo.MongoClient(settings.url)
    try:
        yield client[settings.database]
    finally:
        client.close()
