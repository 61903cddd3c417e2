"""Reading reports from the stores and writing decided events to them."""

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import structlog

from rerund.rerun.case import Loaded, ReportCase
from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.lab import Lab
from rerund.rerun.records import EventRow, LedgerRow, ReportRow, Transaction
from rerund.stores.ports import NumberCache, ReportStore, RerunStore, StaleReport, StoreError

log = structlog.get_logger(__name__)


class Stores(NamedTuple):
    """The three stores of a lab."""

    reports: ReportStore
    reruns: RerunStore
    numbers: NumberCache


class LabCache:
    """The lab data as last read, read again when its version changes."""

    def __init__(self, reports: ReportStore):
        self._reports = reports
        self._labs: dict[int, tuple[Hashable, Lab]] = {}

    def get(self, lab_id: int) -> Lab:
        """The lab's formats and mappings as they are now."""
        version = self._reports.lab_data_version(lab_id)
        cached = self._labs.get(lab_id)
        if cached is None or cached[0] != version:
            cached = (version, Lab(self._reports.lab_data(lab_id)))
            self._labs[lab_id] = cached
        return cached[1]


def load_cases(
    stores: Stores, lab: Lab, rows: Sequence[ReportRow], ledger: Iterable[LedgerRow]
) -> list[ReportCase]:
    """The reports of these rows with everything that belongs to them.

    What a crash left of earlier events is finished first. The rows must have been read
    before everything else; they are read again at the end, so that nothing is decided, or
    shown, on a report that changed in between: StaleReport. What changes after that is
    noticed by the compare-and-set.
    """
    ids = [row.lab_report_id for row in rows]
    if not ids:
        return []
    finish(stores, lab.lab_id, ids)
    slots = _grouped(stores.reports.report_values(lab.lab_id, ids))
    reruns = _grouped(stores.reruns.reruns(lab.lab_id, ids))
    values = _grouped(stores.reruns.values(lab.lab_id, ids))
    waiting = _grouped(stores.reports.waiting_rows(lab.lab_id, ids))
    results = _grouped(ledger)
    _check_unchanged(stores, lab.lab_id, rows)
    return [
        ReportCase(
            Loaded(
                row=row,
                parameters=lab.parameters(row.report_format_id),
                slots=slots.get(row.lab_report_id, []),
                reruns=reruns.get(row.lab_report_id, []),
                values=values.get(row.lab_report_id, []),
                waiting=waiting.get(row.lab_report_id, []),
                ledger=results.get(row.lab_report_id, []),
            )
        )
        for row in rows
    ]


def _check_unchanged(stores: Stores, lab_id: int, rows: Sequence[ReportRow]) -> None:
    versions = {row.lab_report_id: row.rerun_version for row in rows}
    for row in stores.reports.reports(lab_id, versions):
        if row.rerun_version != versions[row.lab_report_id]:
            raise StaleReport(lab_id, row.lab_report_id)


def finish(stores: Stores, lab_id: int, lab_report_ids: Collection[int]) -> None:
    """Carry events that were committed but not applied to the other two stores."""
    events = stores.reports.unapplied_events(lab_id, lab_report_ids)
    if events:
        carry(stores, lab_id, events)


def write(stores: Stores, lab_id: int, transaction: Transaction) -> None:
    """Commit, then carry the after-images to the other stores.

    Raises what the commit raises, and nothing after it: what is decided stands, and where
    another store fails, `finish` or the sweep does the rest. A StoreUnavailable leaves open
    whether it was committed, as the answer may have been lost.
    """
    if transaction == Transaction():
        return
    for event in transaction.events:
        if not event.reruns and not event.values:
            event.applied_at = event.at  # there is nothing to carry
    stores.reports.commit(transaction)
    unapplied = [event for event in transaction.events if event.applied_at is None]
    if unapplied:
        _carry_or_leave(stores, lab_id, unapplied)
    if transaction.waiting:
        stores.numbers.notify(lab_id)


def _carry_or_leave(stores: Stores, lab_id: int, events: Sequence[EventRow]) -> None:
    try:
        carry(stores, lab_id, events)
    except StoreError as error:
        reports = sorted({event.lab_report_id for event in events})
        log.warning("carried_later", reports=reports, error=type(error).__name__)


def carry(stores: Stores, lab_id: int, events: Sequence[EventRow]) -> None:
    """Apply the newest after-image of every document, publish numbers, mark as applied."""
    reruns: dict[str, SampleRerun] = {}
    values: dict[str, SampleRerunValues] = {}
    newest: dict[int, EventRow] = {}
    for event in sorted(events, key=lambda event: event.version):
        reruns.update((rerun.id, rerun) for rerun in event.reruns)
        values.update((value.id, value) for value in event.values)
        newest[event.lab_report_id] = event
    if reruns or values:
        stores.reruns.apply(list(reruns.values()), list(values.values()))
        _publish(stores, lab_id, newest)
    stores.reports.mark_applied(lab_id, [event.event_id for event in events])


def _publish(stores: Stores, lab_id: int, newest: dict[int, EventRow]) -> None:
    """Publish the active numbers; once more where a report has moved on meanwhile.

    A number has no version in the cache. So whoever is late looks again, and does not leave
    an older number over that of somebody who was faster.
    """
    while newest:
        numbers = {report: event.active_number for report, event in newest.items()}
        stores.numbers.publish(lab_id, numbers)
        rows = stores.reports.reports(lab_id, newest)
        moved = [
            row.lab_report_id
            for row in rows
            if row.rerun_version > newest[row.lab_report_id].version
        ]
        newest = {report: stores.reports.events(lab_id, report)[-1] for report in moved}


class _OfReport(Protocol):
    @property
    def lab_report_id(self) -> int: ...


R = TypeVar("R", bound=_OfReport)


def _grouped(rows: Iterable[R]) -> dict[int, list[R]]:
    groups: dict[int, list[R]] = {}
    for row in rows:
        groups.setdefault(row.lab_report_id, []).append(row)
    return groups
