"""The contract of the stores runs on every factory here; a new implementation adds one line."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from rerund.rerun.service_stores import Stores
from rerund.stores.database import Database
from rerund.stores.embedded import open_embedded
from rerund.stores.ports import NumberCache, ReportStore, RerunStore
from tests.rerund.stores_at import Lims, embedded

Opened = tuple[Stores, Callable[..., None]]


@contextmanager
def in_one_file(directory: Path) -> Iterator[Opened]:
    path = directory / "store.db"
    database = Database(path, "lims")
    with open_embedded(path) as opened:
        yield opened.stores, Lims(database)
    database.close()


FACTORIES: dict[str, Callable[[Path], AbstractContextManager[Opened]]] = {
    "embedded in three files": embedded,
    "embedded in one file": in_one_file,
}


@pytest.fixture(params=FACTORIES.values(), ids=list(FACTORIES))
def factory(request) -> Callable[[Path], AbstractContextManager[Opened]]:
    return request.param


@pytest.fixture
def opened(factory, tmp_path) -> Iterator[Opened]:
    with factory(tmp_path) as opened:
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
def beside(factory, opened, tmp_path) -> Iterator[Stores]:
    """The same stores as another process has them open."""
    with factory(tmp_path) as (stores, _):
        yield stores


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    database = Database(tmp_path / "store.db", "store", busy_timeout=0.05)
    yield database
    database.close()
