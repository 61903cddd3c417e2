"""The embedded stores: all three, and the lab's own tables, in one SQLite file."""

from pathlib import Path
from types import TracebackType
from typing import Self

from rerund.rerun.service_stores import Stores
from rerund.stores.database import BUSY_TIMEOUT, Database
from rerund.stores.documents import EmbeddedRerunStore
from rerund.stores.lab_tables import LabTables
from rerund.stores.numbers import EmbeddedNumberCache
from rerund.stores.relational import RelationalReportStore
from rerund.stores.versions import prepare


class EmbeddedStores:
    """The open stores of one file. Several processes may have the same file open."""

    def __init__(self, database: Database):
        self._database = database
        prepare(database)
        self.stores = Stores(
            RelationalReportStore(database),
            EmbeddedRerunStore(database),
            EmbeddedNumberCache(database),
        )
        self.lab = LabTables(database)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_embedded(path: Path, busy_timeout: float = BUSY_TIMEOUT) -> EmbeddedStores:
    """Open the stores in a file, made when there is none; `busy_timeout` in seconds.

    Raises StoreVersionError for tables of another version, StoreUnavailable for a file
    that cannot be opened or is being written to for too long.
    """
    return EmbeddedStores(Database(path, "store", busy_timeout))
