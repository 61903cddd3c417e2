"""SQLite as the stores use it.

WAL, `synchronous=FULL`, and every write begins with BEGIN IMMEDIATE. A plain BEGIN
reads first and fails to write later when another process was faster, however long the busy
timeout. So the daemon and the command line write to one file side by side.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Hashable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from rerund.hindrance import hindrance
from rerund.stores.database import Database
from rerund.stores.failures import translated
from rerund.stores.ports import StoreUnavailable

BUSY_TIMEOUT = 10.0
"""Seconds that a write waits for another one to end before the store counts as unavailable."""


def _make_private(path: Path) -> None:
    """Make a file that is not there readable for its owner alone: it will name patients.

    One that is there is not touched: closing any descriptor of it would drop the locks that
    SQLite holds on it in this process.
    """
    with suppress(OSError):  # it exists, or opening it as a database will tell why not
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def sqlite_url(path: Path) -> str:
    """The URL of the embedded store in a file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


class SqliteDatabase(Database):
    """The connections to one SQLite file, made when there is none.

    Raises StoreUnavailable when this process may not use it.
    """

    makes_tables = True

    def __init__(self, path: Path, name: str, busy_timeout: float = BUSY_TIMEOUT):
        self._path = path
        self._busy_timeout = busy_timeout
        reason = hindrance(path, write=True)
        if reason:  # SQLite would only say that it can not open it
            raise StoreUnavailable(name, f"{path}: {reason}")
        _make_private(path)
        engine = _engine(sqlite_url(path), busy_timeout)
        super().__init__(name, engine, reading="BEGIN", writing="BEGIN IMMEDIATE")
        self._watch: sqlite3.Connection | None = None
        self._watching = threading.Lock()

    def exclusive(self) -> AbstractContextManager[Connection]:
        """Write, with no other writer at all."""
        return self.write()

    def changes(self) -> Hashable:
        """A value that differs after any other connection committed.

        Its own connection never writes, so each commit of this process is another one's too.
        """
        with translated(self.name), self._watching:
            if self._watch is None:
                self._watch = self._open_watch()
            (version,) = self._watch.execute("PRAGMA data_version").fetchone()
            return int(version)

    def _open_watch(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        """Close every connection that no thread is using."""
        super().close()
        with self._watching:
            if self._watch is not None:
                self._watch.close()
                self._watch = None


def _engine(url: str, busy_timeout: float) -> Engine:
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        del record
        _prepare(connection, busy_timeout)

    # hide_parameters: an error shown anywhere must not quote patient data.
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_timeout=busy_timeout,
        connect_args={"timeout": busy_timeout},
    )
    event.listen(engine, "connect", prepare)
    return engine


def _prepare(connection: sqlite3.Connection, busy_timeout: float) -> None:
    connection.isolation_level = None  # transactions are begun by us, not by the driver
    _set_wal(connection, busy_timeout)
    connection.execute("PRAGMA synchronous=FULL")


def _set_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Choose WAL; while another process makes the same new file, SQLite does not wait by itself."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
