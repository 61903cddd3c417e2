"""The schema version of a report store: made at first start, checked at every other.

Nothing here imports Alembic, which takes longer than the rest of a daemon's start.
"""

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    select,
)

from rerund.stores.database import Database
from rerund.stores.ports import StoreError
from rerund.stores.schema import SCHEMA_VERSION, lab_report_relation, metadata

# As Alembic makes it.
alembic_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class StoreVersionError(StoreError):
    """The tables of a store are of another version, or missing: nothing is read or written."""

    def __init__(self, store: str, found: str | None, *, empty: bool = False):
        super().__init__(store, found, empty)
        self.store = store
        self.found = found
        self.expected = SCHEMA_VERSION
        self.empty = empty

    def __str__(self) -> str:
        if self.empty:
            return f"{self.store} has no tables yet: rerund db upgrade"
        found = f"version {self.found}" if self.found else "no version"
        return f"{self.store} has tables of {found}, expected {self.expected}: rerund db status"


def found_version(connection: Connection) -> str | None:
    """The version that a database says it has; None when it says none."""
    if not connection.dialect.has_table(connection, alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalar_one_or_none()


def prepare(database: Database) -> None:
    """Check the version; an empty embedded database gets its tables, a server's does not.

    Raises StoreVersionError, StoreUnavailable.
    """
    with database.exclusive() if database.makes_tables else database.read() as connection:
        found = found_version(connection)
        if found == SCHEMA_VERSION:
            return
        empty = not connection.dialect.has_table(connection, lab_report_relation.name)
        if found or not (empty and database.makes_tables):
            raise StoreVersionError(database.name, found, empty=empty and not found)
        make_tables(connection)


def make_tables(connection: Connection) -> None:
    """Make the tables of this version in an empty database."""
    metadata.create_all(connection)
    alembic_version.create(connection, checkfirst=True)
    connection.execute(insert(alembic_version), {"version_num": SCHEMA_VERSION})
