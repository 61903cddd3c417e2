"""The servers of one test run, each started when a test first wants it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from rerund.stores.settings import StoreSettings
from tests.servers.databases import MariaDbDatabases, RedisDatabases, SecantusDatabases
from tests.servers.mariadb import MariaDb, mariadb
from tests.servers.redis_server import RedisServer, redis_server
from tests.servers.secantus import Secantus, secantus


class Servers:
    """One of each; a test fails, and is not skipped, when one can not be started."""

    def __init__(self, stack: ExitStack):
        self._stack = stack
        self._running: dict[Callable[..., Any], Any] = {}
        self._databases: dict[str, Any] = {}

    @property
    def mariadb(self) -> MariaDb:
        """A MariaDB with databases of its own for each test."""
        return self._started(mariadb)  # type: ignore[no-any-return]

    def empty(self, name: str) -> AbstractContextManager[Any]:
        """Settings of an empty `mysql`, `mongodb` or `redis` store, for the time of a block."""
        if name not in self._databases:
            kind, server = {
                "mysql": (MariaDbDatabases, mariadb),
                "mongodb": (SecantusDatabases, secantus),
                "redis": (RedisDatabases, redis_server),
            }[name]
            self._databases[name] = kind(self._started(server))
        return self._databases[name].empty()  # type: ignore[no-any-return]

    @property
    def secantus(self) -> Secantus:
        """A MongoDB-wire server with databases of its own for each test."""
        return self._started(secantus)  # type: ignore[no-any-return]

    @property
    def redis(self) -> RedisServer:
        """A Redis; what is in it is everybody's."""
        return self._started(redis_server)  # type: ignore[no-any-return]

    @contextmanager
    def new(self) -> Iterator[StoreSettings]:
        """All three stores as they are before `rerund db upgrade`, for the time of a block."""
        self.mariadb.execute("CREATE DATABASE new")
        mysql = self.mariadb.settings("new")
        with self.empty("redis") as redis:
            yield StoreSettings("/nowhere", mysql, self.secantus.settings(), redis)
        self.mariadb.execute("DROP DATABASE new")

    def _started(self, server: Callable[[], AbstractContextManager[Any]]) -> Any:
        if server not in self._running:
            self._running[server] = self._stack.enter_context(server())
        return self._running[server]
