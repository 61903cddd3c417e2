"""What an instrument is asked to measure, and what it says to that."""

from typing import NamedTuple

import msgspec

from drivers.result import Patient


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the waiting list, in the order codes of one instrument.

    `order_id` is used once and never again: a rerun has another one, and names that of the
    order before it in `parent_id`. `rerun_number` 0 is the first run.
    """

    order_id: str
    sample_id: str
    codes: tuple[str, ...]
    rerun_number: int = 0
    parent_id: str | None = None
    priority: str | None = None
    patient: Patient | None = None
    registered_at: str | None = None
    """ISO 8601 UTC."""

    @property
    def is_rerun(self) -> bool:
        """Whether it repeats what was measured before."""
        return self.rerun_number > 0


class Outgoing(NamedTuple):
    """A message to an instrument, and the ids of the orders in it.

    `texts` are the texts of its frames (E1381), or the one message of HL7.
    """

    texts: tuple[bytes, ...]
    order_ids: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What an instrument hears that asked: the reply to its message, and messages after it.

    Without a `reply` the message is acknowledged as any other (HL7), or there is none (E1394).
    `order_ids` are the orders in the reply itself.
    """

    reply: bytes | None = None
    messages: tuple[Outgoing, ...] = ()
    order_ids: tuple[str, ...] = ()


class OrderFate(msgspec.Struct, frozen=True):
    """What an instrument says of an order: whether it takes it, and why not.

    Without `order_id` it is about the last order of the sample, or about the last one sent;
    without `code` about the whole order.
    """

    accepted: bool
    order_id: str | None = None
    sample_id: str | None = None
    code: str | None = None
    reason: str = ""
