"""The writes that registering payloads makes, recorded, and made again row by row."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

Write = tuple[str, tuple[Any, ...]]
"""A statement and the parameters of one row."""


@contextmanager
def recording() -> Iterator[list[Write]]:
    """Yield a list that gets every write of this process, one per row."""
    writes: list[Write] = []

    def hear(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if statement.split(None, 1)[0] in ("INSERT", "UPDATE", "DELETE"):
            rows = parameters if many else [parameters]
            writes.extend((statement, tuple(row)) for row in rows)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield writes
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def write_one_at_a_time(store: Path, journal: Path, writes: Sequence[Write], keys: range) -> None:
    """Make writes on SQLite, each row committed by itself, then mark each payload delivered."""
    db = sqlite3.connect(store, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    for statement, parameters in writes:
        db.execute(statement, parameters)
    db.close()
    db = sqlite3.connect(journal, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    for key in keys:
        db.execute("UPDATE payload SET state = 'delivered' WHERE payload_key = ?", (key,))
    db.close()
