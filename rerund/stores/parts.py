"""The schema of every store that is configured, for the command line."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rerund.hindrance import hindrance
from rerund.stores import migrate
from rerund.stores.database import Database
from rerund.stores.migrate import SchemaStatus
from rerund.stores.ports import StoreError, StoreUnavailable
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from rerund.stores.mongodb import MongodbRerunStore


class PartStatus(msgspec.Struct, frozen=True):
    """One store: which it is, where, and its version; both are None where there is none.

    `missing` names the indexes that a document store lacks, `problem` says why a store could
    not be looked at, `changed` whether an upgrade did anything, `note` what else there is to
    say. A daemon works without one that is not `needed`.
    """

    part: str
    place: str
    found: str | None = None
    expected: str | None = None
    missing: tuple[str, ...] = ()
    problem: str | None = None
    changed: bool = False
    note: str = ""
    needed: bool = True

    @property
    def current(self) -> bool:
        """Whether a daemon would start on it."""
        if not self.needed:
            return True
        return self.problem is None and self.found == self.expected and not self.missing


def status(settings: StoreSettings) -> list[PartStatus]:
    """Look at every store, also when another one can not be."""
    return _parts(settings, migrate.status, lambda reruns: None, makes=False)


def upgrade(settings: StoreSettings) -> list[PartStatus]:
    """Bring every store to this version, also when another one can not be."""
    return _parts(settings, migrate.upgrade, lambda reruns: reruns.create_indexes(), makes=True)


def _parts(
    settings: StoreSettings,
    of_reports: Callable[[Database], SchemaStatus],
    of_reruns: Callable[["MongodbRerunStore"], None],
    *,
    makes: bool,
) -> list[PartStatus]:
    looks: dict[str, Callable[[str], PartStatus]] = {
        "reports": lambda place: _reports(settings, place, of_reports, makes=makes),
        "reruns": lambda place: _reruns(settings, place, of_reruns),
        "numbers": lambda place: _numbers(settings, place),
    }
    return [_looked_at(part, settings.places[part], look) for part, look in looks.items()]


def _looked_at(part: str, place: str, look: Callable[[str], PartStatus]) -> PartStatus:
    try:
        return look(place)
    except StoreError as error:
        return PartStatus(part, place, problem=str(error))


def _reports(
    settings: StoreSettings,
    place: str,
    act: Callable[[Database], SchemaStatus],
    *,
    makes: bool,
) -> PartStatus:
    with _report_database(settings, makes=makes) as database:
        before = migrate.status(database).found
        after = act(database)
    return PartStatus("reports", place, after.found, after.expected, changed=before != after.found)


def _reruns(
    settings: StoreSettings, place: str, act: Callable[["MongodbRerunStore"], None]
) -> PartStatus:
    if settings.mongodb is None:
        return PartStatus("reruns", place, note=_EMBEDDED)
    from rerund.stores.mongodb import MongodbRerunStore

    with closing(MongodbRerunStore(settings.mongodb)) as reruns:
        before = reruns.missing_indexes()
        act(reruns)
        missing = reruns.missing_indexes()
    note = "" if missing else "every index is there"
    return PartStatus("reruns", place, missing=tuple(missing), changed=before != missing, note=note)


def _numbers(settings: StoreSettings, place: str) -> PartStatus:
    if settings.redis is None:
        return PartStatus("numbers", place, note=_EMBEDDED, needed=False)
    from rerund.stores.redis_cache import RedisNumberCache

    with closing(RedisNumberCache(settings.redis)) as numbers:
        problem = numbers.problem()
    if problem is not None:
        problem = f"does not answer ({problem}); daemons work without it"
    note = "answers; there is nothing to upgrade in it"
    return PartStatus("numbers", place, problem=problem, note=note, needed=False)


_EMBEDDED = "embedded: made when it is opened, nothing to upgrade"


@contextmanager
def _report_database(settings: StoreSettings, *, makes: bool) -> Iterator[Database]:
    """Open the database of the reports; an embedded one is made only when it may be."""
    database: Database
    if settings.mysql is None:
        path = Path(settings.path)
        if not (makes or hindrance(path) or path.exists()):
            reason = f"{path} does not exist; a daemon makes it at its first start"
            raise StoreUnavailable("store", reason)
        database = SqliteDatabase(path, "store")
    else:
        from rerund.stores.mysql_database import MysqlDatabase

        database = MysqlDatabase(settings.mysql)
    try:
        yield database
    finally:
        database.close()
