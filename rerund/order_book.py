"""What was sent to instruments: the ids of orders, and what became of them.

Lives in the event loop. Each change is a note in the journal, which the registrar's process
tells the stores when it can.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import count

import msgspec

from drivers.orders import Order
from rerund.journal.journal import Journal
from rerund.journal.rows import OrderNoteRow
from rerund.rerun.instants import iso
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder, OrderKey
from rerund.rerun.records import WaitingStatus

REMEMBERED = 20_000
"""Orders of which an instrument may still say something."""

_pack = msgspec.msgpack.Encoder().encode
_Place = tuple[str, OrderKey]
"""An instrument and a row of the waiting list."""


def unpack_note(body: bytes) -> OrderNote:
    """A note from the journal."""
    return msgspec.msgpack.decode(body, type=OrderNote)


class OrderBook:
    """Gives orders their ids and keeps what became of them.

    `notes` are those of the journal, the oldest first; `on_noted` is called when one is on disk.
    """

    def __init__(
        self,
        journal: Journal,
        notes: Iterable[tuple[int, bytes]],
        last_key: int,
        on_noted: Callable[[], None],
    ):
        self._journal = journal
        self._on_noted = on_noted
        self._keys = count(last_key + 1)
        # Ids must differ from those before a restart, and from those of other journals.
        self._prefix = f"{journal.journal_id[:4]}{time.time_ns() // 1_000_000:X}".upper()
        self._ids = count(1)
        self._drawn: OrderedDict[str, tuple[str, LocalOrder, tuple[str, ...]]] = OrderedDict()
        self._noted: dict[_Place, OrderNote] = {}
        self._cancelled: dict[str, dict[str, Order]] = {}
        self._sent: dict[_Place, set[str]] = {}
        self._of_report: dict[tuple[str, int], dict[int, str]] = {}
        for _, body in notes:
            self._remember(unpack_note(body))

    def draw(self, order: LocalOrder, device_id: str, codes: Sequence[str]) -> Order:
        """Return what an instrument is to be sent of a row, under an id of its own."""
        order_id = f"{self._prefix}-{next(self._ids)}"
        self._drawn[order_id] = (device_id, order, tuple(codes))
        if len(self._drawn) > REMEMBERED:
            self._drawn.popitem(last=False)
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

    def unsent(self, order: LocalOrder, device_id: str) -> list[str]:
        """Return the codes of a row that an instrument was not sent yet."""
        sent = self._sent.get((device_id, order.key), ())
        return [code for code in order.codes[device_id] if code not in sent]

    def order_of(self, device_id: str, sample_id: str | None) -> str | None:
        """Return the id of the last order of a sample, or of all, that an instrument was sent."""
        for order_id in reversed(self._drawn):
            device, order, _ = self._drawn[order_id]
            if device == device_id and sample_id in (None, order.sample_id):
                return order_id
        return None

    def cancel(self, keys: Iterable[OrderKey]) -> None:
        """Take orders back that instruments were sent; `cancelled` hands them out."""
        for key in keys:
            for (device_id, noted), note in self._noted.items():
                if noted == key and note.status in ("sent", "accepted"):
                    self._cancelled.setdefault(device_id, {})[note.order_id] = Order(
                        order_id=note.order_id,
                        sample_id=note.sample_id,
                        codes=note.codes,
                        rerun_number=note.rerun_number,
                    )

    def cancelled(self, device_id: str) -> list[Order]:
        """Return the orders that an instrument has and should not measure, each once."""
        return list(self._cancelled.pop(device_id, {}).values())

    def note(self, order_id: str, status: WaitingStatus, reason: str = "") -> OrderNote | None:
        """Keep what became of an order; None when that is known or nothing is known of it."""
        drawn = self._drawn.get(order_id)
        if drawn is None:
            return None
        device_id, order, codes = drawn
        key = next(self._keys)
        note = OrderNote(
            note_id=f"order/{self._journal.journal_id}/{key}",
            lab_report_id=order.lab_report_id,
            row_device_id=order.device_id,
            rerun_number=order.rerun_number,
            device_id=device_id,
            status=status,
            reason=reason,
            order_id=order_id,
            sample_id=order.sample_id,
            codes=codes,
        )
        if not self._remember(note):
            return None
        row = OrderNoteRow(key, iso(time.time()), _pack(note))
        self._journal.note_orders([row], lambda error: self._on_noted())
        return note

    def _remember(self, note: OrderNote) -> bool:
        """Take a note over; answers whether it says something new."""
        place = (note.device_id, (note.lab_report_id, note.row_device_id, note.rerun_number))
        of_report = self._of_report.setdefault((note.device_id, note.lab_report_id), {})
        of_report[note.rerun_number] = note.order_id
        sent = self._sent.setdefault(place, set())
        before = self._noted.get(place)
        known = (
            before is not None
            and (before.status, before.reason) == (note.status, note.reason)
            and sent.issuperset(note.codes)
        )
        sent.update(note.codes)
        self._noted[place] = note
        return not known
