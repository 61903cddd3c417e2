"""Between the stores' open orders and the daemon: the copy, and notes of what became of them.

On a thread of its own: neither waits for a batch of results. The copy goes over as what has
changed in it. Reading all open orders takes time that grows with them, so it is done again only
after many times as long.
"""

import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from rerund.rerun.instants import iso
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder, OrderKey, derive_orders
from rerund.rerun.records import OrderRow
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from rerund.rerun.service_stores import LabCache
from rerund.stores.ports import ReportStore, StoreError, StoreRejected, StoreUnavailable

log = structlog.get_logger(__name__)

SHARE = 4.0
"""A refresh follows the one before after as many times the time that it took."""

WHOLE_EVERY = 60.0
"""Seconds after which everything is read again, noticed or not: reports may have changed."""

NOTES = 100
"""Notes told in one turn, and one transaction."""

GONE = 500
"""Orders that have gone of which the stores are asked at once why."""

RETRY = 2.0

NAMED = 20
"""Reports that are named in one line of the log."""

EMBEDDED_POLL = 0.1
"""Seconds: whether a file has changed costs next to nothing to ask, and nobody gives notice."""


class Change(NamedTuple):
    """What has changed in the open orders; `whole` begins anew.

    `cancelled` are those among the `gone` that nobody wants any more.
    """

    orders: Sequence[LocalOrder] = ()
    gone: Sequence[OrderKey] = ()
    cancelled: Sequence[OrderKey] = ()
    whole: bool = False


class OrderKeeper:
    """Keeps the daemon's copy like the stores, and the stores' rows like what was sent.

    `copied` is the daemon's copy as it was left, packed: what has gone since is told too.
    """

    def __init__(
        self,
        lab_id: int,
        device_ids: Collection[str],
        service: RerunService,
        reports: ReportStore,
        rules: Rules,
        change: Callable[[Change], None],
        copied: Iterable[bytes] = (),
    ):
        self._lab_id = lab_id
        self._device_ids = frozenset(device_ids)
        self._service = service
        self._reports = reports
        self._labs = LabCache(reports)
        self._window = rules.sample_id_window
        self._change = change
        orders = (msgspec.msgpack.decode(body, type=LocalOrder) for body in copied)
        self._kept = {order.key: order for order in orders}
        self._sent: set[OrderKey] = set()
        """Rows that went to an instrument and were not among those read: perhaps too lately."""
        self._begun = False
        self._unreadable: Sequence[int] = ()
        self._token: Hashable = object()
        self._read_at = self._not_before = 0.0

    def refresh(self, now: float) -> float | None:
        """Read what is open, if it may have changed, and hand over what has.

        `now` is monotonic seconds. Answers when it is to be tried again if that was too soon
        after the last time. Raises StoreError.
        """
        token = (self._reports.order_token(self._lab_id), self._version())
        if token == self._token and now - self._read_at < WHOLE_EVERY:
            self._change(Change())
        elif now >= self._not_before:
            self._read()
            self._token, self._read_at = token, now
            self._not_before = now + SHARE * (time.monotonic() - now)
        else:
            return self._not_before
        return None

    def tell(self, notes: Sequence[tuple[int, bytes]]) -> list[int]:
        """Tell the stores what became of orders; answers the keys of what they have now.

        Raises StoreUnavailable: tried again, what was told changes nothing.
        """
        decoded = [note for _, body in notes if (note := _decoded(body)) is not None]
        self._tell(decoded)
        unknown = {note.key for note in decoded} - self._kept.keys()
        if unknown:
            # Looked up and sent before it was read: cancelled meanwhile, nobody would miss it.
            self._sent |= unknown
            self._token = object()
        return [key for key, _ in notes]

    def _tell(self, notes: Sequence[OrderNote]) -> None:
        """Tell them together; one by one when one of them will never be taken."""
        try:
            self._service.note_orders(self._lab_id, notes)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one note must not keep the others waiting
            if len(notes) > 1:
                for note in notes:
                    self._tell([note])
            else:
                _give_up(error, notes[0].lab_report_id)

    def _version(self) -> Hashable:
        return self._reports.lab_data_version(self._lab_id)

    def _since(self) -> str:
        return iso(self._reports.now() - self._window)

    def _read(self) -> None:
        rows = self._reports.orders(self._lab_id, self._since())
        orders = derive_orders(rows, self._labs.get(self._lab_id), self._device_ids)
        self._tell_unreadable(rows)
        kept = self._kept
        changed = [o for key, o in orders.items() if not self._begun or kept.get(key) != o]
        gone = [key for key in (*kept, *self._sent) if key not in orders]
        self._change(Change(changed, gone, self._cancelled(gone), not self._begun))
        self._kept, self._begun = orders, True
        self._sent.clear()

    def _tell_unreadable(self, rows: Iterable[OrderRow]) -> None:
        """Tell once which orders have indexes that can not be read; all others go on."""
        reports = [row.lab_report_id for row in rows if not row.remaining]
        if reports and reports != self._unreadable:
            _alert_unreadable(
                "report store", "an order without indexes", {"reports": reports[:NAMED]}
            )
        self._unreadable = reports

    def _cancelled(self, gone: Sequence[OrderKey]) -> list[OrderKey]:
        keys: set[OrderKey] = set()
        for start in range(0, len(gone), GONE):
            reports = {key[0] for key in gone[start : start + GONE]} - {*self._unreadable}
            rows = self._reports.waiting_rows(self._lab_id, reports)
            cancelled = (row for row in rows if row.status == "cancelled")
            keys.update((row.lab_report_id, row.device_id, row.rerun_number) for row in cancelled)
        return [key for key in gone if key in keys]


