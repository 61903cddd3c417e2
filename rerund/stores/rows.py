"""Records to rows and back: columns are named as the fields of the records."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection, Label, Select, Table
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.sql.dml import Insert

from rerund.stores.types import SERVERS

R = TypeVar("R", bound=msgspec.Struct)


def field_columns(
    table: Table, record: type[msgspec.Struct], leave_out: Iterable[str] = ()
) -> list[Label[Any]]:
    """The columns of a table that are fields of a record, under the names of the fields."""
    names = [name for name in record.__struct_fields__ if name not in leave_out]
    return [table.c[name].label(name) for name in names]


def as_row(record: msgspec.Struct, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a record as the parameters of an insert."""
    row = msgspec.structs.asdict(record)
    for name in leave_out:
        del row[name]
    return row


class Query(Generic[R]):
    """A statement built once, whose rows are read as records."""

    def __init__(self, record: type[R], statement: Select[Any]):
        self._record = record
        self._statement = statement
        self._names = tuple(column.name for column in statement.selected_columns)

    def all(self, connection: Connection, **parameters: Any) -> list[R]:
        """Every row, in the order of the statement."""
        record, names = self._record, self._names
        rows = connection.execute(self._statement, parameters)
        return [record(**dict(zip(names, row, strict=True))) for row in rows]


def upsert(table: Table, dialect: str) -> Insert:
    """An insert that replaces everything but the key of a row that is there already.

    MySQL's own words for it differ; INSERT IGNORE would also swallow what does not fit.
    """
    names = [c.key for c in table.columns if not c.primary_key]
    if dialect in SERVERS:
        statement = mysql.insert(table)
        return statement.on_duplicate_key_update({n: statement.inserted[n] for n in names})
    insert = sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={n: insert.excluded[n] for n in names}
    )
