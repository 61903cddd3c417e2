"""The three ports of the stores. No transaction spans two of them; any can be swapped.

One place decides: a row of `lab_report_relation`. Every event on a report goes

1. `ReportStore.reports`, `unapplied_events` (whose after-images are applied first),
   then `RerunStore.reruns` and `values`;
2. a decision;
3. `ReportStore.commit`: ONE transaction with the compare-and-set on (`rerun_version`,
   `sampleRedrawFlag`), the `rerun_event` and the rows; `StaleReport`: read and decide again;
4. `RerunStore.apply` with the after-images, each only over a lower version;
5. `NumberCache.publish`;
6. `ReportStore.mark_applied`.

A crash between any two is finished by whoever touches the report next, or by a sweep over
`unapplied_reports`; so 4 to 6 may run twice, late, and beside each other. Methods take
many keys at once, because the registrar works on many payloads in one transaction; an
empty collection answers an empty list. Every port may be used from several threads.

Every method may raise `StoreUnavailable` (nothing is known to have been decided; try
again for ever) or `StoreRejected` (this input will never be taken).
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Protocol

import msgspec

from rerund.rerun.documents import SampleRerun, SampleRerunValues
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


class StoreError(Exception):
    """Base of what a store raises. No patient data in its text."""


class StoreUnavailable(StoreError):  # noqa: N818 - says what is the case
    """A store cannot be reached, is busy for too long or has gone away: retry for ever."""

    def __init__(self, store: str, detail: str = ""):
        super().__init__(store, detail)
        self.store = store
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.store} is not available" + (f": {self.detail}" if self.detail else "")


class ReportBusy(StoreUnavailable):
    """A report changed each time that it was decided on; every other one may be at rest."""


class StoreRejected(StoreError):  # noqa: N818 - says what is the case
    """A store refuses these rows, now and always: the payload goes on hold."""

    def __init__(self, store: str, detail: str = ""):
        super().__init__(store, detail)
        self.store = store
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.store} refused the rows" + (f": {self.detail}" if self.detail else "")


class StaleReport(StoreError):  # noqa: N818 - says what is the case
    """Somebody else changed a report, or wrote the same event or result: read and decide again."""

    def __init__(self, lab_id: int, lab_report_id: int | None = None):
        super().__init__(lab_id, lab_report_id)
        self.lab_id = lab_id
        self.lab_report_id = lab_report_id

    def __str__(self) -> str:
        return f"report {self.lab_report_id} of lab {self.lab_id} has changed since it was read"


class Lease(msgspec.Struct, frozen=True):
    """Who may receive from an instrument, until when (ISO 8601 UTC).

    `held` says whether the one who asked has it, for a listing whether anyone has; `owner`
    had it last. `taken_from` is whose it was before, when another's lease has just become
    one's own.
    """

    device_id: str
    held: bool
    owner: str | None
    until: str | None
    taken_from: str | None = None


class ReportStore(Protocol):
    """Report state, waiting list, ledger, events and log: the relational part."""

    def now(self) -> float:
        """Unix seconds by the clock of the database."""
        ...

    def change_token(self, lab_id: int, closed_within: float) -> Hashable:
        """A value that differs after there is something to look at.

        That is a rerun row of the lab that is open or was closed within the last
        `closed_within` seconds, an event with `applied_at` null, or a report with
        `results_checked` False. It may differ after other commits too. A transaction that
        commits late is noticed as well as any other.
        """
        ...

    def lab_data_version(self, lab_id: int) -> Hashable:
        """A value that differs after formats, instruments or mappings of the lab changed."""
        ...

    def lab_data(self, lab_id: int) -> LabData:
        """The formats, instruments and mappings of a lab; empty for an unknown one."""
        ...

    def reports(self, lab_id: int, lab_report_ids: Collection[int]) -> list[ReportRow]:
        """The reports of these ids, those of other labs left out."""
        ...

    def reports_of_samples(self, lab_id: int, sample_ids: Collection[str]) -> list[ReportRow]:
        """Every report of these samples, whatever its age."""
        ...

    def unchecked_reports(self, lab_id: int, limit: int) -> list[ReportRow]:
        """Up to `limit` reports with `results_checked` False, oldest registration first."""
        ...

    def report_values(self, lab_id: int, lab_report_ids: Collection[int]) -> list[ReportValue]:
        """The filled slots of these reports, by index."""
        ...

    def waiting_rows(self, lab_id: int, lab_report_ids: Collection[int]) -> list[WaitingRow]:
        """All waiting-list rows of these reports, original orders and closed ones too."""
        ...

    def waiting_copy(self, lab_id: int, closed_since: str) -> list[WaitingRow]:
        """The rerun rows (`rerun_number` > 0) of a lab that are open or closed since then."""
        ...

    def orders(self, lab_id: int, registered_since: str) -> list[OrderRow]:
        """Every open row of the waiting list that an instrument may be told of.

        Original orders of reports that are completed or signed are left out, and so is
        everything of reports registered before `registered_since`.
        """
        ...

    def orders_of_samples(
        self, lab_id: int, sample_ids: Collection[str], registered_since: str
    ) -> list[OrderRow]:
        """The same of these samples."""
        ...

    def order_token(self, lab_id: int) -> Hashable:
        """A value that differs after an open row of the waiting list changed, came or went.

        It may differ after other commits too.
        """
        ...

    def note_orders(self, lab_id: int, notes: Sequence[OrderNote]) -> list[OrderNote]:
        """Set in their rows what became of orders, in this order; answers what changed nothing.

        All of it or nothing. A row changes that is open, unless the note says nothing new of
        it (`KNOWN`) or is the refusal of an instrument other than the one which has taken it.
        The version of the row grows, that of the report does not.
        """
        ...

    def order_again(self, lab_id: int, rows: Sequence[WaitingRow]) -> None:
        """Set rows that went to an instrument back to `pending`, as nobody's.

        All or none: a row that has changed since it was read is `StaleReport`.
        """
        ...

    def unapplied_events(self, lab_id: int, lab_report_ids: Collection[int]) -> list[EventRow]:
        """The events of these reports with `applied_at` null, by report and version."""
        ...

    def unapplied_reports(self, lab_id: int, limit: int, after: int = -1) -> list[int]:
        """Up to `limit` ids > `after`, in order, of reports with events with `applied_at` null."""
        ...

    def event(self, lab_id: int, event_id: str) -> EventRow | None:
        """One event by its id, applied or not."""
        ...

    def events(self, lab_id: int, lab_report_id: int) -> list[EventRow]:
        """Every event of a report, by version."""
        ...

    def ledger_by_result(self, lab_id: int, result_ids: Collection[str]) -> list[LedgerRow]:
        """The ledger rows of these results."""
        ...

    def ledger_of_samples(
        self, lab_id: int, sample_ids: Collection[str], received_since: str = ""
    ) -> list[LedgerRow]:
        """The ledger rows of these samples received since then, in order of arrival (`row_id`)."""
        ...

    def ledger_of_reports(self, lab_id: int, lab_report_ids: Collection[int]) -> list[LedgerRow]:
        """The ledger rows of these reports, in order of arrival (`row_id`)."""
        ...

    def ledger_of_device(
        self, lab_id: int, device_id: str, received_since: str, received_before: str
    ) -> list[LedgerRow]:
        """The ledger rows of an instrument received since then and before, in order (`row_id`)."""
        ...

    def matchable_samples(
        self, lab_id: int, received_since: str, after: str, limit: int
    ) -> list[str]:
        """Samples > `after`, in order, with an `unmatched` row received since then whose
        (instrument, test code) is mapped to the format of a report of that sample.
        """
        ...

    def activity(self, lab_id: int, lab_report_id: int) -> list[ActivityRow]:
        """The activity log of a report, oldest first."""
        ...

    def commit(self, transaction: Transaction) -> None:
        """Write everything or nothing.

        A report whose version or flag is not the expected one, or that was completed or
        signed meanwhile, or is so no more, an event id or a ledger key that exists already, a
        waiting row that is there in another version than the one before: `StaleReport`, and
        nothing is written.
        """
        ...

    def mark_applied(self, lab_id: int, event_ids: Collection[str]) -> None:
        """Set `applied_at` of these events to now."""
        ...

    def mark_checked(self, lab_id: int, lab_report_ids: Collection[int]) -> None:
        """Set `results_checked` of these reports."""
        ...

    def begin_request(
        self, lab_id: int, key: str, body_hash: str, event_id: str, stale_after: float
    ) -> Begun:
        """Enter a request under a key (at most 64 characters), or find what it is already.

        One that has been running for longer than `stale_after` seconds is taken over.
        """
        ...

    def end_request(self, lab_id: int, key: str, status: int, answer: dict[str, object]) -> None:
        """Keep the answer to a request, for those who send it again."""
        ...

    def abandon_request(self, lab_id: int, key: str) -> None:
        """Forget a running request of which nothing was decided."""
        ...

    def forget_requests(self, before: float) -> int:
        """Remove requests begun before this (Unix seconds); answers how many."""
        ...

    def leases(self, lab_id: int) -> list[Lease]:
        """The leases of a lab's instruments by `device_id`, expired and unknown ones not held."""
        ...

    def take_leases(
        self, lab_id: int, owner: str, devices: Mapping[str, str], seconds: float
    ) -> list[Lease]:
        """Take or renew the leases of instruments (name by id) for `seconds` from now.

        Refused is what another owner holds, until it is released or expires by the clock of
        the database. Instruments that the lab does not have yet are added to it.
        """
        ...

    def release_leases(self, lab_id: int, owner: str) -> None:
        """End every lease of an owner now; it stays known as the last one who had them."""
        ...


