"""The local copy of the open orders: what instruments that ask are told, stores or no stores.

Lives in the event loop. The registrar's process says what has changed; the journal keeps it.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from rerund.rerun.orders import LocalOrder, OrderKey


def unpack_order(body: bytes) -> LocalOrder:
    """An order from the journal."""
    return msgspec.msgpack.decode(body, type=LocalOrder)


class OrderCopy:
    """The orders by sample. `on_change` is called when some are new, changed or gone."""

    def __init__(self, orders: Iterable[LocalOrder] = ()):
        self._by_key: dict[OrderKey, LocalOrder] = {}
        self._by_sample: dict[str, dict[OrderKey, LocalOrder]] = {}
        self._complete_at: float | None = None
        self.on_change: Callable[[], None] = _ignore
        for order in orders:
            self._put(order)

    @property
    def age(self) -> float | None:
        """Seconds since it was complete; None when it has not been since the start."""
        return None if self._complete_at is None else time.monotonic() - self._complete_at

    def change(
        self,
        orders: Sequence[LocalOrder],
        gone: Sequence[OrderKey],
        *,
        whole: bool,
    ) -> None:
        """Take over what has changed; `whole` begins a new copy."""
        if whole:
            self._by_key.clear()
            self._by_sample.clear()
        for key in gone:
            self._drop(key)
        for order in orders:
            self._put(order)
        self._complete_at = time.monotonic()
        if orders or gone:
            self.on_change()

    def of_sample(self, sample_id: str, device_id: str) -> list[LocalOrder]:
        """The orders of a sample that an instrument can measure something of."""
        return _of_device(self._by_sample.get(sample_id, {}).values(), device_id)

    def of_device(self, device_id: str) -> list[LocalOrder]:
        """Every order that an instrument can measure something of."""
        return _of_device(self._by_key.values(), device_id)

    def _put(self, order: LocalOrder) -> None:
        self._drop(order.key)
        self._by_key[order.key] = order
        self._by_sample.setdefault(order.sample_id, {})[order.key] = order

    def _drop(self, key: OrderKey) -> None:
        order = self._by_key.pop(key, None)
        if order is not None:
            of_sample = self._by_sample[order.sample_id]
            del of_sample[order.key]
            if not of_sample:
                del self._by_sample[order.sample_id]


def _of_device(orders: Iterable[LocalOrder], device_id: str) -> list[LocalOrder]:
    found = [order for order in orders if device_id in order.codes]
    return sorted(found, key=lambda order: (order.created_at, order.key))


def _ignore() -> None:
    return
