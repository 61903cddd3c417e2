"""What one instrument is asked to measure: found for its questions, and due to be pushed.

"No order" is said only when a store says so at that moment. An instrument that hears it skips
the tube, or runs what it always runs.
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
from rerund.rerun.orders import LocalOrder
from rerund.rerun.records import WaitingStatus

log = structlog.get_logger(__name__)

AT_ONCE = 20
"""Orders pushed in one go; the next ones follow when the instrument has these."""

DECISION = 1.0
"""Seconds that a question waits for what came before it to be decided."""

LookUp = Callable[[Sequence[str]], Awaitable[Sequence[LocalOrder] | None]]
"""What is open of samples by the stores; None when they do not say in time."""


class Found(NamedTuple):
    """The orders for a question, and the samples asked for that have none."""

    orders: list[Order]
    missing: list[str]


class OrderDesk:
    """Finds the orders of one instrument and keeps what becomes of them.

    `max_age` is how old the copy may be, in seconds, when all orders are asked for.
    """

    def __init__(
        self,
        instrument: Instrument,
        copy: OrderCopy,
        book: OrderBook,
        arrivals: Arrivals,
        look_up: LookUp,
        max_age: float,
    ):
        self._instrument = instrument
        self._copy = copy
        self._book = book
        self._arrivals = arrivals
        self._look_up = look_up
        self._max_age = max_age
        self.has_sent = False
        self._taken_back: set[str] = set()
        wanted, uses = instrument.section.orders, instrument.order_uses
        self.answers = "query" in uses and wanted != "off"
        self.cancels = "cancel" in uses and wanted != "off"
        # An instrument that asks takes an order when the tube is there, and no earlier.
        asks = "query" in uses
        self.pushes = "push" in uses and (wanted == "push" or (wanted == "auto" and not asks))

    @property
    def profile(self) -> AnyProfile:
        """The instrument's profile."""
        return self._instrument.profile

    @property
    def device_id(self) -> str:
        """The id of the instrument."""
        return self._instrument.device_id

    def now(self) -> datetime:
        """The time of day by the instrument's clock."""
        return datetime.now(self._instrument.timezone)

    async def find(self, entry_id: int, queries: Iterable[HostQuery]) -> Found | None:
        """Return what an entry asks for; None when nobody can say now.

        What the instrument sent before counts: its results may be on their way to the stores.
        """
        await self._arrivals.wait(self.device_id, entry_id, DECISION)
        found: list[LocalOrder] = []
        unknown: dict[str, HostQuery] = {}
        for query in queries:
            if query.all_samples:
                age = self._copy.age
                if age is None or age > self._max_age:
                    return None
                found += _of_mode(self._copy.of_device(self.device_id), query)
            for sample_id in query.sample_ids:
                orders = _of_mode(self._copy.of_sample(sample_id, self.device_id), query)
                if orders and not self._arrivals.had_results(sample_id):
                    found += orders
                else:
                    unknown[sample_id] = query
        missing: list[str] = []
        looked_up = await self._look_up(list(unknown)) if unknown else ()
        for sample_id, query in unknown.items():
            orders = _of_mode(self._mine(looked_up, sample_id), query)
            if not orders and looked_up is None:
                return None
            found += orders
            missing += [] if orders else [sample_id]
        return Found([self._draw(order) for order in _distinct(found)], missing)

    def due(self) -> list[Order]:
        """Return the next orders to push: what the instrument was not sent yet."""
        due: list[Order] = []
        for order in self._copy.of_device(self.device_id) if self.pushes else ():
            codes = self._book.unsent(order, self.device_id)
            if codes:
                due.append(self._book.draw(order, self.device_id, codes))
            if len(due) == AT_ONCE:
                break
        return due

    def cancelled(self) -> list[Order]:
        """Return the orders to take back, each once, if the instrument can be told."""
        orders = self._book.cancelled(self.device_id) if self.cancels else []
        self._taken_back.update(order.order_id for order in orders)
        return orders

    def note(self, order_ids: Iterable[str], status: WaitingStatus, reason: str = "") -> None:
        """Keep what became of orders; a person hears of those that were refused."""
        for order_id in order_ids:
            self.has_sent = True
            if order_id in self._taken_back:
                continue
            note = self._book.note(order_id, status, reason)
            if note is None:
                continue
            where = {"instrument": self.device_id, "report": note.lab_report_id}
            if status == "refused":
                log.error("order_refused", alert=True, number=note.rerun_number, **where)
            else:
                log.info(f"order_{status}", number=note.rerun_number, **where)

    def take_fates(self, fates: Iterable[OrderFate], order_ids: Sequence[str] = ()) -> None:
        """Keep what the instrument says of orders, or of those just sent when it names none."""
        refused: dict[str, list[str]] = {}
        accepted: list[str] = []
        for fate in fates:
            order_id = fate.order_id or self._meant(fate.sample_id, order_ids)
            if order_id is None:
                continue
            if fate.accepted:
                accepted.append(order_id)
            else:
                refused.setdefault(order_id, []).append(_words(fate))
        self.note([order_id for order_id in accepted if order_id not in refused], "accepted")
        for order_id, reasons in refused.items():
            self.note([order_id], "refused", ", ".join(dict.fromkeys(reasons)))

    def _meant(self, sample_id: str | None, order_ids: Sequence[str]) -> str | None:
        if len(order_ids) == 1:
            return order_ids[0]
        return self._book.order_of(self.device_id, sample_id)

    def _mine(self, looked_up: Sequence[LocalOrder] | None, sample_id: str) -> list[LocalOrder]:
        """What the stores have of a sample, or the copy when they do not say."""
        if looked_up is None:
            return self._copy.of_sample(sample_id, self.device_id)
        return [o for o in looked_up if o.sample_id == sample_id and self.device_id in o.codes]

    def _draw(self, order: LocalOrder) -> Order:
        return self._book.draw(order, self.device_id, order.codes[self.device_id])


def _of_mode(orders: Sequence[LocalOrder], query: HostQuery) -> list[LocalOrder]:
    """A re-analysis gets what is to be repeated, and nothing else."""
    if query.mode == "reanalysis":
        return [order for order in orders if order.rerun_number]
    return list(orders)


def _distinct(orders: Sequence[LocalOrder]) -> list[LocalOrder]:
    return list({order.key: order for order in orders}.values())


def _words(fate: OrderFate) -> str:
    return f"{fate.code} {fate.reason}".strip() if fate.code else fate.reason or "refused"
