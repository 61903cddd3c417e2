"""SQL for many rows at once.

sqlite3 gives up the interpreter lock around every statement and takes it back in
competition with the event loop: a batch has to be few statements, not many rows.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

Row = Sequence[Any]

CHUNK = 64
"""Rows a statement, so that few texts are prepared and all of them stay prepared."""


def insert(db: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows that have every column of a table, in its order."""
    for chunk in _chunks(rows):
        sql = _insert_sql(table, len(chunk), len(chunk[0]))
        db.execute(sql, list(chain.from_iterable(chunk)))


def update(
    db: sqlite3.Connection, table: str, key: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Update rows by key; each row is its key and then the values of `columns`."""
    for chunk in _chunks(rows):
        sql = _update_sql(table, key, columns, len(chunk))
        db.execute(sql, list(chain.from_iterable(chunk)))


def _chunks(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def values(rows: int, columns: int) -> str:
    """Return the VALUES list for rows of parameters."""
    row = "(" + ",".join("?" * columns) + ")"
    return "VALUES " + ",".join([row] * rows)


@lru_cache(maxsize=1024)
def _insert_sql(table: str, rows: int, columns: int) -> str:
    return f"INSERT INTO {table} {values(rows, columns)}"


@lru_cache(maxsize=1024)
def _update_sql(table: str, key: str, columns: tuple[str, ...], rows: int) -> str:
    changes = ", ".join(f"{name} = v.column{n}" for n, name in enumerate(columns, 2))
    source = values(rows, len(columns) + 1)
    return f"UPDATE {table} SET {changes} FROM ({source}) AS v WHERE {table}.{key} = v.column1"
