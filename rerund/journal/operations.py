"""What the journal is asked to do, handed from the event loop to the writer.

An operation that is `owed` fails when the disk is full, because the sender will try again.
Every other one is kept until there is room: nothing would send it again.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from rerund.journal.batch import Batch, OpenEntry
from rerund.journal.errors import JournalError
from rerund.journal.rows import Decision, Mark, OrderNoteRow
from rerund.rerun.orders import LocalOrder, OrderKey

_pack = msgspec.msgpack.Encoder().encode

Done = Callable[[JournalError | None], None]
"""Called in the event loop: None once it is on disk, else why it is not."""


class Operation:
    """One request to the writer."""

    __slots__ = ("done",)
    owed: ClassVar[bool] = False

    def __init__(self, done: Done | None = None):
        self.done = done

    def add_to(self, batch: Batch) -> None:
        """Add what it wants written to a batch."""
        raise NotImplementedError


class AppendFrame(Operation):
    """A frame, with the begin of its entry before and the end of it after, if they come along."""

    __slots__ = ("ending", "entry", "raw", "text_at", "text_size")
    owed = True

    def __init__(self, entry: OpenEntry, raw: bytes, text: bytes, done: Done):
        super().__init__(done)
        self.entry = entry
        self.raw = raw
        self.text_at = raw.find(text)
        self.text_size = len(text)
        self.ending: Complete | Hold | None = None

    def add_to(self, batch: Batch) -> None:
        """Add the frame and the end of its entry."""
        batch.frame(self.entry, self.raw, self.text_at, self.text_size)
        if self.ending is not None:
            self.ending.add_to(batch)


class Complete(Operation):
    """The end of an entry whose frames were appended before."""

    __slots__ = ("entry", "expected", "reason", "text")

    def __init__(self, entry: OpenEntry, text: bytes, reason: str):
        super().__init__()
        self.entry = entry
        self.expected = entry.appended
        self.text = text
        self.reason = reason

    def add_to(self, batch: Batch) -> None:
        """End the entry."""
        batch.complete(self.entry, self.expected, self.text, self.reason)


class Hold(Operation):
    """An entry that ends without being complete."""

    __slots__ = ("detail", "entry_id", "reason")

    def __init__(self, entry_id: int, reason: str, detail: str):
        super().__init__()
        self.entry_id = entry_id
        self.reason = reason
        self.detail = detail

    def add_to(self, batch: Batch) -> None:
        """Hold the entry."""
        batch.hold(self.entry_id, self.reason, self.detail)


class Reject(Operation):
    """Bytes kept as evidence; on a full disk they are dropped, and `done` is told."""

    __slots__ = ("detail", "entry", "raw", "reason")
    owed = True

    def __init__(
        self, entry: OpenEntry, raw: bytes, reason: str, detail: str, done: Done | None = None
    ):
        super().__init__(done)
        self.entry = entry
        self.raw = raw
        self.reason = reason
        self.detail = detail

    def add_to(self, batch: Batch) -> None:
        """Add the bytes."""
        batch.reject(self.entry, self.raw, self.reason, self.detail)


class Record(Operation):
    """A decision with its payloads."""

    __slots__ = ("decision",)

    def __init__(self, decision: Decision, done: Done | None):
        super().__init__(done)
        self.decision = decision

    def add_to(self, batch: Batch) -> None:
        """Add the decision."""
        batch.decide(self.decision)


class MarkPayloads(Operation):
    """Delivery states."""

    __slots__ = ("marks",)

    def __init__(self, marks: Sequence[Mark], done: Done | None):
        super().__init__(done)
        self.marks = marks

    def add_to(self, batch: Batch) -> None:
        """Add the states."""
        batch.mark(self.marks)


class ChangeOrders(Operation):
    """What has changed in the copy of the open orders; `whole` begins a new one."""

    __slots__ = ("gone", "orders", "whole")

    def __init__(
        self,
        orders: Sequence[LocalOrder],
        gone: Sequence[OrderKey],
        whole: bool,
    ):
        super().__init__()
        self.orders = orders
        self.gone = gone
        self.whole = whole

    def add_to(self, batch: Batch) -> None:
        """Change the copy."""
        rows = [(*order.key, _pack(order)) for order in self.orders]
        batch.change_orders(rows, self.gone, whole=self.whole)


class NoteOrders(Operation):
    """What became of orders that went to instruments."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[OrderNoteRow], done: Done | None):
        super().__init__(done)
        self.rows = rows

    def add_to(self, batch: Batch) -> None:
        """Add the notes."""
        batch.note_orders(self.rows)


class MarkNotes(Operation):
    """Notes that the stores have."""

    __slots__ = ("note_keys",)

    def __init__(self, note_keys: Sequence[int]):
        super().__init__()
        self.note_keys = note_keys

    def add_to(self, batch: Batch) -> None:
        """Mark them."""
        batch.mark_notes(self.note_keys)


class ReplaceWaiting(Operation):
    """A refreshed copy of the waiting list; rows None when only the time is new."""

    __slots__ = ("refreshed_at", "rows")

    def __init__(self, rows: list[tuple[str, bytes]] | None, refreshed_at: str, done: Done | None):
        super().__init__(done)
        self.rows = rows
        self.refreshed_at = refreshed_at

    def add_to(self, batch: Batch) -> None:
        """Replace the copy."""
        batch.replace_waiting(self.rows, self.refreshed_at)
