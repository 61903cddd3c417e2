"""What is open of samples at this moment, for an instrument that waits for its answer.

On a thread of its own: nobody waits for a batch of results, or until all open orders are read.
"""

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import structlog

from rerund.rerun.instants import iso
from rerund.rerun.orders import LocalOrder, derive_orders
from rerund.rerun.rules import Rules
from rerund.rerun.service_stores import LabCache
from rerund.stores.ports import ReportStore, StoreRejected

log = structlog.get_logger(__name__)

DELIVERY_POLL = 0.02
"""Seconds between looks whether results of a sample are still on their way to the stores.

They may take the sample's orders away, or bring a rerun: an instrument that asks at once after
it has sent results means just that.
"""


class Answers(Protocol):
    """The line to the daemon."""

    def looked_up(self, ticket: int, orders: Sequence[LocalOrder] | None) -> None:
        """Answer a look-up; None when nobody knows."""
        ...


class Journal(Protocol):
    """What is read of the journal."""

    def awaits_delivery(self, sample_ids: Sequence[str]) -> bool:
        """Whether there are results of these samples that the stores do not have yet."""
        ...


class OpenOrders:
    """The open orders of samples as the stores have them, in the codes of some instruments."""

    def __init__(
        self, lab_id: int, device_ids: Collection[str], reports: ReportStore, rules: Rules
    ):
        self._lab_id = lab_id
        self._device_ids = frozenset(device_ids)
        self._reports = reports
        self._labs = LabCache(reports)
        self._window = rules.sample_id_window

    def __call__(self, sample_ids: Collection[str]) -> list[LocalOrder]:
        """What is open of these samples at this moment.

        Raises StoreError, also for want of an order that can be read among those that are there.
        """
        since = iso(self._reports.now() - self._window)
        rows = self._reports.orders_of_samples(self._lab_id, sample_ids, since)
        orders = derive_orders(rows, self._labs.get(self._lab_id), self._device_ids)
        if not orders and any(not row.remaining for row in rows):
            raise StoreRejected("report store", "an order without indexes")
        return list(orders.values())


class Asked(NamedTuple):
    """A look-up, and until when it may wait for results on their way to the stores."""

    ticket: int
    sample_ids: Sequence[str]
    until: float


class LookUpThread:
    """Answers look-ups until it is stopped."""

    def __init__(self, look_up: OpenOrders, journal: Journal, answers: Answers):
        self._find = look_up
        self._journal = journal
        self._answers = answers
        self._asked: deque[Asked] = deque()
        self._wakeup = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="look-ups", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """End within about `timeout` seconds."""
        self._stopping = True
        self._wakeup.set()
        self._thread.join(timeout)

    def look_up(self, ticket: int, sample_ids: Sequence[str], within: float) -> None:
        """Look samples up as soon as possible, within so many seconds. From any thread."""
        self._asked.append(Asked(ticket, sample_ids, time.monotonic() + within))
        self._wakeup.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            for _ in range(len(self._asked)):
                self._turn(self._asked.popleft())
            self._wakeup.wait(DELIVERY_POLL if self._asked else None)

    def _turn(self, asked: Asked) -> None:
        """Answer a look-up, or let it wait for results; in the end nobody knows what they leave."""
        orders: Sequence[LocalOrder] | None = None
        try:
            if not self._journal.awaits_delivery(asked.sample_ids):
                orders = self._find(asked.sample_ids)
            elif time.monotonic() < asked.until:
                self._asked.append(asked)
                return
        except Exception as error:  # noqa: BLE001 - the instrument hears that nobody knows
            log.warning("look_up_failed", error=type(error).__name__)
        self._answers.looked_up(asked.ticket, orders)
