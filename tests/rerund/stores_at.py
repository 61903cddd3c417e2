"""The embedded stores as tests want them: in three files, with a LIMS at the tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rerund.rerun.records import LabData, ReportRow
from rerund.rerun.service_stores import Stores
from rerund.stores.database import Database
from rerund.stores.documents import EmbeddedRerunStore
from rerund.stores.lab_tables import LabTables
from rerund.stores.numbers import EmbeddedNumberCache
from rerund.stores.relational import RelationalReportStore
from rerund.stores.rows import as_row, upsert
from rerund.stores.schema import lab_report_relation
from rerund.stores.versions import prepare

_PUT_REPORT = upsert(lab_report_relation, "sqlite")


class Lims:
    """Writes the lab's own tables, as a LIMS would."""

    def __init__(self, database: Database):
        self._database = database

    def __call__(self, *, lab: LabData | None = None, report: ReportRow | None = None) -> None:
        if lab is not None:
            LabTables(self._database).write(lab)
        if report is not None:
            with self._database.write() as connection:
                connection.execute(_PUT_REPORT, as_row(report))


@contextmanager
def embedded(directory: Path) -> Iterator[tuple[Stores, Callable[..., None]]]:
    """Each store in a file of its own, so that no transaction can span two."""
    names = ("report", "rerun", "number")
    databases = [Database(directory / f"{name}.db", f"{name} store") for name in names]
    reports, reruns, numbers = databases
    try:
        prepare(reports)
        stores = Stores(
            RelationalReportStore(reports),
            EmbeddedRerunStore(reruns),
            EmbeddedNumberCache(numbers),
        )
        yield stores, Lims(reports)
    finally:
        for database in databases:
            database.close()
