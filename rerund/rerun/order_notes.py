"""What became of an order that went to an instrument, noted in its waiting-list row."""

import msgspec

from rerund.rerun.orders import OrderKey
from rerund.rerun.records import WaitingStatus

LONGEST_REASON = 255
"""Characters of the column."""


class OrderNote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An instrument was sent a row of the waiting list, took it, or refused it.

    `row_device_id` is that of the row, '' when any instrument may take it; `device_id` is the
    instrument, which knows the row as `order_id` and was sent `codes`.
    """

    lab_report_id: int
    row_device_id: str
    rerun_number: int
    device_id: str
    status: WaitingStatus
    reason: str = ""
    order_id: str = ""
    sample_id: str = ""
    codes: tuple[str, ...] = ()

    @property
    def key(self) -> OrderKey:
        """The key of the row."""
        return self.lab_report_id, self.row_device_id, self.rerun_number

    @property
    def refusal(self) -> str | None:
        """What a refusal says in the row; None when the note is none."""
        if self.status != "refused":
            return None
        return f"{self.device_id}: {self.reason}"[:LONGEST_REASON]


KNOWN: dict[WaitingStatus, tuple[WaitingStatus, ...]] = {
    "sent": ("sent", "accepted"),
    "accepted": ("accepted",),
    "refused": ("refused",),
}
"""In which states a note of the instrument that has the row says nothing new.

In every other open state it moves the row: the instrument that was sent it last, or took it
last, has it, and a refusal of another one comes too late. So whatever notes are told again in
their order, from any of them on, rows end as they were. A refused row stays open: it comes back
to the waiting list with the reason.
"""
