"""Leases of instruments: two daemons never receive from one.

An update that names whose lease it replaces decides, by the clock of the database. A released
lease keeps its owner, so that the next one knows whose results its own history lacks.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.sql.dml import Insert

from rerund.stores.database import Database
from rerund.stores.ports import Lease
from rerund.stores.schema import device
from rerund.stores.types import SERVERS, NowPlus, now

_d = device.c
_LAB: BindParameter[Any] = bindparam("lab")
_OWNER: BindParameter[Any] = bindparam("owner")
_FREE = or_(_d.lease_until.is_(None), _d.lease_until <= now)

_ALL = (
    select(_d.device_id, _d.lease_owner, _d.lease_until, _FREE.label("free"))
    .where(_d.lab_id == _LAB)
    .order_by(_d.device_id)
)
_TAKE = (
    update(device)
    .where(
        _d.lab_id == _LAB,
        _d.device_id == bindparam("device"),
        func.coalesce(_d.lease_owner, "") == bindparam("seen"),
        or_(_d.lease_owner == _OWNER, _FREE),
    )
    .values(lease_owner=_OWNER, lease_until=NowPlus(bindparam("seconds")))
)
_RELEASE = (
    update(device)
    .where(_d.lab_id == _LAB, _d.lease_owner == _OWNER, _d.lease_until > now)
    .values(lease_until=now)
)


class _Row(NamedTuple):
    owner: str | None
    until: str | None
    free: bool


_UNKNOWN = _Row(None, None, True)


class LeaseTable:
    """The lease columns of the instruments of a database."""

    def __init__(self, database: Database):
        self._database = database
        self._add = _insert_missing(database.dialect.name)

    def all(self, lab_id: int) -> list[Lease]:
        """The leases of a lab's instruments, by `device_id`."""
        return [
            Lease(device_id, not row.free, row.owner, row.until)
            for device_id, row in self._rows(lab_id).items()
        ]

    def take(
        self, lab_id: int, owner: str, devices: Mapping[str, str], seconds: float
    ) -> list[Lease]:
        """Take what is free or one's own. What is another's is read and costs no write."""
        before = self._rows(lab_id)
        seen = {device_id: before.get(device_id, _UNKNOWN) for device_id in sorted(devices)}
        wanted = [key for key, row in seen.items() if row.free or row.owner == owner]
        if not wanted:
            return [_refused(device_id, row) for device_id, row in seen.items()]
        parameters = {"lab": lab_id, "owner": owner, "seconds": seconds}
        with self._database.write() as connection:
            for device_id in wanted:
                if device_id not in before:
                    row = {"lab_id": lab_id, "device_id": device_id, "name": devices[device_id]}
                    connection.execute(self._add, row)
            # One by one and in one order everywhere, so that two daemons never lock crosswise.
            taken = {key for key in wanted if _take(connection, key, seen[key], parameters)}
            after = _read(connection, lab_id)
        return [_answer(key, seen[key], after[key], key in taken) for key in seen]

    def release(self, lab_id: int, owner: str) -> None:
        """End every lease of an owner."""
        with self._database.write() as connection:
            connection.execute(_RELEASE, {"lab": lab_id, "owner": owner})

    def _rows(self, lab_id: int) -> dict[str, _Row]:
        with self._database.read() as connection:
            return _read(connection, lab_id)


def _read(connection: Connection, lab_id: int) -> dict[str, _Row]:
    rows = connection.execute(_ALL, {"lab": lab_id})
    return {device_id: _Row(owner, until, bool(free)) for device_id, owner, until, free in rows}


def _take(connection: Connection, device_id: str, seen: _Row, parameters: dict[str, Any]) -> bool:
    asked = {**parameters, "device": device_id, "seen": seen.owner or ""}
    return connection.execute(_TAKE, asked).rowcount == 1


def _answer(device_id: str, seen: _Row, after: _Row, taken: bool) -> Lease:
    if not taken:
        return _refused(device_id, after)
    before = seen.owner if seen.owner != after.owner else None
    return Lease(device_id, True, after.owner, after.until, before)


def _refused(device_id: str, row: _Row) -> Lease:
    return Lease(device_id, False, row.owner, row.until)


def _insert_missing(dialect: str) -> Insert:
    """An insert that leaves a row as it is which another daemon was faster to add."""
    if dialect in SERVERS:
        statement = mysql.insert(device)
        return statement.on_duplicate_key_update(device_id=statement.inserted.device_id)
    return sqlite.insert(device).on_conflict_do_nothing()
