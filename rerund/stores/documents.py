"""The rerun store on SQLite: documents as JSON, with the unique keys of a document store."""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.stores.database import Database
from rerund.stores.failures import DuplicateKey
from rerund.stores.order import rerun_order, takes_the_active_key, value_order
from rerund.stores.ports import StoreRejected
from rerund.stores.types import Json

metadata = MetaData()

D = TypeVar("D", SampleRerun, SampleRerunValues)

_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_LAB: BindParameter[Any] = bindparam("lab")

_KEY_FIELDS = ("lab_id", "lab_report_id", "rerun_number", "version", "deleted_at")


def _table(name: str, body: Json[Any], *own: Any) -> Table:
    return Table(
        name,
        metadata,
        Column("_id", Text, primary_key=True),
        Column("lab_id", BigInteger, nullable=False),
        Column("lab_report_id", BigInteger, nullable=False),
        Column("rerun_number", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("deleted_at", BigInteger),
        Column("body", body, nullable=False),
        *own,
        sqlite_with_rowid=False,
    )


sample_rerun = _table(
    "sample_rerun",
    Json(SampleRerun),
    Column("run_key", Text, nullable=False),
    Column("active_of", Text, nullable=False),
    UniqueConstraint("lab_id", "lab_report_id", "rerun_number", name="uq_rerun_number"),
    UniqueConstraint("lab_id", "lab_report_id", "run_key", name="uq_rerun_run_key"),
    UniqueConstraint("lab_id", "active_of", name="uq_rerun_active_of"),
)
sample_rerun_values = _table(
    "sample_rerun_values",
    Json(SampleRerunValues),
    Column("index", Integer, nullable=False),
    Column("replicate", Integer, nullable=False),
    UniqueConstraint(
        "lab_id", "lab_report_id", "rerun_number", "index", "replicate", name="uq_rerun_value"
    ),
)
for _documents in (sample_rerun, sample_rerun_values):
    _when = _documents.c.deleted_at
    Index(f"ix_{_documents.name}_deleted", _when, sqlite_where=_when.is_not(None))


class _Collection(Generic[D]):
    """One kind of document. `own` are the attributes that are columns of this kind only."""

    def __init__(self, table: Table, own: Sequence[str], order: Callable[[D], tuple[int, ...]]):
        self._table = table
        self._columns = (*_KEY_FIELDS, *own)
        self._order: Callable[[D], tuple[int, ...]] = order
        of_reports = (table.c.lab_id == _LAB, table.c.lab_report_id.in_(_KEYS))
        self._alive = select(table.c.body).where(*of_reports, table.c.deleted_at.is_(None))
        self._versions = select(table.c["_id"], table.c.version).where(table.c["_id"].in_(_KEYS))
        changed: dict[str, BindParameter[Any]] = {
            name: bindparam(name) for name in (*self._columns, "body")
        }
        self._insert = insert(table)
        self._replace = update(table).where(table.c["_id"] == bindparam("key")).values(changed)

    def alive(self, connection: Connection, lab_id: int, keys: Collection[int]) -> list[D]:
        """The documents of these reports, tombstones left out."""
        parameters = {"lab": lab_id, "keys": list(keys)}
        found: Iterable[D] = connection.scalars(self._alive, parameters)
        return sorted(found, key=self._order)

    def apply(self, connection: Connection, documents: Sequence[D]) -> None:
        """Write each document unless the stored one is as new, in the order given."""
        if not documents:
            return
        keys = {"keys": [document.id for document in documents]}
        stored = {row[0]: row[1] for row in connection.execute(self._versions, keys)}
        due = [one for one in documents if stored.get(one.id, -1) < one.version]
        for is_stored, some in groupby(due, key=lambda one: one.id in stored):
            rows = [{("key" if is_stored else "_id"): one.id, **self._row(one)} for one in some]
            connection.execute(self._replace if is_stored else self._insert, rows)

    def _row(self, document: D) -> dict[str, Any]:
        return {"body": document, **{name: getattr(document, name) for name in self._columns}}

    def purge(self, connection: Connection, deleted_before: float) -> int:
        """Remove tombstones older than this."""
        old = delete(self._table).where(self._table.c.deleted_at < deleted_before)
        return connection.execute(old).rowcount


_RERUNS: _Collection[SampleRerun] = _Collection(sample_rerun, ("run_key", "active_of"), rerun_order)
_VALUES: _Collection[SampleRerunValues] = _Collection(
    sample_rerun_values, ("index", "replicate"), value_order
)


class EmbeddedRerunStore:
    """`RerunStore` in a SQLite file, which may be that of the report store."""

    def __init__(self, database: Database):
        self._database = database
        with database.write() as connection:
            metadata.create_all(connection)

    def reruns(self, lab_id: int, lab_report_ids: Collection[int]) -> list[SampleRerun]:
        """The reruns of these reports, by report and number."""
        return self._alive(_RERUNS, lab_id, lab_report_ids)

    def values(self, lab_id: int, lab_report_ids: Collection[int]) -> list[SampleRerunValues]:
        """The rerun values of these reports, by report, order, number and replicate."""
        return self._alive(_VALUES, lab_id, lab_report_ids)

    def _alive(self, documents: _Collection[D], lab_id: int, keys: Collection[int]) -> list[D]:
        if not keys:
            return []
        with self._database.read() as connection:
            return documents.alive(connection, lab_id, keys)

    def apply(self, reruns: Sequence[SampleRerun], values: Sequence[SampleRerunValues]) -> None:
        """Write each document unless the stored one has the same or a higher version."""
        ordered = sorted(reruns, key=takes_the_active_key)
        try:
            with self._database.write() as connection:
                _RERUNS.apply(connection, ordered)
                _VALUES.apply(connection, values)
        except DuplicateKey:
            raise StoreRejected(self._database.name, "duplicate key") from None

    def purge(self, deleted_before: float) -> int:
        """Remove tombstones older than this (Unix seconds); answers how many."""
        with self._database.write() as connection:
            return sum(kind.purge(connection, deleted_before) for kind in (_RERUNS, _VALUES))

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
