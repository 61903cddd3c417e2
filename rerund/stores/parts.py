"""The schema of every store that is configured, for the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rerund.stores import migrate
from rerund.stores.database import Database
from rerund.stores.migrate import SchemaStatus
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase


class PartStatus(msgspec.Struct, frozen=True):
    """One store: which it is, where, and its version; both are None where there is none."""

    part: str
    place: str
    found: str | None = None
    expected: str | None = None

    @property
    def current(self) -> bool:
        """Whether a daemon would start on it."""
        return self.found == self.expected


def status(settings: StoreSettings) -> list[PartStatus]:
    """Look at every store. Raises StoreUnavailable."""
    return _parts(settings, migrate.status)


def upgrade(settings: StoreSettings) -> list[PartStatus]:
    """Bring every store to this version. Raises StoreVersionError, StoreUnavailable."""
    return _parts(settings, migrate.upgrade)


def _parts(
    settings: StoreSettings, of_reports: Callable[[Database], SchemaStatus]
) -> list[PartStatus]:
    places = settings.places
    with _report_database(settings) as database:
        reports = of_reports(database)
    return [
        PartStatus("reports", places["reports"], reports.found, reports.expected),
        # Embedded, their tables are made when they are opened and have no version.
        PartStatus("reruns", places["reruns"]),
        PartStatus("numbers", places["numbers"]),
    ]


@contextmanager
def _report_database(settings: StoreSettings) -> Iterator[Database]:
    database: Database
    if settings.mysql is None:
        database = SqliteDatabase(Path(settings.path), "store")
    else:
        from rerund.stores.mysql_database import MysqlDatabase

        database = MysqlDatabase(settings.mysql)
    try:
        yield database
    finally:
        database.close()
