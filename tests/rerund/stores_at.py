"""The stores as tests want them, apart from each other, with a LIMS at the tables."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rerund.rerun.records import LabData, ReportRow
from rerund.rerun.service_stores import Stores
from rerund.stores.database import Database
from rerund.stores.documents import EmbeddedRerunStore
from rerund.stores.lab_tables import LabTables
from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.numbers import EmbeddedNumberCache
from rerund.stores.opening import OpenStores, open_stores
from rerund.stores.redis_cache import RedisNumberCache
from rerund.stores.relational import RelationalReportStore
from rerund.stores.rows import as_row, upsert
from rerund.stores.schema import lab_report_relation
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase
from rerund.stores.versions import prepare
from tests.servers.servers import Servers


class Lims:
    """Writes the lab's own tables, as a LIMS would."""

    def __init__(self, database: Database):
        self.database = database
        self._put_report = upsert(lab_report_relation, database.dialect.name)

    def __call__(self, *, lab: LabData | None = None, report: ReportRow | None = None) -> None:
        if lab is not None:
            LabTables(self.database).write(lab)
        if report is not None:
            with self.database.write() as connection:
                connection.execute(self._put_report, as_row(report))


@contextmanager
def stores_at(settings: StoreSettings) -> Iterator[tuple[Stores, Callable[..., None]]]:
    """What is configured; of the embedded ones each is in a file of its own in the folder `path`.

    So no transaction can span two.
    """
    with ExitStack() as stack:

        def file(name: str) -> Database:
            database = SqliteDatabase(Path(settings.path) / f"{name}.db", f"{name} store")
            stack.callback(database.close)
            return database

        def kept(store: Any) -> Any:
            stack.callback(store.close)
            return store

        mysql, mongodb, redis = settings.mysql, settings.mongodb, settings.redis
        reports = kept(MysqlDatabase(mysql)) if mysql else file("report")
        prepare(reports)
        stores = Stores(
            RelationalReportStore(reports),
            kept(MongodbRerunStore(mongodb)) if mongodb else EmbeddedRerunStore(file("rerun")),
            kept(RedisNumberCache(redis)) if redis else EmbeddedNumberCache(file("number")),
        )
        yield stores, Lims(reports)


@contextmanager
def settings_of(servers: Servers, directory: Path, *on_servers: str) -> Iterator[StoreSettings]:
    """Empty stores: those that are named on servers, the others in the directory."""
    with ExitStack() as stack:
        empty = {name: stack.enter_context(servers.empty(name)) for name in on_servers}
        yield StoreSettings(str(directory), **empty)


def open_embedded(path: Path) -> OpenStores:
    """All three stores in one file."""
    return open_stores(StoreSettings(str(path)))
