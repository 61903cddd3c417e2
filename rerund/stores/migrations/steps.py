"""Steps of a revision that may be run again: what is there already is left as it is.

No server takes back a table that it has made, so a revision that fails half-way leaves its
first half. SQLite takes everything back; there, a table of this name is somebody else's.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from rerund.stores.types import SERVERS


def create_table(name: str, *columns: Any, **options: Any) -> None:
    """Make a table, unless a server has one of this name with these columns."""
    wanted = {column.name for column in columns if isinstance(column, sa.Column)}
    inspector = _inspector()
    if inspector is not None and inspector.has_table(name):
        found = {column["name"] for column in inspector.get_columns(name)}
        if found == wanted:
            return
    op.create_table(name, *columns, **options)


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """Make an index, unless a server has one of this name."""
    inspector = _inspector()
    if inspector is not None and name in {one["name"] for one in inspector.get_indexes(table)}:
        return
    op.create_index(name, table, columns, **options)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column, unless a server has one of this name."""
    inspector = _inspector()
    if inspector is not None and column.name in {c["name"] for c in inspector.get_columns(table)}:
        return
    op.add_column(table, column)


def put_lab_first(table: str) -> None:
    """Let the primary key of a numbered table begin with the lab, on a server."""
    inspector = _inspector()
    if inspector is None or len(inspector.get_pk_constraint(table)["constrained_columns"]) > 1:
        return
    op.execute(
        f"ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY (lab_id, row_id),"
        f" ADD KEY ix_{table}_row (row_id)"
    )


def _inspector() -> sa.Inspector | None:
    connection = op.get_bind()
    return sa.inspect(connection) if connection.dialect.name in SERVERS else None