class RerunStore(Protocol):
    """`SampleRerun` and `SampleRerunValues`: the document part. Reads skip tombstones."""

    def reruns(self, lab_id: int, lab_report_ids: Collection[int]) -> list[SampleRerun]:
        """The reruns of these reports, by report and number."""
        ...

    def values(self, lab_id: int, lab_report_ids: Collection[int]) -> list[SampleRerunValues]:
        """The rerun values of these reports, by report, order, number and replicate."""
        ...

    def apply(self, reruns: Sequence[SampleRerun], values: Sequence[SampleRerunValues]) -> None:
        """Write each document unless the stored one has the same or a higher version.

        Documents that are not active are written first, so that the unique key of the one
        active rerun of a report is free when the next one takes it.
        """
        ...

    def purge(self, deleted_before: float) -> int:
        """Remove tombstones older than this (Unix seconds); answers how many."""
        ...


class NumberCache(Protocol):
    """The active rerun number per report, and notices. Nothing is decided by it.

    Implementations do not raise when their server is down: they log, and everything works
    from the other stores.
    """

    def publish(self, lab_id: int, numbers: Mapping[int, int | None]) -> None:
        """Set the active number per report; None removes it."""
        ...

    def active_number(self, lab_id: int, lab_report_id: int) -> int | None:
        """The active number, None when there is none or it is not known."""
        ...

    def notify(self, lab_id: int) -> None:
        """Say that the waiting list of the lab changed."""
        ...

    def subscribe(self, lab_id: int, notice: Callable[[], None]) -> Callable[[], None]:
        """Call `notice` (from any thread) after each `notify`; answers the unsubscribe call."""
        ...
