"""What one instrument is asked to measure: found for its questions, and due to be pushed.

"No order" is said only when a store says so at that moment, with every result of the sample in
it. An instrument that hears it skips the tube, or runs what it always runs.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from drivers.orders import Order, OrderFate
from drivers.profile import AnyProfile
from drivers.result import HostQuery
from rerund.arrivals import Arrivals
from rerund.config import Instrument
from rerund.order_book import OrderBook
from rerund.order_copy import OrderCopy
from rerund.rerun.orders import LocalOrder, OrderKey
from rerund.rerun.records import WaitingStatus

log = structlog.get_logger(__name__)

LookUp = Callable[[Sequence[str]], Awaitable[Sequence[LocalOrder] | None]]
"""What is open of samples by the stores; None when they do not say in time."""


class Found(NamedTuple):
    """The orders for a question, and the samples asked for that have none."""

    orders: list[Order]
    missing: list[str]


class OrderDesk:
    """Finds the orders of one instrument and keeps what becomes of them.

    `max_age` is how old the copy may be when all orders are asked for, `patience` how long a
    question waits for what came before it to be decided. Both are seconds.
    """

    def __init__(
        self,
        instrument: Instrument,
        copy: OrderCopy,
        book: OrderBook,
        arrivals: Arrivals,
        look_up: LookUp,
        max_age: float,
        patience: float,
    ):
        self._instrument = instrument
        self._copy = copy
        self._book = book
        self._arrivals = arrivals
        self._look_up = look_up
        self._max_age = max_age
        self._patience = patience
        wanted, uses = instrument.section.orders, instrument.order_uses
        self.answers = "query" in uses and wanted != "off"
        # An instrument that asks takes an order when the tube is there, and no earlier.
        asks = "query" in uses
        self.pushes = "push" in uses and (wanted == "push" or (wanted == "auto" and not asks))
        self.cancels = "cancel" in uses and wanted != "off"
        if self.cancels:
            book.can_cancel(self.device_id)
        self.is_held = False
        """Whether this daemon has the instrument's lease: until then nothing is pushed."""
        self._due: dict[OrderKey, None] = {}
        self._again: list[Order] = []
        self._taken_back: set[str] = set()
        self.consider(copy.of_device(self.device_id))

    @property
    def profile(self) -> AnyProfile:
        """The instrument's profile."""
        return self._instrument.profile

    @property
    def device_id(self) -> str:
        """The id of the instrument."""
        return self._instrument.device_id

    @property
    def has_sent(self) -> bool:
        """Whether the instrument was sent anything."""
        return self._book.has_sent(self.device_id)

    def now(self) -> datetime:
        """The time of day by the instrument's clock."""
        return datetime.now(self._instrument.timezone)

    # Questions.

    async def find(self, entry_id: int, queries: Sequence[HostQuery]) -> Found | None:
        """Return what an entry asks for; None when nobody can say now.

        What the instrument sent before counts: its results may be on their way to the stores.
        """
        if not await self._arrivals.wait(self.device_id, entry_id, self._patience):
            return None
        found: list[LocalOrder] = []
        unknown: dict[str, HostQuery] = {}
        for query in queries:
            if not query.all_samples and not query.sample_ids:
                return None  # by patient, place or time: of that the copy knows nothing
            if query.all_samples and not self._is_fresh():
                return None
            orders = self._known(query)
            sure = {one.sample_id for one in orders} - self._outdated(orders)
            found += [order for order in orders if order.sample_id in sure]
            asked = (*query.sample_ids, *(order.sample_id for order in orders))
            unknown.update((sample_id, query) for sample_id in asked if sample_id not in sure)
        missing: list[str] = []
        looked_up = await self._look_up(list(unknown)) if unknown else ()
        for sample_id, query in unknown.items():
            # Results that came may have measured what the copy still has.
            if looked_up is None:
                return None
            orders = _of_mode(self._mine(looked_up, sample_id), query)
            found += orders
            missing += [] if orders or query.all_samples else [sample_id]
        return Found([self._draw(order) for order in _distinct(found)], missing)

    def _is_fresh(self) -> bool:
        age = self._copy.age
        return age is not None and age <= self._max_age

    def _known(self, query: HostQuery) -> list[LocalOrder]:
        """What the copy has for a query."""
        if query.all_samples:
            return _of_mode(self._copy.of_device(self.device_id), query)
        return [
            order
            for sample_id in query.sample_ids
            for order in _of_mode(self._copy.of_sample(sample_id, self.device_id), query)
        ]

    def _outdated(self, orders: Iterable[LocalOrder]) -> set[str]:
        complete_at = self._copy.complete_at
        return {
            order.sample_id
            for order in orders
            if self._arrivals.outdates(order.sample_id, complete_at)
        }

    def _mine(self, orders: Sequence[LocalOrder], sample_id: str) -> list[LocalOrder]:
        return [o for o in orders if o.sample_id == sample_id and self.device_id in o.codes]

    def _draw(self, order: LocalOrder) -> Order:
        return self._book.draw(order, self.device_id, order.codes[self.device_id])

    # Orders that go out unasked.

    def consider(self, orders: Iterable[LocalOrder]) -> None:
        """Look whether new or changed orders are to be pushed."""
        if self.pushes:
            mine = (order for order in orders if self.device_id in order.codes)
            self._due.update((o.key, None) for o in mine if self._book.unsent(o, self.device_id))

    def due(self) -> list[Order]:
        """Return the next orders to push, all of one sample; each once.

        Nothing before the copy is known to be complete: it may hold what is cancelled.
        """
        if not self.is_held or self._copy.age is None:
            return []
        again = [order for order in self._again if self._book.is_open(order.order_id)]
        self._again = [order for order in again if order.sample_id != again[0].sample_id]
        if again:
            return [order for order in again if order.sample_id == again[0].sample_id]
        due: list[Order] = []
        for key in list(self._due):
            order = self._copy.get(key)
            if due and order is not None and order.sample_id != due[0].sample_id:
                break
            del self._due[key]
            codes = self._book.unsent(order, self.device_id) if order else []
            if order is not None and codes:
                due.append(self._book.draw(order, self.device_id, codes))
        return due

    def put_back(self, orders: Iterable[Order]) -> None:
        """A push did not reach the instrument: it goes out again under the same ids."""
        self._again += orders

    def cancelled(self) -> list[Order]:
        """Return the next orders to take back from the instrument, all of one sample."""
        if not self.cancels or not self.is_held:
            return []
        orders = self._book.cancelled(self.device_id)
        orders = [order for order in orders if order.sample_id == orders[0].sample_id]
        self._taken_back.update(order.order_id for order in orders)
        return orders

    # What becomes of orders.

    def sending(self, order_ids: Sequence[str]) -> None:
        """The orders go out in one message."""
        self._book.sending(order_ids)

    def cancel_sent(self, order_ids: Iterable[str]) -> None:
        """The instrument was told that these are taken back."""
        self._book.cancel_sent(self.device_id, order_ids)

    def note(self, order_ids: Iterable[str], status: WaitingStatus, reason: str = "") -> None:
        """Keep what became of orders; a person hears of those that were refused."""
        for order_id in order_ids:
            note = self._book.note(order_id, status, reason)
            if note is None:
                continue
            where = {"instrument": self.device_id, "report": note.lab_report_id}
            if status == "refused":
                log.error("order_refused", alert=True, number=note.rerun_number, **where)
            else:
                log.info(f"order_{status}", number=note.rerun_number, **where)

    def take_fates(self, fates: Iterable[OrderFate]) -> set[str]:
        """Keep what the instrument says of orders; answers the ids of those it spoke of."""
        refused: dict[str, list[str]] = {}
        accepted: set[str] = set()
        taken_back: dict[str, bool] = {}
        for fate in fates:
            order_ids = [fate.order_id] if fate.order_id else self._book.meant(fate, self.device_id)
            for order_id in order_ids:
                if order_id in self._taken_back:
                    taken_back[order_id] = fate.accepted or taken_back.get(order_id, False)
                elif fate.accepted:
                    accepted.add(order_id)
                else:
                    refused.setdefault(order_id, []).append(_words(fate))
        self.note(accepted - refused.keys(), "accepted")
        for order_id, reasons in refused.items():
            self.note([order_id], "refused", ", ".join(dict.fromkeys(reasons)))
        for order_id, goes_on in taken_back.items():
            self._taken_back.discard(order_id)
            if goes_on:
                where = {"instrument": self.device_id, "order": order_id}
                log.error("order_not_cancelled", alert=True, **where)
        return accepted | refused.keys()


def _of_mode(orders: Sequence[LocalOrder], query: HostQuery) -> list[LocalOrder]:
    """A re-analysis gets what is to be repeated, and nothing else."""
    if query.mode == "reanalysis":
        return [order for order in orders if order.rerun_number]
    return list(orders)


def _distinct(orders: Sequence[LocalOrder]) -> list[LocalOrder]:
    return list({order.key: order for order in orders}.values())


def _words(fate: OrderFate) -> str:
    return f"{fate.code} {fate.reason}".strip() if fate.code else fate.reason or "refused"
