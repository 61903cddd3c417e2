"""What a LIMS writes, for a lab without one: formats, instruments, mappings and reports.

Writing the same again changes nothing, not even the version of the lab data.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from rerund.rerun.records import LabData, ReportRow
from rerund.stores.database import Database
from rerund.stores.failures import DuplicateKey
from rerund.stores.parameters import encode_meta, encode_ranges
from rerund.stores.ports import StoreUnavailable
from rerund.stores.rows import Query, as_row, field_columns
from rerund.stores.schema import (
    device,
    device_format_mapping,
    lab_report_relation,
    report_format,
    report_format_parameter,
    waiting_list,
)
from rerund.stores.types import whole_instant

Row = dict[str, Any]
A = TypeVar("A")

ATTEMPTS = 5
"""How often rows are written again that somebody else wrote at the same time."""

_r = lab_report_relation.c
_OF_ORDER = ("sample_id", "report_format_id")
_OF_WAITING = ("requested", "priority")
_p, _w = report_format_parameter.c, waiting_list.c
_INDEXES = (
    select(_p.index)
    .where(_p.lab_id == bindparam("lab"), _p.report_format_id == bindparam("format"))
    .order_by(_p.index)
)
_IS_AWAITED = select(_w.rerun_number).where(
    _w.lab_id == bindparam("lab"), _w.lab_report_id == bindparam("report"), _w.rerun_number == 0
)


class Order(msgspec.Struct, kw_only=True, frozen=True):
    """A report to register. Without `lab_report_id` it gets the lab's next, without
    `registered_at` (ISO 8601) it is registered now. `requested` are the indexes that the
    instruments are to measure; None is every parameter of the format.
    """

    sample_id: str
    report_format_id: int
    lab_report_id: int | None = None
    registered_at: str | None = None
    requested: list[int] | None = None
    priority: str | None = None
    patient_id: str | None = None
    patient_name: str | None = None
    sex: str | None = None
    birth_date: str | None = None


class OrderClash(Exception):  # noqa: N818 - says what is the case
    """A report of this id is registered for another sample or format."""

    def __init__(self, lab_report_id: int):
        super().__init__(lab_report_id)
        self.lab_report_id = lab_report_id

    def __str__(self) -> str:
        return f"report {self.lab_report_id} is registered for another sample or format"


class Changes(msgspec.Struct):
    """How many rows of one kind a load has added, changed, removed and found as they are."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


class LabChanges(msgspec.Struct):
    """What a load did, by kind."""

    formats: Changes
    parameters: Changes
    devices: Changes
    mappings: Changes
    reports: Changes


class LabTables:
    """Writes the lab's own tables. May be used beside a running daemon."""

    def __init__(self, database: Database):
        self._database = database

    def write(self, lab: LabData, orders: Sequence[Order] = ()) -> LabChanges:
        """Write formats, instruments, mappings and reports, all or nothing.

        The parameters of each format given and the mappings of each instrument given are
        replaced whole; formats and instruments that are not given stay as they are. Raises
        OrderClash, StoreUnavailable, StoreRejected.
        """
        formats = [form.report_format_id for form in lab.formats]
        devices = [one.device_id for one in lab.devices]

        def attempt(connection: Connection) -> LabChanges:
            sync = _Sync(connection, lab.lab_id)
            return LabChanges(
                formats=sync.rows(report_format, _format_rows(lab)),
                parameters=sync.rows(
                    report_format_parameter,
                    _parameter_rows(lab),
                    report_format_parameter.c.report_format_id.in_(formats),
                ),
                devices=sync.rows(device, map(as_row, lab.devices)),
                mappings=sync.rows(
                    device_format_mapping,
                    ({"lab_id": lab.lab_id, **as_row(mapping)} for mapping in lab.mappings),
                    device_format_mapping.c.device_id.in_(devices),
                ),
                reports=_register(connection, lab.lab_id, orders)[0],
            )

        return self._alone(attempt)

    def register(self, lab_id: int, order: Order) -> int:
        """Register one report; answers its `lab_report_id`. Raises OrderClash."""
        return self._alone(lambda connection: _register(connection, lab_id, [order])[1][0])

    def _alone(self, attempt: Callable[[Connection], A]) -> A:
        """Read and write with no other rerund doing so; a LIMS may add the same row meanwhile."""
        for _ in range(ATTEMPTS):
            try:
                with self._database.exclusive() as connection:
                    return attempt(connection)
            except DuplicateKey:
                continue
        raise StoreUnavailable(self._database.name, "too busy")

    def orders(
        self, lab_id: int, sample_id: str | None = None, limit: int = 100
    ) -> list[ReportRow]:
        """The reports of a lab or of one of its samples, newest registration first."""
        statement = _ORDERS.where(_r.lab_id == lab_id).limit(limit)
        if sample_id is not None:
            statement = statement.where(_r.sample_id == sample_id)
        with self._database.read() as connection:
            return Query(ReportRow, statement).all(connection)


