"""The rows of the waiting list as orders that went to instruments change them.

Each is one guarded update, and no event of the report: what a person sees of it is the same
before and after. Rows are written in the order of their keys everywhere, so that nobody waits
for a row of somebody who waits for one of his.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Update, and_, bindparam, case, null, or_, update

from rerund.rerun.order_notes import KNOWN, OrderNote
from rerund.rerun.records import OPEN_WAITING, WaitingRow, WaitingStatus
from rerund.stores.ports import StaleReport
from rerund.stores.schema import waiting_list
from rerund.stores.types import now

_w = waiting_list.c
_ROW = update(waiting_list).where(
    _w.lab_id == bindparam("of_lab"),
    _w.lab_report_id == bindparam("of_report"),
    _w.device_id == bindparam("of_device"),
    _w.rerun_number == bindparam("of_number"),
)
_CHANGED = ((_w.version, _w.version + 1), (_w.updated_at, now))

# A server sets column after column, and sees what it has set: the status comes last.
_NO_REFUSAL = case((_w.status == "refused", null()), else_=_w.reason)
_DEVICE: BindParameter[Any] = bindparam("by_device")
_NOBODY_ELSE = or_(_w.taken_by.is_(None), _w.taken_by == _DEVICE)


def _note(status: WaitingStatus) -> Update:
    refused, new = status == "refused", _w.status.not_in(KNOWN[status])
    moves = and_(new, _NOBODY_ELSE) if refused else or_(new, _w.taken_by != _DEVICE)
    return _ROW.where(_w.status.in_(OPEN_WAITING), moves).ordered_values(
        (_w.reason, bindparam("refusal") if refused else _NO_REFUSAL),
        (_w.taken_by, null() if refused else _DEVICE),
        *_CHANGED,
        (_w.status, status),
    )


_NOTES = {status: _note(status) for status in KNOWN}
_AGAIN = _ROW.where(_w.version == bindparam("as_read")).ordered_values(
    (_w.reason, _NO_REFUSAL),
    (_w.taken_by, null()),
    *_CHANGED,
    (_w.status, "pending"),
)


def write_notes(connection: Connection, lab_id: int, notes: Sequence[OrderNote]) -> list[OrderNote]:
    """Set in their rows what became of orders; answers the notes that changed nothing."""
    ordered = sorted(notes, key=lambda n: (n.lab_report_id, n.row_device_id, n.rerun_number))
    return [note for note in ordered if not _write(connection, lab_id, note)]


def _write(connection: Connection, lab_id: int, note: OrderNote) -> int:
    key = _key(lab_id, note.lab_report_id, note.row_device_id, note.rerun_number)
    said = {"by_device": note.device_id, "refusal": note.refusal}
    return connection.execute(_NOTES[note.status], {**key, **said}).rowcount


def write_again(connection: Connection, lab_id: int, rows: Sequence[WaitingRow]) -> None:
    """Set rows back to pending. Raises StaleReport; the caller takes it all back."""
    for row in sorted(rows, key=lambda r: (r.lab_report_id, r.device_id, r.rerun_number)):
        key = _key(lab_id, row.lab_report_id, row.device_id, row.rerun_number)
        if not connection.execute(_AGAIN, {**key, "as_read": row.version}).rowcount:
            raise StaleReport(lab_id, row.lab_report_id)


def _key(lab_id: int, lab_report_id: int, device_id: str, rerun_number: int) -> dict[str, Any]:
    return {
        "of_lab": lab_id,
        "of_report": lab_report_id,
        "of_device": device_id,
        "of_number": rerun_number,
    }
