"""What one relational transaction writes: the compare-and-set first, then the rows."""

from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Table,
    Update,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from rerund.rerun.records import (
    NO_REPORT,
    ActivityRow,
    EventRow,
    LedgerRow,
    ReportUpdate,
    ReportValue,
    Transaction,
    WaitingRow,
)
from rerund.stores.ports import StaleReport
from rerund.stores.prepared import Prepared, fields
from rerund.stores.report_queries import OF_THE_REPORT
from rerund.stores.rows import upsert
from rerund.stores.schema import (
    activity_log,
    device_payload,
    device_results,
    lab_report_relation,
    report_values,
    rerun_event,
    waiting_list,
)

_r = lab_report_relation.c
_GUARDS = (
    "lab_id",
    "lab_report_id",
    "expected_version",
    "expected_flag",
    "is_completed",
    "is_signed",
)
_NEW = ("rerun_version", "flag", "last_rerun_number", "auto_rerun_indexes")

# A LIMS that completed or signed meanwhile changed the report too. The signature is written as
# it was compared, unless it is taken back.
_COMPARE_AND_SET = (
    update(lab_report_relation)
    .where(
        _r.lab_id == bindparam("guard_lab_id"),
        _r.lab_report_id == bindparam("guard_lab_report_id"),
        _r.rerun_version == bindparam("guard_expected_version"),
        _r.flag == bindparam("guard_expected_flag"),
        _r.is_completed == bindparam("guard_is_completed"),
        _r.is_signed == bindparam("guard_is_signed"),
    )
    .values(
        {name: bindparam(name) for name in (*_NEW, "is_signed")}
        | {"results_checked": or_(_r.results_checked, bindparam("checked", type_=Boolean()))}
    )
)

_LEDGER = {**fields(LedgerRow, ["row_id", "origin"]), "payload_id": "origin.payload_id"}
_PAYLOAD = {"lab_id": "lab_id", "payload_id": "origin.payload_id", "origin": "origin"}

# A row may be rewritten where it is, or get its place. One that another daemon has
# placed meanwhile is left alone.
_REWRITE: Update = (
    update(device_results)
    .where(
        device_results.c.lab_id == bindparam("guard_lab_id"),
        device_results.c.row_id == bindparam("guard_row_id"),
        device_results.c.lab_report_id.in_([NO_REPORT, bindparam("guard_lab_report_id")]),
    )
    .values({name: bindparam(name) for name in _LEDGER})
)

_w = waiting_list.c
_LOCK_WAITING = (
    select(_w.lab_report_id, _w.device_id, _w.rerun_number, _w.version)
    .where(_w.lab_id == bindparam("lab"), _w.lab_report_id.in_(bindparam("keys", expanding=True)))
    .order_by(_w.lab_report_id, _w.device_id, _w.rerun_number)
    .with_for_update()
)


class Commit:
    """Writes transactions in the dialect of one database."""

    def __init__(self, dialect: Dialect):
        def put(table: Table, sources: dict[str, str]) -> Prepared:
            return Prepared(upsert(table, dialect.name), sources, dialect)

        def add(table: Table, sources: dict[str, str]) -> Prepared:
            return Prepared(insert(table), sources, dialect)

        self._put_payloads = put(device_payload, _PAYLOAD)
        self._put_values = put(report_values, fields(ReportValue))
        self._add_waiting = add(waiting_list, fields(WaitingRow, OF_THE_REPORT))
        self._put_waiting = put(waiting_list, fields(WaitingRow, OF_THE_REPORT))
        self._add_events = add(rerun_event, fields(EventRow))
        self._add_results = add(device_results, _LEDGER)
        self._add_activity = add(activity_log, fields(ActivityRow))

    def __call__(self, connection: Connection, transaction: Transaction) -> None:
        """Write everything. Raises StaleReport or DuplicateKey; the caller takes it all back."""
        _set_reports(connection, transaction.reports)
        self._add_events(connection, transaction.events)
        self._write_ledger(connection, transaction.ledger)
        self._put_values(connection, transaction.values)
        self._write_waiting(connection, transaction.waiting)
        self._add_activity(connection, transaction.activity)

    def _write_ledger(self, connection: Connection, ledger: list[LedgerRow]) -> None:
        payloads = {(row.lab_id, row.origin.payload_id): row for row in ledger}
        self._put_payloads(connection, list(payloads.values()))
        old = [_rewritten(row) for row in ledger if row.row_id is not None]
        if old and connection.execute(_REWRITE, old).rowcount != len(old):
            raise StaleReport(ledger[0].lab_id)
        self._add_results(connection, [row for row in ledger if row.row_id is None])

    def _write_waiting(self, connection: Connection, rows: list[WaitingRow]) -> None:
        there = _lock_waiting(connection, rows)
        new: list[WaitingRow] = []
        changed: list[WaitingRow] = []
        for row in rows:
            version = there.get(_waiting_key(row))
            if version is not None and version != row.version - 1:
                raise StaleReport(row.lab_id, row.lab_report_id)
            (new if version is None else changed).append(row)
        self._add_waiting(connection, new)
        self._put_waiting(connection, changed)


def _waiting_key(row: WaitingRow) -> tuple[int, int, str, int]:
    return row.lab_id, row.lab_report_id, row.device_id, row.rerun_number


def _lock_waiting(
    connection: Connection, rows: list[WaitingRow]
) -> dict[tuple[int, int, str, int], int]:
    """Keep every waiting row of these reports as it is until the end; answers the versions.

    One statement for all of them: a server is asked for each update of many.
    """
    there: dict[tuple[int, int, str, int], int] = {}
    for lab_id in sorted({row.lab_id for row in rows}):
        reports = sorted({row.lab_report_id for row in rows if row.lab_id == lab_id})
        found = connection.execute(_LOCK_WAITING, {"lab": lab_id, "keys": reports})
        there |= {(lab_id, *row[:3]): row[3] for row in found}
    return there


def _set_reports(connection: Connection, reports: list[ReportUpdate]) -> None:
    if not reports:
        return
    # In one order everywhere, so that two daemons never wait for each other's rows.
    ordered = sorted(reports, key=lambda report: (report.lab_id, report.lab_report_id))
    written = connection.execute(_COMPARE_AND_SET, [_compared(report) for report in ordered])
    if written.rowcount != len(reports):
        only = reports[0].lab_report_id if len(reports) == 1 else None
        raise StaleReport(reports[0].lab_id, only)


def _compared(report: ReportUpdate) -> dict[str, Any]:
    row = msgspec.structs.asdict(report)
    guards = {f"guard_{name}": row[name] for name in _GUARDS}
    signed = report.is_signed and not report.take_back_signature
    new = {name: row[name] for name in _NEW}
    return {**guards, **new, "is_signed": signed, "checked": report.results_checked}


def _rewritten(row: LedgerRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _LEDGER if name != "payload_id"}
    guards = {
        "guard_lab_id": row.lab_id,
        "guard_row_id": row.row_id,
        "guard_lab_report_id": row.lab_report_id,
    }
    return {**values, "payload_id": row.origin.payload_id, **guards}