_ORDERS = select(*field_columns(lab_report_relation, ReportRow)).order_by(
    _r.registered_at.desc(), _r.lab_report_id.desc()
)


def _format_rows(lab: LabData) -> Iterable[Row]:
    return (as_row(form, ["parameters"]) for form in lab.formats)


def _parameter_rows(lab: LabData) -> Iterable[Row]:
    for form in lab.formats:
        for parameter in form.parameters:
            yield {
                **as_row(parameter),
                "lab_id": lab.lab_id,
                "report_format_id": form.report_format_id,
                "ranges": encode_ranges(parameter.ranges),
                "meta": encode_meta(parameter.meta),
            }


class _Sync:
    """Makes rows of a table what they should be, touching only those that differ."""

    def __init__(self, connection: Connection, lab_id: int):
        self._connection = connection
        self._lab_id = lab_id

    def rows(
        self, table: Table, wanted: Iterable[Row], whole: ColumnElement[bool] | None = None
    ) -> Changes:
        """Insert and update; rows within `whole` that are not wanted are removed."""
        changes = Changes()
        keys = [column.key for column in table.primary_key]
        rest = self._stored(table, keys)
        at = _after(row["updated_at"] for row in rest.values())
        for row in wanted:
            old = rest.pop(tuple(row[key] for key in keys), None)
            if old is None:
                self._connection.execute(insert(table), {**row, "updated_at": at})
                changes.added += 1
            elif any(old[name] != value for name, value in row.items()):
                statement = update(table).where(_is(table, keys, row))
                self._connection.execute(statement.values({**row, "updated_at": at}))
                changes.changed += 1
            else:
                changes.unchanged += 1
        if whole is not None:
            for row in rest.values():
                gone = delete(table).where(_is(table, keys, row), whole)
                changes.removed += self._connection.execute(gone).rowcount
        return changes

    def _stored(self, table: Table, keys: list[str]) -> dict[tuple[Any, ...], Row]:
        statement = select(table).where(table.c.lab_id == self._lab_id)
        found = (dict(row) for row in self._connection.execute(statement).mappings())
        return {tuple(row[key] for key in keys): row for row in found}


def _after(stamps: Iterable[str]) -> str:
    """Now, or just after the latest stamp: no two states of a lab have the same latest one."""
    latest = max(map(datetime.fromisoformat, stamps), default=datetime.min.replace(tzinfo=UTC))
    return max(datetime.now(UTC), latest + timedelta(microseconds=1)).isoformat()


def _is(table: Table, keys: list[str], row: Row) -> ColumnElement[bool]:
    return and_(*(table.c[key] == row[key] for key in keys))


def _register(
    connection: Connection, lab_id: int, orders: Sequence[Order]
) -> tuple[Changes, list[int]]:
    changes, ids = Changes(), []
    for order in orders:
        row: Row = {"lab_id": lab_id, **as_row(order, _OF_WAITING)}
        is_new = row["lab_report_id"] is None
        if is_new:
            row["lab_report_id"] = _next_report(connection, lab_id)
        if order.registered_at is not None:
            row["registered_at"] = whole_instant(order.registered_at)
        given = {name: value for name, value in row.items() if value is not None}
        ids.append(row["lab_report_id"])
        key = and_(_r.lab_id == lab_id, _r.lab_report_id == row["lab_report_id"])
        found = select(lab_report_relation).where(key)
        # A number of our own that somebody takes meanwhile is a duplicate key: the next one then.
        old = None if is_new else connection.execute(found).mappings().one_or_none()
        if old is None:
            connection.execute(insert(lab_report_relation), given)
            _await(connection, lab_id, row["lab_report_id"], order)
            changes.added += 1
        elif any(old[name] != row[name] for name in _OF_ORDER):
            raise OrderClash(row["lab_report_id"])
        elif any(old[name] != value for name, value in given.items()):
            connection.execute(update(lab_report_relation).where(key).values(given))
            changes.changed += 1
        else:
            changes.unchanged += 1
    return changes, ids


def _await(connection: Connection, lab_id: int, lab_report_id: int, order: Order) -> None:
    """Add the original order of a new report to the waiting list."""
    requested = order.requested
    if requested is None:
        requested = list(
            connection.scalars(_INDEXES, {"lab": lab_id, "format": order.report_format_id})
        )
    row = {"lab_id": lab_id, "lab_report_id": lab_report_id, "priority": order.priority}
    # Somebody may have added it before the report: then it is as they want it.
    if (
        requested
        and connection.execute(_IS_AWAITED, {"lab": lab_id, "report": lab_report_id}).first()
        is None
    ):
        values = {**row, "requested": requested, "remaining": requested, "version": 1}
        connection.execute(insert(waiting_list), values)


def _next_report(connection: Connection, lab_id: int) -> int:
    highest = select(func.coalesce(func.max(_r.lab_report_id), 0)).where(_r.lab_id == lab_id)
    return int(connection.execute(highest).scalar_one()) + 1
