"""The report store on a relational database."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BindParameter, bindparam, update

from rerund.rerun.order_notes import OrderNote
from rerund.rerun.records import (
    ActivityRow,
    Begun,
    EventRow,
    LabData,
    LedgerRow,
    OrderRow,
    ReportRow,
    ReportValue,
    Transaction,
    WaitingRow,
)
from rerund.stores import report_queries as queries
from rerund.stores.change_queries import read_changes, read_order_changes
from rerund.stores.database import Database
from rerund.stores.failures import Deadlock, DuplicateKey
from rerund.stores.lab_queries import read_lab_data, read_lab_version
from rerund.stores.leases import LeaseTable
from rerund.stores.order import waiting_order
from rerund.stores.order_rows import write_again, write_notes
from rerund.stores.ports import Lease, StaleReport
from rerund.stores.report_commit import Commit
from rerund.stores.requests_table import RequestsTable
from rerund.stores.rows import Query
from rerund.stores.schema import lab_report_relation, rerun_event
from rerund.stores.types import now

R = TypeVar("R", bound=msgspec.Struct)

_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_LAB: BindParameter[Any] = bindparam("lab")
_MARK_APPLIED = (
    update(rerun_event)
    .where(
        rerun_event.c.lab_id == _LAB,
        rerun_event.c.event_id.in_(_KEYS),
        rerun_event.c.applied_at.is_(None),
    )
    .values(applied_at=now)
)
_MARK_CHECKED = (
    update(lab_report_relation)
    .where(lab_report_relation.c.lab_id == _LAB, lab_report_relation.c.lab_report_id.in_(_KEYS))
    .values(results_checked=True)
)


class RelationalReportStore:
    """`ReportStore` on the tables of `rerund.stores.schema`."""

    def __init__(self, database: Database):
        self._database = database
        self._commit = Commit(database.dialect)
        self._requests = RequestsTable(database)
        self._leases = LeaseTable(database)

    def now(self) -> float:
        """Unix seconds by the clock of the database."""
        return self._database.now()

    def change_token(self, lab_id: int, closed_within: float) -> Hashable:
        """A value that differs after anything changed that `ReportStore` names."""
        token = self._database.changes()
        if token is None:
            with self._database.read() as connection:
                token = read_changes(connection, lab_id, closed_within)
        return token

    def lab_data_version(self, lab_id: int) -> Hashable:
        """A value that differs after formats, instruments or mappings of the lab changed."""
        with self._database.read() as connection:
            return read_lab_version(connection, lab_id)

    def lab_data(self, lab_id: int) -> LabData:
        """The formats, instruments and mappings of a lab; empty for an unknown one."""
        with self._database.read() as connection:
            return read_lab_data(connection, lab_id)

    def _all(self, query: Query[R], **parameters: Any) -> list[R]:
        with self._database.read() as connection:
            return query.all(connection, **parameters)

    def _of_keys(self, query: Query[R], lab_id: int, keys: Collection[Any]) -> list[R]:
        return self._all(query, lab_id=lab_id, keys=list(keys)) if keys else []

    def reports(self, lab_id: int, lab_report_ids: Collection[int]) -> list[ReportRow]:
        """The reports of these ids, those of other labs left out."""
        return self._of_keys(queries.REPORTS, lab_id, lab_report_ids)

    def reports_of_samples(self, lab_id: int, sample_ids: Collection[str]) -> list[ReportRow]:
        """Every report of these samples, whatever its age."""
        rows = self._of_keys(queries.REPORTS_OF_SAMPLES, lab_id, sample_ids)
        return sorted(rows, key=lambda row: row.lab_report_id)

    def unchecked_reports(self, lab_id: int, limit: int) -> list[ReportRow]:
        """Up to `limit` reports with `results_checked` False, oldest registration first."""
        return self._all(queries.UNCHECKED_REPORTS, lab_id=lab_id, limit=limit)

    def report_values(self, lab_id: int, lab_report_ids: Collection[int]) -> list[ReportValue]:
        """The filled slots of these reports, by index."""
        return self._of_keys(queries.REPORT_VALUES, lab_id, lab_report_ids)

    def waiting_rows(self, lab_id: int, lab_report_ids: Collection[int]) -> list[WaitingRow]:
        """All waiting-list rows of these reports, original orders and closed ones too."""
        return sorted(
            self._of_keys(queries.WAITING_ROWS, lab_id, lab_report_ids), key=waiting_order
        )

    def waiting_copy(self, lab_id: int, closed_since: str) -> list[WaitingRow]:
        """The rerun rows (`rerun_number` > 0) of a lab that are open or closed since then."""
        with self._database.read() as connection:
            rows = queries.WAITING_OPEN.all(connection, lab_id=lab_id)
            rows += queries.WAITING_CLOSED_SINCE.all(connection, lab_id=lab_id, since=closed_since)
        return sorted(rows, key=waiting_order)

    def orders(self, lab_id: int, registered_since: str) -> list[OrderRow]:
        """Every open row of the waiting list that an instrument may be told of."""
        rows = self._all(queries.ORDERS, lab_id=lab_id, since=registered_since)
        return sorted(rows, key=waiting_order)

    def orders_of_samples(
        self, lab_id: int, sample_ids: Collection[str], registered_since: str
    ) -> list[OrderRow]:
        """The same of these samples."""
        if not sample_ids:
            return []
        rows = self._all(
            queries.ORDERS_OF_SAMPLES,
            lab_id=lab_id,
            keys=list(sample_ids),
            since=registered_since,
        )
        return sorted(rows, key=waiting_order)

    def order_token(self, lab_id: int) -> Hashable:
        """A value that differs after an open row of the waiting list changed, came or went."""
        token = self._database.changes()
        if token is None:
            with self._database.read() as connection:
                token = read_order_changes(connection, lab_id)
        return token

    def note_orders(self, lab_id: int, notes: Sequence[OrderNote]) -> list[OrderNote]:
        """Set in their rows what became of orders; answers the notes that changed nothing."""
        while notes:
            try:
                with self._database.write() as connection:
                    return write_notes(connection, lab_id, notes)
            except Deadlock:
                continue
        return []

    def order_again(self, lab_id: int, rows: Sequence[WaitingRow]) -> None:
        """Set rows that went to an instrument back to `pending`. Raises StaleReport."""
        try:
            with self._database.write() as connection:
                write_again(connection, lab_id, rows)
        except Deadlock:
            raise StaleReport(lab_id) from None

    def unapplied_events(self, lab_id: int, lab_report_ids: Collection[int]) -> list[EventRow]:
        """The events of these reports with `applied_at` null, by report and version."""
        return self._of_keys(queries.UNAPPLIED_EVENTS, lab_id, lab_report_ids)

    def unapplied_reports(self, lab_id: int, limit: int, after: int = -1) -> list[int]:
        """Up to `limit` ids > `after`, in order, of reports with events with `applied_at` null."""
        with self._database.read() as connection:
            parameters = {"lab_id": lab_id, "limit": limit, "after": after}
            return list(connection.scalars(queries.UNAPPLIED_REPORTS, parameters))

    def event(self, lab_id: int, event_id: str) -> EventRow | None:
        """One event by its id, applied or not."""
        return next(iter(self._all(queries.EVENT, lab_id=lab_id, event_id=event_id)), None)

    def events(self, lab_id: int, lab_report_id: int) -> list[EventRow]:
        """Every event of a report, by version."""
        return self._all(queries.EVENTS, lab_id=lab_id, lab_report_id=lab_report_id)

    def ledger_by_result(self, lab_id: int, result_ids: Collection[str]) -> list[LedgerRow]:
        """The ledger rows of these results."""
        return self._of_keys(queries.LEDGER_BY_RESULT, lab_id, result_ids)

    def ledger_of_samples(
        self, lab_id: int, sample_ids: Collection[str], received_since: str = ""
    ) -> list[LedgerRow]:
        """The ledger rows of these samples received since then, in order of arrival."""
        if not sample_ids:
            return []
        if not received_since:
            return self._of_keys(queries.LEDGER_OF_SAMPLES, lab_id, sample_ids)
        return self._all(
            queries.LEDGER_OF_SAMPLES_SINCE,
            lab_id=lab_id,
            keys=list(sample_ids),
            since=received_since,
        )

    def ledger_of_reports(self, lab_id: int, lab_report_ids: Collection[int]) -> list[LedgerRow]:
        """The ledger rows of these reports, in order of arrival."""
        return self._of_keys(queries.LEDGER_OF_REPORTS, lab_id, lab_report_ids)

    def ledger_of_device(
        self, lab_id: int, device_id: str, received_since: str, received_before: str
    ) -> list[LedgerRow]:
        """The ledger rows of an instrument received since then and before, in order of arrival."""
        return self._all(
            queries.LEDGER_OF_DEVICE,
            lab_id=lab_id,
            device_id=device_id,
            since=received_since,
            before=received_before,
        )

    def matchable_samples(
        self, lab_id: int, received_since: str, after: str, limit: int
    ) -> list[str]:
        """Samples > `after`, in order, with an `unmatched` row that a report could take now."""
        parameters = {"lab_id": lab_id, "since": received_since, "after": after, "limit": limit}
        with self._database.read() as connection:
            return list(connection.scalars(queries.MATCHABLE_SAMPLES, parameters))

    def activity(self, lab_id: int, lab_report_id: int) -> list[ActivityRow]:
        """The activity log of a report, oldest first."""
        return self._all(queries.ACTIVITY, lab_id=lab_id, lab_report_id=lab_report_id)

    def commit(self, transaction: Transaction) -> None:
        """Write everything or nothing. Raises StaleReport for what has changed meanwhile."""
        try:
            with self._database.write() as connection:
                self._commit(connection, transaction)
        except (DuplicateKey, Deadlock):
            raise StaleReport(_lab_of(transaction)) from None

    def mark_applied(self, lab_id: int, event_ids: Collection[str]) -> None:
        """Set `applied_at` of these events to now."""
        self._mark(_MARK_APPLIED, lab_id, event_ids)

    def mark_checked(self, lab_id: int, lab_report_ids: Collection[int]) -> None:
        """Set `results_checked` of these reports."""
        self._mark(_MARK_CHECKED, lab_id, lab_report_ids)

    def begin_request(
        self, lab_id: int, key: str, body_hash: str, event_id: str, stale_after: float
    ) -> Begun:
        """Enter a request under a key, or find what it is already."""
        row = {"lab_id": lab_id, "request_key": key, "body_hash": body_hash, "event_id": event_id}
        return self._requests.begin(row, stale_after)

    def end_request(self, lab_id: int, key: str, status: int, answer: dict[str, object]) -> None:
        """Keep the answer to a request, for those who send it again."""
        self._requests.end(lab_id, key, status, answer)

    def abandon_request(self, lab_id: int, key: str) -> None:
        """Forget a running request of which nothing was decided."""
        self._requests.abandon(lab_id, key)

    def forget_requests(self, before: float) -> int:
        """Remove requests begun before this (Unix seconds); answers how many."""
        return self._requests.forget(before)

    def _mark(self, statement: Any, lab_id: int, keys: Collection[Any]) -> None:
        """Set a mark, which may be set twice: again when a server took it back for another one."""
        while keys:
            try:
                with self._database.write() as connection:
                    connection.execute(statement, {"lab": lab_id, "keys": list(keys)})
            except Deadlock:
                continue
            return

    def leases(self, lab_id: int) -> list[Lease]:
        """The leases of a lab's instruments by `device_id`, expired and unknown ones not held."""
        return self._leases.all(lab_id)

    def take_leases(
        self, lab_id: int, owner: str, devices: Mapping[str, str], seconds: float
    ) -> list[Lease]:
        """Take or renew the leases of instruments (name by id) for `seconds` from now."""
        return self._leases.take(lab_id, owner, devices, seconds)

    def release_leases(self, lab_id: int, owner: str) -> None:
        """End every lease of an owner now."""
        self._leases.release(lab_id, owner)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def _lab_of(transaction: Transaction) -> int:
    labs = [report.lab_id for report in transaction.reports]
    labs += [event.lab_id for event in transaction.events]
    labs += [row.lab_id for row in transaction.ledger]
    return [*labs, *(line.lab_id for line in transaction.activity)][0]
