"""What one relational transaction writes: the compare-and-set first, then the rows."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Update, bindparam, insert, update

from rerund.rerun.records import NO_REPORT, LedgerRow, ReportUpdate, Transaction
from rerund.stores.ports import StaleReport
from rerund.stores.report_queries import OF_THE_REPORT
from rerund.stores.rows import as_row, upsert
from rerund.stores.schema import (
    activity_log,
    device_results,
    lab_report_relation,
    report_values,
    rerun_event,
    waiting_list,
)

_r = lab_report_relation.c
_GUARDS = ("lab_id", "lab_report_id", "expected_version", "expected_flag", "is_signed")
_NEW = ("rerun_version", "flag", "last_rerun_number", "auto_rerun_indexes")

# A signature is not written, only compared: a LIMS that signed meanwhile changed the report too.
_COMPARE_AND_SET = (
    update(lab_report_relation)
    .where(
        _r.lab_id == bindparam("guard_lab_id"),
        _r.lab_report_id == bindparam("guard_lab_report_id"),
        _r.rerun_version == bindparam("guard_expected_version"),
        _r.flag == bindparam("guard_expected_flag"),
        _r.is_signed == bindparam("guard_is_signed"),
    )
    .values({name: bindparam(name) for name in _NEW})
)

# A row may be rewritten where it is, or get its place. One that another daemon has
# placed meanwhile is left alone.
_REWRITE: Update = (
    update(device_results)
    .where(
        device_results.c.row_id == bindparam("guard_row_id"),
        device_results.c.lab_report_id.in_([NO_REPORT, bindparam("guard_lab_report_id")]),
    )
    .values({name: bindparam(name) for name in LedgerRow.__struct_fields__ if name != "row_id"})
)


class Commit:
    """Writes transactions in the dialect of one database."""

    def __init__(self, dialect: str):
        self._put_value = upsert(report_values, dialect)
        self._put_waiting = upsert(waiting_list, dialect)

    def __call__(self, connection: Connection, transaction: Transaction) -> None:
        """Write everything. Raises StaleReport or DuplicateKey; the caller takes it all back."""
        self._set_reports(connection, transaction.reports)
        self._insert(connection, rerun_event, transaction.events)
        self._write_ledger(connection, transaction.ledger)
        if transaction.values:
            connection.execute(self._put_value, [as_row(row) for row in transaction.values])
        if transaction.waiting:
            rows = [as_row(row, OF_THE_REPORT) for row in transaction.waiting]
            connection.execute(self._put_waiting, rows)
        self._insert(connection, activity_log, transaction.activity)

    def _set_reports(self, connection: Connection, reports: list[ReportUpdate]) -> None:
        if not reports:
            return
        # In one order everywhere, so that two daemons never wait for each other's rows.
        ordered = sorted(reports, key=lambda report: (report.lab_id, report.lab_report_id))
        written = connection.execute(_COMPARE_AND_SET, [_compared(report) for report in ordered])
        if written.rowcount != len(reports):
            only = reports[0].lab_report_id if len(reports) == 1 else None
            raise StaleReport(reports[0].lab_id, only)

    def _write_ledger(self, connection: Connection, ledger: list[LedgerRow]) -> None:
        old = [_rewritten(row) for row in ledger if row.row_id is not None]
        if old and connection.execute(_REWRITE, old).rowcount != len(old):
            raise StaleReport(ledger[0].lab_id)
        new = [as_row(row, ["row_id"]) for row in ledger if row.row_id is None]
        if new:
            connection.execute(insert(device_results), new)

    def _insert(self, connection: Connection, table: Any, rows: Any) -> None:
        if rows:
            connection.execute(insert(table), [as_row(row) for row in rows])


def _compared(report: ReportUpdate) -> dict[str, Any]:
    row = msgspec.structs.asdict(report)
    guards = {f"guard_{name}": row[name] for name in _GUARDS}
    return {**guards, **{name: row[name] for name in _NEW}}


def _rewritten(row: LedgerRow) -> dict[str, Any]:
    fields = as_row(row, ["row_id"])
    return {**fields, "guard_row_id": row.row_id, "guard_lab_report_id": row.lab_report_id}
