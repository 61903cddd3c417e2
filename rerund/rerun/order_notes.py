"""What became of an order that went to an instrument, noted in its waiting-list row."""

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.draft import Draft
from rerund.rerun.opening import touch_waiting
from rerund.rerun.records import OPEN_WAITING, EventRow, WaitingRow, WaitingStatus

LONGEST_REASON = 255


class OrderNote(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument was sent a row of the waiting list, took it, or refused it.

    `row_device_id` is that of the row, '' when any instrument may take it; `device_id` is the
    instrument, which knows the row as `order_id` and was sent `codes`. `note_id` is used once.
    """

    note_id: str
    lab_report_id: int
    row_device_id: str
    rerun_number: int
    device_id: str
    status: WaitingStatus
    reason: str = ""
    order_id: str = ""
    sample_id: str = ""
    codes: tuple[str, ...] = ()


_MOVES: dict[WaitingStatus, tuple[WaitingStatus, ...]] = {
    "sent": ("pending", "refused"),
    "accepted": ("pending", "sent", "refused"),
    "refused": ("pending", "sent", "accepted"),
}
"""From which states each note moves a row: a late `sent` takes nothing back."""


def note_order(case: ReportCase, note: OrderNote, draft: Draft) -> EventRow | dict[str, object]:
    """Set the state of the row; one that is closed or gone stays as it is.

    A refused row stays open: it comes back to the waiting list with the reason.
    """
    row = _row(case, note)
    if row is None or row.status not in _MOVES.get(note.status, ()):
        return {}
    row.status = note.status
    if note.status == "refused":
        row.reason = f"{note.device_id}: {note.reason}"[:LONGEST_REASON]
    touch_waiting(draft, row)
    draft.number = row.rerun_number or None
    return draft.close({"status": row.status})


def _row(case: ReportCase, note: OrderNote) -> WaitingRow | None:
    key = (note.row_device_id, note.rerun_number)
    rows = (row for row in case.waiting if (row.device_id, row.rerun_number) == key)
    return next((row for row in rows if row.status in OPEN_WAITING), None)
