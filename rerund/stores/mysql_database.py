"""MySQL or MariaDB as the stores use it. The only code that PyMySQL is configured in.

A read is one consistent view (REPEATABLE READ, which every session is set to). A write is
READ COMMITTED: it sees what others committed before each statement, and locks only the rows
that it changes. Row counts are those of the rows found (FOUND_ROWS, SQLAlchemy's setting), so
that a compare-and-set that changes nothing counts too. Instants are UTC whatever the server's
zone is, and what does not fit is an error whatever its mode is.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from rerund.stores.database import Database
from rerund.stores.failures import translated
from rerund.stores.ports import StoreUnavailable
from rerund.stores.settings import MysqlSettings, Tls

RECYCLE = 1800.0
"""Seconds after which a connection is replaced, before firewalls forget about it."""

LOCK_WAIT = 10.0
"""Seconds that a statement waits for a row that another one holds, within its time-out."""

_SESSION = (
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
)
_WRITING = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_LOCK = text("SELECT GET_LOCK(:name, :seconds)")
_UNLOCK = text("SELECT RELEASE_LOCK(:name)")


class MysqlDatabase(Database):
    """The connections to one database of a server, opened when they are wanted."""

    makes_tables = False

    def __init__(self, settings: MysqlSettings, name: str = "report store"):
        """Raises StoreUnavailable for certificates that can not be read."""
        super().__init__(name, _engine(settings, name), reading=None, writing=_WRITING)
        # Lock names are those of the whole server and at most 64 characters long.
        self._lock = "rerund-" + sha256(settings.database.encode()).hexdigest()[:40]
        self._lock_wait = _lock_wait(settings)

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Write, with no other `exclusive` block on this database meanwhile."""
        name = {"name": self._lock}
        with translated(self.name), self._writing.connect() as connection:
            locked = connection.scalar(_LOCK, {**name, "seconds": self._lock_wait})
            connection.rollback()
            if locked != 1:
                raise StoreUnavailable(self.name, "another process is writing")
            try:
                # The lock outlives the transaction: the next one sees what this one wrote.
                with connection.begin():
                    yield connection
            finally:
                with suppress(DBAPIError):  # a connection that is lost has lost its lock too
                    connection.execute(_UNLOCK, name)

    def changes(self) -> None:
        """None: a server tells no such thing."""


def _engine(settings: MysqlSettings, name: str) -> Engine:
    url = URL.create(
        "mysql+pymysql",
        username=settings.user,
        host=settings.host,
        port=settings.port,
        database=settings.database,
    )
    # hide_parameters: an error shown anywhere must not quote patient data.
    engine = create_engine(
        url,
        hide_parameters=True,
        paramstyle="format",  # by place, as prepared statements are
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout,
        pool_pre_ping=True,
        pool_recycle=RECYCLE,
        connect_args=_connect_arguments(settings, name),
    )

    def prepare(connection: Any, record: object) -> None:
        del record
        with connection.cursor() as cursor:
            for statement in _SESSION:
                cursor.execute(statement)
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {_lock_wait(settings)}")

    event.listen(engine, "connect", prepare)
    return engine


def _lock_wait(settings: MysqlSettings) -> int:
    """Whole seconds, as servers count them; less than the time-out, to be told the reason."""
    return max(1, int(min(LOCK_WAIT, settings.timeout - 1)))


def _connect_arguments(settings: MysqlSettings, name: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "password": settings.password.encode(),  # PyMySQL would take text for Latin-1
        "charset": "utf8mb4",
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.timeout,
        "write_timeout": settings.timeout,
        # Else PyMySQL would encrypt where the server can, and believe any certificate.
        "ssl_disabled": settings.tls is None,
    }
    if settings.socket is not None:
        arguments["unix_socket"] = settings.socket
    if settings.tls is not None:
        arguments["ssl"] = _tls(settings.tls, name)
    return arguments


def _tls(tls: Tls, name: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:  # an unusable certificate too
        raise StoreUnavailable(name, f"TLS: {error.strerror or type(error).__name__}") from None
    return context
