"""The number cache on SQLite, and notices inside one process.

Other processes learn of changes by `ReportStore.change_token`.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, and_, bindparam, delete, select

from rerund.stores.database import Database
from rerund.stores.ports import StoreError
from rerund.stores.rows import upsert

log = structlog.get_logger(__name__)

metadata = MetaData()

sample_rerun_numbers = Table(
    "sample_rerun_numbers",
    metadata,
    Column("lab_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lab_report_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)
_c = sample_rerun_numbers.c
_OF_REPORT = and_(_c.lab_id == bindparam("lab"), _c.lab_report_id == bindparam("report"))
_NUMBER = select(_c.number).where(_OF_REPORT)
_REMOVE = delete(sample_rerun_numbers).where(_OF_REPORT)
_PUT = upsert(sample_rerun_numbers, "sqlite")


class EmbeddedNumberCache:
    """`NumberCache` in a SQLite file, which may be that of the report store."""

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._subscribers: dict[int, list[Callable[[], None]]] = defaultdict(list)
        with database.write() as connection:
            metadata.create_all(connection)

    def publish(self, lab_id: int, numbers: Mapping[int, int | None]) -> None:
        """Set the active number per report; None removes it. Does not raise."""
        active = [
            {"lab_id": lab_id, "lab_report_id": report, "number": number}
            for report, number in numbers.items()
            if number is not None
        ]
        gone = [{"lab": lab_id, "report": r} for r, number in numbers.items() if number is None]
        try:
            with self._database.write() as connection:
                if active:
                    connection.execute(_PUT, active)
                if gone:
                    connection.execute(_REMOVE, gone)
        except StoreError as error:
            log.warning("number cache not updated", lab_id=lab_id, reason=str(error))

    def active_number(self, lab_id: int, lab_report_id: int) -> int | None:
        """The active number, None when there is none or it is not known. Does not raise."""
        try:
            with self._database.read() as connection:
                of_report = {"lab": lab_id, "report": lab_report_id}
                return connection.execute(_NUMBER, of_report).scalar_one_or_none()
        except StoreError as error:
            log.warning("number cache not read", lab_id=lab_id, reason=str(error))
            return None

    def notify(self, lab_id: int) -> None:
        """Say that the waiting list of the lab changed."""
        with self._lock:
            subscribers = list(self._subscribers[lab_id])
        for notice in subscribers:
            notice()

    def subscribe(self, lab_id: int, notice: Callable[[], None]) -> Callable[[], None]:
        """Call `notice` (from any thread) after each `notify`; answers the unsubscribe call."""
        with self._lock:
            self._subscribers[lab_id].append(notice)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers[lab_id].remove(notice)

        return unsubscribe

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
