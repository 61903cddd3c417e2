"""What was sent to instruments: the ids of orders, and what became of them.

Lives in the event loop. Each change is a note in the journal, which the registrar's process
tells the stores when it can.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import NamedTuple

import msgspec

from drivers.orders import Order, OrderFate
from rerund.journal.journal import Journal
from rerund.journal.rows import OrderNoteRow
from rerund.rerun.instants import iso
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder, OrderKey
from rerund.rerun.records import WaitingStatus

REMEMBERED = 20_000
"""Orders of which an instrument may still say something."""

RECENT = 600.0
"""Seconds in which an instrument that names no order means those that it was sent last."""

_pack = msgspec.msgpack.Encoder().encode


def unpack_note(body: bytes) -> OrderNote:
    """A note from the journal."""
    return msgspec.msgpack.decode(body, type=OrderNote)


class Drawn(NamedTuple):
    """An order under its id: whose it is, and what it asks for."""

    device_id: str
    key: OrderKey
    sample_id: str
    codes: tuple[str, ...]


class _Place:
    """What an instrument knows of one open row of the waiting list."""

    def __init__(self) -> None:
        self.orders: dict[str, Drawn] = {}
        self.codes: set[str] = set()
        self.note: OrderNote | None = None
        self.is_known = False
        """Whether the stores have known of it: a row that waits again was opened again."""


class OrderBook:
    """Gives orders their ids and keeps what became of them.

    `notes` are those of the journal, the oldest first, of the rows that are open; `on_noted` is
    called when one is on disk.
    """

    def __init__(
        self,
        journal: Journal,
        notes: Iterable[OrderNote],
        last_key: int,
        on_noted: Callable[[], None],
    ):
        self._journal = journal
        self._on_noted = on_noted
        self._keys = count(last_key + 1)
        # Ids must differ from those before a restart, and from those of other journals.
        self._prefix = f"{journal.journal_id[:4]}{time.time_ns() // 1_000_000:X}".upper()
        self._ids = count(1)
        self._drawn: OrderedDict[str, Drawn] = OrderedDict()
        self._places: dict[OrderKey, dict[str, _Place]] = {}
        self._of_report: OrderedDict[tuple[str, int], dict[int, str]] = OrderedDict()
        self._last: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._cancelling: dict[str, dict[str, Order]] = {}
        for note in notes:
            self._load(note)

    def has_sent(self, device_id: str) -> bool:
        """Whether an instrument was sent anything."""
        return device_id in self._last

    def can_cancel(self, device_id: str) -> None:
        """Keep cancelled orders of an instrument until it is told."""
        self._cancelling.setdefault(device_id, {})

    def draw(self, order: LocalOrder, device_id: str, codes: Sequence[str]) -> Order:
        """Return what an instrument is to be sent of a row, under an id of its own."""
        order_id = f"{self._prefix}-{next(self._ids)}"
        self._keep(order_id, Drawn(device_id, order.key, order.sample_id, tuple(codes)))
        before = self._of_report.get((device_id, order.lab_report_id), {})
        earlier = [number for number in before if number < order.rerun_number]
        return Order(
            order_id=order_id,
            sample_id=order.sample_id,
            codes=tuple(codes),
            rerun_number=order.rerun_number,
            parent_id=before[max(earlier)] if earlier else None,
            priority=order.priority,
            patient=order.patient,
            registered_at=order.created_at,
        )

    def sending(self, order_ids: Sequence[str]) -> None:
        """The orders go out in one message: from now on the instrument may know them."""
        for order_id in order_ids:
            drawn = self._drawn.get(order_id)
            if drawn is not None:
                place = self._place(drawn)
                place.orders[order_id] = drawn
                self._last[drawn.device_id] = (time.monotonic(), tuple(order_ids))

    def unsent(self, order: LocalOrder, device_id: str) -> list[str]:
        """Return the codes of a row that an instrument was not sent yet.

        What another instrument has is not sent twice, nor what this one was sent from elsewhere.
        """
        place = self._places.get(order.key, {}).get(device_id)
        taken = order.status in ("sent", "accepted")
        if taken and (order.taken_by not in (None, device_id) or place is None):
            return []
        if place is None:
            return order.codes[device_id]
        if order.status == "pending" and place.is_known:
            place.codes.clear()
            place.note, place.is_known = None, False
        return [code for code in order.codes[device_id] if code not in place.codes]

    def seen(self, orders: Iterable[LocalOrder], gone: Iterable[OrderKey]) -> None:
        """The open rows have changed: what the stores know of may be opened again."""
        for order in orders:
            if order.status != "pending":
                for device_id, place in self._places.get(order.key, {}).items():
                    place.is_known = True
                    if order.taken_by not in (None, device_id):
                        place.note = None  # who is sent it now has it again
        for key in gone:
            self._places.pop(key, None)

    def cancel(self, keys: Iterable[OrderKey]) -> None:
        """Take orders back that instruments may have; `cancelled` hands them out."""
        for key in keys:
            for device_id, place in self._places.get(key, {}).items():
                wanted = self._cancelling.get(device_id)
                if wanted is None or (place.note and place.note.status == "refused"):
                    continue
                for order_id, drawn in place.orders.items():
                    wanted[order_id] = Order(
                        order_id=order_id,
                        sample_id=drawn.sample_id,
                        codes=drawn.codes,
                        rerun_number=key[2],
                    )

    def cancelled(self, device_id: str) -> list[Order]:
        """Return the orders that an instrument may have and should not measure."""
        return list(self._cancelling.get(device_id, {}).values())

    def cancel_sent(self, device_id: str, order_ids: Iterable[str]) -> None:
        """The instrument was told not to measure these."""
        for order_id in order_ids:
            self._cancelling[device_id].pop(order_id, None)

    def is_open(self, order_id: str) -> bool:
        """Whether an order is of a row that still waits."""
        drawn = self._drawn.get(order_id)
        return drawn is not None and drawn.key in self._places

    def meant(self, fate: OrderFate, device_id: str) -> list[str]:
        """Return the ids of the orders that an instrument means which names none."""
        at, last = self._last.get(device_id, (0.0, ()))
        if fate.sample_id is None:
            return list(last) if time.monotonic() - at < RECENT else []
        of_sample = [
            order_id
            for order_id in reversed(self._drawn)
            if self._is_of(order_id, device_id, fate.sample_id)
        ]
        if fate.code is not None:
            with_code = [one for one in of_sample if fate.code in self._drawn[one].codes]
            return with_code[:1] or of_sample[:1]
        return [one for one in of_sample if one in last] or of_sample[:1]

    def note(self, order_id: str, status: WaitingStatus, reason: str = "") -> OrderNote | None:
        """Keep what became of an order; None when that is known or nothing is known of it."""
        drawn = self._drawn.get(order_id)
        if drawn is None:
            return None
        key = next(self._keys)
        lab_report_id, row_device_id, rerun_number = drawn.key
        note = OrderNote(
            lab_report_id=lab_report_id,
            row_device_id=row_device_id,
            rerun_number=rerun_number,
            device_id=drawn.device_id,
            status=status,
            reason=reason,
            order_id=order_id,
            sample_id=drawn.sample_id,
            codes=drawn.codes,
        )
        if not self._remember(note, drawn):
            return None
        row = OrderNoteRow(key, iso(time.time()), _pack(note))
        self._journal.note_orders([row], lambda error: self._on_noted())
        return note

    def _load(self, note: OrderNote) -> None:
        drawn = Drawn(note.device_id, note.key, note.sample_id, note.codes)
        self._keep(note.order_id, drawn)
        self._remember(note, drawn)
        self._place(drawn).orders[note.order_id] = drawn
        self._last[note.device_id] = (time.monotonic(), (note.order_id,))

    def _remember(self, note: OrderNote, drawn: Drawn) -> bool:
        """Take a note over; answers whether it says something new."""
        of_report = self._of_report.setdefault((drawn.device_id, note.lab_report_id), {})
        of_report[note.rerun_number] = note.order_id
        while len(self._of_report) > REMEMBERED:
            self._of_report.popitem(last=False)
        place = self._place(drawn)
        before = place.note
        known = (
            before is not None
            and (before.status, before.reason) == (note.status, note.reason)
            and place.codes.issuperset(note.codes)
        )
        place.codes.update(note.codes)
        place.note = note
        return not known

    def _keep(self, order_id: str, drawn: Drawn) -> None:
        self._drawn[order_id] = drawn
        if len(self._drawn) > REMEMBERED:
            self._drawn.popitem(last=False)

    def _place(self, drawn: Drawn) -> _Place:
        return self._places.setdefault(drawn.key, {}).setdefault(drawn.device_id, _Place())

    def _is_of(self, order_id: str, device_id: str, sample_id: str) -> bool:
        drawn = self._drawn[order_id]
        if (drawn.device_id, drawn.sample_id) != (device_id, sample_id):
            return False
        place = self._places.get(drawn.key, {}).get(device_id)
        return place is not None and order_id in place.orders
