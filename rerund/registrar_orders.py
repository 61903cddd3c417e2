"""Between the stores' open orders and the daemon: the copy, look-ups, and notes of fates.

On a thread of its own: an instrument that asks must not wait for a batch of results. The copy
goes over as what has changed in it. Reading all open orders takes time that grows with them,
so it is done again only after many times as long.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from rerund.rerun.instants import iso
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder, OrderKey, derive_orders
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from rerund.rerun.service_stores import LabCache
from rerund.stores.ports import ReportStore, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

SHARE = 4.0
"""A refresh follows the one before after as many times the time that it took."""

WHOLE_EVERY = 60.0
"""Seconds after which everything is read again, noticed or not: reports may have changed."""

NOTES = 100
"""Notes told in one turn."""

RETRY = 2.0

DELIVERY, DELIVERY_POLL = 2.0, 0.02
"""Seconds that a look-up waits for results of its sample, and between looks for them.

They may take the sample's orders away, or bring a rerun: an instrument that asks at once after
it has sent results means just that.
"""

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
    """Keeps the daemon's copy like the stores, and the stores' rows like what was sent."""

    def __init__(
        self,
        lab_id: int,
        device_ids: Collection[str],
        service: RerunService,
        reports: ReportStore,
        rules: Rules,
        change: Callable[[Change], None],
    ):
        self._lab_id = lab_id
        self._device_ids = frozenset(device_ids)
        self._service = service
        self._reports = reports
        self._labs = LabCache(reports)
        self._window = rules.sample_id_window
        self._change = change
        self._kept: dict[OrderKey, LocalOrder] | None = None
        self._token: Hashable = object()
        self._read_at = self._not_before = 0.0

    def refresh(self, now: float) -> None:
        """Read what is open, if it may have changed, and hand over what has.

        `now` is monotonic seconds. Raises StoreError.
        """
        token = (self._reports.order_token(self._lab_id), self._version())
        if token == self._token and now - self._read_at < WHOLE_EVERY:
            self._change(Change())
        elif now >= self._not_before:
            self._read()
            self._token, self._read_at = token, now
            self._not_before = now + SHARE * (time.monotonic() - now)

    def look_up(self, sample_ids: Collection[str]) -> list[LocalOrder]:
        """What is open of these samples at this moment. Raises StoreError."""
        rows = self._reports.orders_of_samples(self._lab_id, sample_ids, self._since())
        return list(derive_orders(rows, self._labs.get(self._lab_id), self._device_ids).values())

    def tell(self, notes: Sequence[tuple[int, bytes]]) -> list[int]:
        """Tell the stores what became of orders; answers the keys of what they have now.

        Raises StoreUnavailable: tried again, what was told changes nothing.
        """
        for _, body in notes:
            note = msgspec.msgpack.decode(body, type=OrderNote)
            try:
                self._service.note_order(self._lab_id, note)
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one note must not keep the others waiting
                reason = type(error).__name__
                log.error("order_note_failed", alert=True, report=note.lab_report_id, error=reason)  # noqa: TRY400
        return [key for key, _ in notes]

    def _version(self) -> Hashable:
        return self._reports.lab_data_version(self._lab_id)

    def _since(self) -> str:
        return iso(self._reports.now() - self._window)

    def _read(self) -> None:
        rows = self._reports.orders(self._lab_id, self._since())
        orders = derive_orders(rows, self._labs.get(self._lab_id), self._device_ids)
        kept = self._kept or {}
        changed = [order for key, order in orders.items() if kept.get(key) != order]
        gone = [key for key in kept if key not in orders]
        cancelled = self._cancelled(gone)
        self._change(Change(changed, gone, cancelled, self._kept is None))
        self._kept = orders

    def _cancelled(self, gone: Sequence[OrderKey]) -> list[OrderKey]:
        rows = self._reports.waiting_rows(self._lab_id, {key[0] for key in gone})
        cancelled = (row for row in rows if row.status == "cancelled")
        keys = {(row.lab_report_id, row.device_id, row.rerun_number) for row in cancelled}
        return [key for key in gone if key in keys]


class Answers(Protocol):
    """The line to the daemon."""

    def looked_up(self, ticket: int, orders: Sequence[LocalOrder] | None) -> None:
        """Answer a look-up; None when no store says."""
        ...

    def notes_told(self, note_keys: Sequence[int]) -> None:
        """Say which notes the stores have."""
        ...


class Journal(Protocol):
    """What is read of the journal."""

    def untold_notes(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` notes above a key that the stores lack, the oldest first."""
        ...

    def awaits_delivery(self, sample_ids: Sequence[str]) -> bool:
        """Whether there are results of these samples that the stores do not have yet."""
        ...


class Asked(NamedTuple):
    """A look-up, and until when it may wait for results on their way to the stores."""

    ticket: int
    sample_ids: Sequence[str]
    until: float


class OrderThread:
    """Runs a keeper on a thread of its own until it is stopped. `poll_interval` is seconds."""

    def __init__(
        self, keeper: OrderKeeper, journal: Journal, answers: Answers, poll_interval: float
    ):
        self._keeper = keeper
        self._journal = journal
        self._answers = answers
        self._poll_interval = poll_interval
        self._asked: deque[Asked] = deque()
        self._wakeup = threading.Event()
        self._refresh_at = 0.0
        self._told = 0
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

    def look_up(self, ticket: int, sample_ids: Sequence[str]) -> None:
        """Look samples up as soon as possible. From any thread."""
        self._asked.append(Asked(ticket, sample_ids, time.monotonic() + DELIVERY))
        self._wakeup.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            pause = self._turn(time.monotonic())
            self._wakeup.wait(min(pause, DELIVERY_POLL) if self._asked else pause)

    def _turn(self, now: float) -> float:
        """Do what is due; answers the seconds until something is."""
        try:
            self._answer()
            if now >= self._refresh_at:
                self._refresh_at = now + self._poll_interval
                self._keeper.refresh(now)
            return 0.0 if self._tell() else max(0.0, self._refresh_at - time.monotonic())
        except StoreError as error:
            log.debug("orders_wait", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the trying
            log.error("orders_failed", alert=True, error=type(error).__name__)  # noqa: TRY400
        self._refresh_at = now + RETRY
        return RETRY

    def _answer(self) -> None:
        """Answer the look-ups; one whose results are still on their way waits for them."""
        for _ in range(len(self._asked)):
            asked = self._asked.popleft()
            waits = time.monotonic() < asked.until
            if waits and self._journal.awaits_delivery(asked.sample_ids):
                self._asked.append(asked)
                continue
            try:
                orders = self._keeper.look_up(asked.sample_ids)
            except Exception as error:  # noqa: BLE001 - the instrument hears that nobody knows
                log.warning("look_up_failed", error=type(error).__name__)
                self._answers.looked_up(asked.ticket, None)
            else:
                self._answers.looked_up(asked.ticket, orders)

    def _tell(self) -> bool:
        """Tell the next notes; answers whether more may be waiting."""
        notes = self._journal.untold_notes(self._told, NOTES)
        if notes:
            self._answers.notes_told(self._keeper.tell(notes))
            self._told = notes[-1][0]
        return len(notes) == NOTES
