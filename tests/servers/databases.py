"""Databases of the test servers as `rerund db upgrade` leaves them, emptied and used again.

Making tables and indexes takes a hundred times as long as emptying them.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec

from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.mongodb_indexes import RERUNS, VALUES
from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.schema import metadata
from rerund.stores.settings import MongodbSettings, MysqlSettings, RedisSettings, StoreSettings
from rerund.stores.versions import make_tables
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import RedisServer
from tests.servers.secantus import Secantus


def config_of(settings: StoreSettings) -> str:
    """The tables of a configuration that say these settings, defaults and paths left out."""
    text = ""
    for name in ("mysql", "mongodb", "redis"):
        server = getattr(settings, name)
        if server is not None:
            plain = msgspec.to_builtins(server)
            defaults = msgspec.to_builtins(type(server)())
            keys = [key for key in plain if plain[key] != defaults[key]]
            text += f"[store.{name}]\n" + "".join(f"{k} = {json.dumps(plain[k])}\n" for k in keys)
    return text


class MariaDbDatabases:
    """Those of a MariaDB."""

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


class SecantusDatabases:
    """Those of a MongoDB-wire server."""

    def __init__(self, server: Secantus):
        self._server = server
        self._free: list[MongodbSettings] = []

    @contextmanager
    def empty(self) -> Iterator[MongodbSettings]:
        """A database with every index and no document, for the time of the block."""
        settings = self._free.pop() if self._free else self._make()
        try:
            yield settings
        finally:
            with self._server.client() as client:
                for name in (RERUNS, VALUES):
                    client[settings.database][name].delete_many({})
            self._free.append(settings)

    def _make(self) -> MongodbSettings:
        settings = self._server.settings()
        with closing(MongodbRerunStore(settings)) as store:
            store.create_indexes()
        return settings


class RedisDatabases:
    """The one of a Redis."""

    def __init__(self, server: RedisServer):
        self._server = server

    @contextmanager
    def empty(self) -> Iterator[RedisSettings]:
        """The server, with nothing in it."""
        yield self._server.settings()
        with self._server.client() as client:
            client.flushall()
