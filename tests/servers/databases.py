"""Databases of a test server with rerund's tables, emptied and used again."""

from collections.abc import Iterator
from contextlib import contextmanager

from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.schema import metadata
from rerund.stores.settings import MysqlSettings
from rerund.stores.versions import make_tables
from tests.servers.mariadb import MariaDb


class Databases:
    """The databases of one server: making tables takes a hundred times as long as emptying them."""

    def __init__(self, server: MariaDb):
        self._server = server
        self._free: list[MysqlSettings] = []
        self._made = 0

    @contextmanager
    def empty(self) -> Iterator[MysqlSettings]:
        """A database with every table and no row, for the time of the block."""
        settings = self._free.pop() if self._free else self._make()
        try:
            yield settings
        finally:
            tables = [f"{settings.database}.{name}" for name in metadata.tables]
            self._server.execute(*(f"DELETE FROM {table}" for table in tables))
            self._free.append(settings)

    def _make(self) -> MysqlSettings:
        self._made += 1
        settings = self._server.settings(f"rerund{self._made}")
        self._server.execute(f"CREATE DATABASE {settings.database}")
        database = MysqlDatabase(settings)
        with database.write() as connection:
            make_tables(connection)
        database.close()
        return settings
