"""The local copy of the open orders: what instruments that ask are told, stores or no stores.

Lives in the event loop. The registrar's process says what has changed, in parts; the journal
keeps it.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from rerund.rerun.orders import LocalOrder, OrderKey

SHARED = 10_000
"""Sets of codes that are remembered for orders to share."""

_packed = msgspec.msgpack.Encoder().encode

OnChange = Callable[[Sequence[LocalOrder], Sequence[OrderKey]], None]
"""Told the orders that are new or have changed, and the keys of those that are gone."""


def unpack_order(body: bytes) -> LocalOrder:
    """An order from the journal."""
    return msgspec.msgpack.decode(body, type=LocalOrder)


class _Orders:
    """Orders by key, and by sample."""

    def __init__(self) -> None:
        self.by_key: dict[OrderKey, LocalOrder] = {}
        self.by_sample: dict[str, dict[OrderKey, LocalOrder]] = {}
        self._codes: dict[bytes, dict[str, list[str]]] = {}

    def put(self, order: LocalOrder) -> None:
        order = self._sharing(order)
        self.drop(order.key)
        self.by_key[order.key] = order
        self.by_sample.setdefault(order.sample_id, {})[order.key] = order

    def _sharing(self, order: LocalOrder) -> LocalOrder:
        """Let orders that want the same share their codes.

        Thousands of containers would make each full collection a pause for every instrument.
        """
        if len(self._codes) >= SHARED:
            self._codes.clear()
        codes = self._codes.setdefault(_packed(order.codes), order.codes)
        return msgspec.structs.replace(order, codes=codes)

    def drop(self, key: OrderKey) -> None:
        order = self.by_key.pop(key, None)
        if order is not None:
            of_sample = self.by_sample[order.sample_id]
            del of_sample[order.key]
            if not of_sample:
                del self.by_sample[order.sample_id]


class OrderCopy:
    """The orders that a daemon's instruments can measure something of."""

    def __init__(self, orders: Iterable[LocalOrder] = ()):
        self._orders = _Orders()
        self._whole: _Orders | None = None
        self._changed: list[LocalOrder] = []
        self._gone: list[OrderKey] = []
        self.complete_at: float | None = None
        """When it was last known to be complete (monotonic); None before, since the start."""
        self.on_change: OnChange = _ignore
        for order in orders:
            self._orders.put(order)

    @property
    def age(self) -> float | None:
        """Seconds since it was complete; None when it has not been since the start."""
        return None if self.complete_at is None else time.monotonic() - self.complete_at

    def change(
        self,
        orders: Sequence[LocalOrder],
        gone: Sequence[OrderKey],
        *,
        whole: bool,
        last: bool = True,
    ) -> None:
        """Take over a part of what has changed; `whole` begins a new copy, `last` ends it."""
        if whole:
            self._whole = _Orders()
            self._changed, self._gone = [], []
        target = self._orders if self._whole is None else self._whole
        for key in gone:
            target.drop(key)
        for order in orders:
            target.put(order)
        self._changed += orders
        self._gone += gone
        if last:
            self._end()

    def get(self, key: OrderKey) -> LocalOrder | None:
        """The order of a key."""
        return self._orders.by_key.get(key)

    def of_sample(self, sample_id: str, device_id: str) -> list[LocalOrder]:
        """The orders of a sample that an instrument can measure something of."""
        return _of_device(self._orders.by_sample.get(sample_id, {}).values(), device_id)

    def of_device(self, device_id: str) -> list[LocalOrder]:
        """Every order that an instrument can measure something of."""
        return _of_device(self._orders.by_key.values(), device_id)

    def _end(self) -> None:
        if self._whole is not None:
            before, self._orders = self._orders, self._whole
            self._gone += [key for key in before.by_key if key not in self._orders.by_key]
        self.complete_at = time.monotonic()
        changed, gone = self._changed, self._gone
        self._whole, self._changed, self._gone = None, [], []
        if changed or gone:
            self.on_change(changed, gone)


def _of_device(orders: Iterable[LocalOrder], device_id: str) -> list[LocalOrder]:
    found = [order for order in orders if device_id in order.codes]
    return sorted(found, key=lambda order: (order.created_at, order.key))


def _ignore(orders: Sequence[LocalOrder], gone: Sequence[OrderKey]) -> None:
    del orders, gone
