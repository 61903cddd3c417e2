"""Bringing the tables of a report store to the newest version. The only user of Alembic."""

from pathlib import Path

import msgspec
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from rerund.stores.database import Database
from rerund.stores.schema import SCHEMA_VERSION
from rerund.stores.versions import StoreVersionError, found_version

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaStatus(msgspec.Struct, frozen=True):
    """The version of the tables (None: there are none) and the one this rerund needs."""

    found: str | None
    expected: str = SCHEMA_VERSION

    @property
    def current(self) -> bool:
        """Whether a daemon would start on it."""
        return self.found == self.expected


def status(database: Database) -> SchemaStatus:
    """Which version the tables are of. Raises StoreUnavailable."""
    with database.read() as connection:
        return SchemaStatus(found_version(connection))


def upgrade(database: Database, to: str = "head") -> SchemaStatus:
    """Run what is missing up to a version, the newest; on SQLite all of it or nothing.

    Raises StoreVersionError for a version that this rerund does not know, StoreUnavailable.
    """
    with database.write() as connection:
        try:
            command.upgrade(_config(connection), to)
        except CommandError:
            raise StoreVersionError(database.name, found_version(connection)) from None
        return SchemaStatus(found_version(connection))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