def _decoded(body: bytes) -> OrderNote | None:
    try:
        return msgspec.msgpack.decode(body, type=OrderNote)
    except msgspec.MsgspecError as error:
        _give_up(error, None)
        return None


def _alert_unreadable(store: str, detail: str, more: Mapping[str, object]) -> None:
    log.error("orders_unreadable", alert=True, store=store, detail=detail, **more)


def _give_up(error: Exception, report: int | None) -> None:
    log.error("order_note_failed", alert=True, report=report, error=type(error).__name__)


class Answers(Protocol):
    """The line to the daemon."""

    def notes_told(self, note_keys: Sequence[int]) -> None:
        """Say which notes the stores have."""
        ...


class Journal(Protocol):
    """What is read of the journal."""

    def untold_notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` notes above a key that the stores lack, the oldest first."""
        ...


class OrderThread:
    """Runs a keeper on a thread of its own until it is stopped. `poll_interval` is seconds."""

    def __init__(
        self, keeper: OrderKeeper, journal: Journal, answers: Answers, poll_interval: float
    ):
        self._keeper = keeper
        self._journal = journal
        self._answers = answers
        self._poll_interval = poll_interval
        self._wakeup = threading.Event()
        self._refresh_at = 0.0
        self._told = 0
        self._rejected: tuple[str, str] | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End within about `timeout` seconds."""
        self._stopping = True
        self._wakeup.set()
        self._thread.join(timeout)

    def wake(self) -> None:
        """The waiting list has changed, or there are new notes. From any thread."""
        self._refresh_at = 0.0
        self._wakeup.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            self._wakeup.wait(self._turn(time.monotonic()))

    def _turn(self, now: float) -> float:
        """Do what is due; answers the seconds until something is."""
        try:
            if now >= self._refresh_at:
                self._refresh(now)
            return 0.0 if self._tell() else max(0.0, self._refresh_at - time.monotonic())
        except StoreError as error:
            log.debug("orders_wait", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the trying
            log.error("orders_failed", alert=True, error=type(error).__name__)  # noqa: TRY400
        self._refresh_at = now + RETRY
        return RETRY

    def _refresh(self, now: float) -> None:
        """Refresh; what can not be read is told once, and does not keep notes from being told."""
        self._refresh_at = now + self._poll_interval
        try:
            put_off = self._keeper.refresh(now)
        except StoreRejected as error:
            self._refresh_at = now + RETRY
            rejected = (error.store, error.detail)
            if rejected != self._rejected:
                _alert_unreadable(*rejected, {})
            self._rejected = rejected
        else:
            self._rejected = None
            if put_off is not None:
                self._refresh_at = min(self._refresh_at, put_off)

    def _tell(self) -> bool:
        """Tell the next notes; answers whether more may be waiting."""
        notes = self._journal.untold_notes(self._told, NOTES)
        if notes:
            self._answers.notes_told(self._keeper.tell(notes))
            self._told = notes[-1][0]
        return len(notes) == NOTES
