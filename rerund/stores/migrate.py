"""Bringing the tables of a report store to the newest version. The only user of Alembic."""

from pathlib import Path

import msgspec
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
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


def upgrade(database: Database, to: str = SCHEMA_VERSION) -> SchemaStatus:
    """Run what is missing up to a version, the newest; each revision in its own transaction.

    On SQLite a revision is made whole or not at all. A server keeps every table that it has
    made; upgrading again goes on from there. Raises StoreVersionError for a version that this
    rerund does not know, StoreUnavailable.
    """
    for revision in _revisions(to):
        with database.exclusive() as connection:
            try:
                command.upgrade(_config(connection), revision)
            except CommandError:
                raise StoreVersionError(database.name, found_version(connection)) from None
    return status(database)


def _revisions(to: str) -> list[str]:
    """Return every revision up to one, the first one first."""
    script = ScriptDirectory(str(MIGRATIONS))
    return [revision.revision for revision in script.walk_revisions(head=to)][::-1]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
