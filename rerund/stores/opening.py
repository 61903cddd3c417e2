"""Opens the three stores that are configured: on servers, or embedded in one file.

A client library is imported only where its server is configured: each is an extra.
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from rerund.rerun.service_stores import Stores
from rerund.stores.database import Database
from rerund.stores.documents import EmbeddedRerunStore
from rerund.stores.lab_tables import LabTables
from rerund.stores.numbers import EmbeddedNumberCache
from rerund.stores.ports import NumberCache, RerunStore
from rerund.stores.relational import RelationalReportStore
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase
from rerund.stores.versions import prepare


class OpenStores:
    """The three stores, and the lab's own tables. Several processes may have the same open."""

    def __init__(self, settings: StoreSettings):
        with ExitStack() as stack:
            self._stack = stack
            self._settings = settings
            self._file: Database | None = None
            reports = self._reports()
            prepare(reports)
            self.stores = Stores(RelationalReportStore(reports), self._reruns(), self._numbers())
            self.lab = LabTables(reports)
            self._stack = stack.pop_all()

    def _reports(self) -> Database:
        if self._settings.mysql is None:
            return self._embedded()
        from rerund.stores.mysql_database import MysqlDatabase

        database = MysqlDatabase(self._settings.mysql)
        self._stack.callback(database.close)
        return database

    def _reruns(self) -> RerunStore:
        if self._settings.mongodb is None:
            return EmbeddedRerunStore(self._embedded())
        from rerund.stores.mongodb import MongodbRerunStore

        store = MongodbRerunStore(self._settings.mongodb)
        self._stack.callback(store.close)
        store.check()
        return store

    def _numbers(self) -> NumberCache:
        if self._settings.redis is None:
            return EmbeddedNumberCache(self._embedded())
        from rerund.stores.redis_cache import RedisNumberCache

        cache = RedisNumberCache(self._settings.redis)
        self._stack.callback(cache.close)
        return cache

    def _embedded(self) -> Database:
        """Open the file of all that are embedded, when the first of them wants it."""
        if self._file is None:
            self._file = SqliteDatabase(Path(self._settings.path), "store")
            self._stack.callback(self._file.close)
        return self._file

    def close(self) -> None:
        """Close every connection."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_stores(settings: StoreSettings) -> OpenStores:
    """Open the stores; those that are embedded are made when their file is not there.

    Raises StoreVersionError for tables of another version and for a server without tables or
    indexes, StoreUnavailable for a server that can not be reached; for the number cache neither.
    """
    return OpenStores(settings)
