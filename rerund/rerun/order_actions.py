"""What became of orders that went to instruments, and orders that are to be sent once more.

Neither is an event of the report: its version stays, and so does what a person decides on it.
"""

from collections.abc import Sequence

import structlog

from rerund.rerun.order_notes import OrderNote
from rerund.rerun.records import WaitingRow, WaitingStatus
from rerund.rerun.refusals import Conflict
from rerund.rerun.service_stores import Stores

log = structlog.get_logger(__name__)

WENT: tuple[WaitingStatus, ...] = ("sent", "accepted", "refused")
"""States of rows that went to an instrument and are open."""


def note_orders(stores: Stores, lab_id: int, notes: Sequence[OrderNote]) -> None:
    """Set what became of orders, in one transaction; told again, the rows end as they are.

    A row that is closed or has gone is left alone, and so is one that an instrument refuses
    while another has it. Raises StoreUnavailable and StoreRejected.
    """
    idle = stores.reports.note_orders(lab_id, notes)
    if len(idle) < len(notes):
        stores.numbers.notify(lab_id)
    refusals = {note.key: note for note in idle if note.status == "refused"}
    rows = stores.reports.waiting_rows(lab_id, {key[0] for key in refusals})
    for row in rows:
        note = refusals.get((row.lab_report_id, row.device_id, row.rerun_number))
        if note is not None and row.status in WENT and row.taken_by not in (None, note.device_id):
            log.info(
                "refusal_ignored",
                report=row.lab_report_id,
                number=row.rerun_number,
                instrument=note.device_id,
                taken_by=row.taken_by,
            )


def order_again(
    stores: Stores,
    lab_id: int,
    lab_report_id: int,
    rerun_number: int | None,
    device_id: str | None,
) -> list[WaitingRow]:
    """Set rows of a report that went to an instrument back to pending; answers them.

    Raises Conflict when none did, StaleReport when one has changed meanwhile.
    """
    rows = stores.reports.waiting_rows(lab_id, [lab_report_id])
    went = {
        (row.device_id, row.rerun_number): row
        for row in rows
        if row.status in WENT
        and rerun_number in (None, row.rerun_number)
        and device_id in (None, row.device_id, row.taken_by)
    }
    if not went:
        raise Conflict("nothing_sent", "no such open order of the report went to an instrument")
    stores.reports.order_again(lab_id, list(went.values()))
    stores.numbers.notify(lab_id)
    rows = stores.reports.waiting_rows(lab_id, [lab_report_id])
    return [row for row in rows if (row.device_id, row.rerun_number) in went]
