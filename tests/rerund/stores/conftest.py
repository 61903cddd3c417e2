"""The contract of the stores runs on every factory here; a new implementation adds one line."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rerund.rerun.service_stores import Stores
from rerund.stores.ports import NumberCache, ReportStore, RerunStore
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase
from tests.rerund.stores_at import Lims, open_embedded, settings_of, stores_at
from tests.servers.certificates import Certificates

Opened = tuple[Stores, Callable[..., None]]


@contextmanager
def in_one_file(settings: StoreSettings) -> Iterator[Opened]:
    path = Path(settings.path) / "store.db"
    database = SqliteDatabase(path, "lims")
    with open_embedded(path) as opened:
        yield opened.stores, Lims(database)
    database.close()


Opener = Callable[[StoreSettings], AbstractContextManager[Opened]]

FACTORIES: dict[str, tuple[Opener, tuple[str, ...]]] = {
    "embedded in three files": (stores_at, ()),
    "embedded in one file": (in_one_file, ()),
    "MariaDB + MongoDB wire + Redis": (stores_at, ("mysql", "mongodb", "redis")),
    "MariaDB + embedded + embedded": (stores_at, ("mysql",)),
    "embedded + MongoDB wire + embedded": (stores_at, ("mongodb",)),
    "embedded + embedded + Redis": (stores_at, ("redis",)),
}
"""How the stores are opened, and which of them are on servers."""


@pytest.fixture(params=FACTORIES.values(), ids=list(FACTORIES))
def factory(request, servers, tmp_path) -> Iterator[Callable[[], AbstractContextManager[Opened]]]:
    opener, on_servers = request.param
    with settings_of(servers, tmp_path, *on_servers) as settings:
        yield lambda: opener(settings)


@pytest.fixture
def opened(factory) -> Iterator[Opened]:
    with factory() as opened:
        yield opened


@pytest.fixture
def lims(opened) -> Callable[..., None]:
    return opened[1]


@pytest.fixture
def reports(opened) -> ReportStore:
    return opened[0].reports


@pytest.fixture
def reruns(opened) -> RerunStore:
    return opened[0].reruns


@pytest.fixture
def numbers(opened) -> NumberCache:
    return opened[0].numbers


@pytest.fixture
def beside(factory, opened) -> Iterator[Stores]:
    """The same stores as another process has them open."""
    with factory() as (stores, _):
        yield stores


@pytest.fixture
def database(tmp_path) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "store.db", "store", busy_timeout=0.05)
    yield database
    database.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))
