"""A relational database as the stores use it: short reads, and writes that exclude each other."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

from sqlalchemy import Connection, Engine, event, select

from rerund.stores.failures import translated
from rerund.stores.types import UnixNow

BEGIN = "begin"
"""The execution option that holds the statement a transaction begins with, if any."""


class Database(ABC):
    """The connections to one database. May be used from several threads."""

    makes_tables: ClassVar[bool]
    """Whether a daemon makes the tables of an empty one; else that is `rerund db upgrade`."""

    def __init__(self, name: str, engine: Engine, *, reading: str | None, writing: str | None):
        """Begin transactions with these statements, which the driver must not have begun."""
        self.name = name
        self.dialect = engine.dialect
        self._engine = engine
        self._writing = engine.execution_options(**{BEGIN: writing})
        self._reading = engine.execution_options(**{BEGIN: reading})
        event.listen(engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises StoreUnavailable."""
        with translated(self.name), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, kept when the block ends without an error.

        Raises StoreUnavailable, StoreRejected or DuplicateKey.
        """
        with translated(self.name), self._writing.begin() as connection:
            yield connection

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[Connection]:
        """Write, with no other `exclusive` block running meanwhile in any process."""

    def now(self) -> float:
        """Unix seconds by the clock of the database."""
        with self.read() as connection:
            return float(connection.execute(select(UnixNow())).scalar_one())

    @abstractmethod
    def changes(self) -> Hashable | None:
        """A value that differs after any other connection committed; None where none tells."""

    def close(self) -> None:
        """Close every connection that no thread is using."""
        self._engine.dispose()


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(BEGIN)
    if statement is not None:
        connection.exec_driver_sql(statement)
