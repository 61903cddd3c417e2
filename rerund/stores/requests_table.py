"""Requests that carry a key: which is running, what was answered, for as long as it is kept.

A request is entered before it is worked on, under the event id that its change will have.
One whose process died is taken over with that id, so whatever it had committed is found.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from rerund.rerun.instants import iso, seconds
from rerund.rerun.records import Begun
from rerund.stores.database import Database
from rerund.stores.failures import Deadlock, DuplicateKey
from rerund.stores.rows import Query, field_columns
from rerund.stores.schema import http_request
from rerund.stores.types import now

_t = http_request.c
_IS_IT = (_t.lab_id == bindparam("lab"), _t.request_key == bindparam("key"))


class _Kept(msgspec.Struct):
    body_hash: str
    event_id: str
    started_at: str
    status: int | None
    answer: dict[str, object] | None


_READ = Query(_Kept, select(*field_columns(http_request, _Kept)).where(*_IS_IT))
_TAKE_OVER = (
    update(http_request)
    .where(*_IS_IT, _t.status.is_(None), _t.started_at == bindparam("stale"))
    .values(started_at=now)
)
_END = (
    update(http_request).where(*_IS_IT).values(status=bindparam("code"), answer=bindparam("said"))
)
_ABANDON = delete(http_request).where(*_IS_IT, _t.status.is_(None))
_FORGET = delete(http_request).where(_t.started_at < bindparam("before"))


class RequestsTable:
    """The table `http_request` of one database."""

    def __init__(self, database: Database):
        self._database = database

    def begin(self, of: Mapping[str, Any], stale_after: float) -> Begun:
        """Enter a request (`lab_id`, `request_key`, `body_hash`, `event_id`), or find it."""
        while True:
            try:
                with self._database.write() as connection:
                    connection.execute(insert(http_request), dict(of))
            except DuplicateKey:
                begun = self._find(of, self._database.now() - stale_after)
                if begun is not None:
                    return begun
            except Deadlock:
                continue
            else:
                return Begun("new", str(of["event_id"]))

    def _find(self, of: Mapping[str, Any], stale_before: float) -> Begun | None:
        """What a request is already; None when it was abandoned since it stood in the way."""
        with self._database.write() as connection:
            kept = _READ.all(connection, **_key(of))
            return _begun(connection, of, kept[0], stale_before) if kept else None

    def end(self, lab_id: int, request_key: str, status: int, answer: dict[str, object]) -> None:
        """Keep the answer of a request that was begun."""
        parameters = {"lab": lab_id, "key": request_key, "code": status, "said": answer}
        with self._database.write() as connection:
            connection.execute(_END, parameters)

    def abandon(self, lab_id: int, request_key: str) -> None:
        """Forget a request of which nothing came, so that it may be sent again."""
        with self._database.write() as connection:
            connection.execute(_ABANDON, {"lab": lab_id, "key": request_key})

    def forget(self, before: float) -> int:
        """Remove what was begun before (Unix seconds); answers how many."""
        with self._database.write() as connection:
            return connection.execute(_FORGET, {"before": iso(before)}).rowcount


def _key(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"lab": of["lab_id"], "key": of["request_key"]}


def _begun(connection: Connection, of: Mapping[str, Any], row: _Kept, stale_before: float) -> Begun:
    if row.body_hash != of["body_hash"]:
        return Begun("other_body", row.event_id)
    if row.status is not None:
        return Begun("done", row.event_id, row.status, row.answer)
    if seconds(row.started_at) > stale_before:
        return Begun("running", row.event_id)
    taken = connection.execute(_TAKE_OVER, {**_key(of), "stale": row.started_at})
    return Begun("new" if taken.rowcount else "running", row.event_id)
