"""The schema of every store that is configured, for the command line."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rerund.stores import migrate
from rerund.stores.database import Database
from rerund.stores.migrate import SchemaStatus
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from rerund.stores.mongodb import MongodbRerunStore


class PartStatus(msgspec.Struct, frozen=True):
    """One store: which it is, where, and its version; both are None where there is none.

    `missing` names the indexes that a document store lacks.
    """

    part: str
    place: str
    found: str | None = None
    expected: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def current(self) -> bool:
        """Whether a daemon would start on it."""
        return self.found == self.expected and not self.missing


def status(settings: StoreSettings) -> list[PartStatus]:
    """Look at every store. Raises StoreUnavailable."""
    return _parts(settings, migrate.status, lambda reruns: None)


def upgrade(settings: StoreSettings) -> list[PartStatus]:
    """Bring every store to this version. Raises StoreVersionError, StoreUnavailable."""
    return _parts(settings, migrate.upgrade, lambda reruns: reruns.create_indexes())


def _parts(
    settings: StoreSettings,
    of_reports: Callable[[Database], SchemaStatus],
    of_reruns: Callable[["MongodbRerunStore"], None],
) -> list[PartStatus]:
    places = settings.places
    with _report_database(settings) as database:
        reports = of_reports(database)
    missing: list[str] = []
    if settings.mongodb is not None:
        from rerund.stores.mongodb import MongodbRerunStore

        with closing(MongodbRerunStore(settings.mongodb)) as reruns:
            of_reruns(reruns)
            missing = reruns.missing_indexes()
    return [
        PartStatus("reports", places["reports"], reports.found, reports.expected),
        # Embedded, their tables are made when they are opened and have no version.
        PartStatus("reruns", places["reruns"], missing=tuple(missing)),
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
