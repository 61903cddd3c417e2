"""Open orders in the codes of a daemon's instruments: what the local copy holds."""

from collections.abc import Collection, Iterable

import msgspec

from drivers.result import Patient
from rerund.rerun.lab import Lab
from rerund.rerun.records import ANY_DEVICE, OrderRow, WaitingStatus

OrderKey = tuple[int, str, int]
"""`lab_report_id`, `device_id` ('' is any instrument), `rerun_number` (0 is the original)."""


class LocalOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An open row of the waiting list. `codes` are the order codes by instrument."""

    lab_report_id: int
    device_id: str
    rerun_number: int
    sample_id: str
    version: int
    status: WaitingStatus
    priority: str | None
    created_at: str
    codes: dict[str, list[str]]
    patient: Patient | None = None

    @property
    def key(self) -> OrderKey:
        """The key of the row."""
        return self.lab_report_id, self.device_id, self.rerun_number


def derive_orders(
    rows: Iterable[OrderRow], lab: Lab, device_ids: Collection[str]
) -> dict[OrderKey, LocalOrder]:
    """The rows that some of these instruments can measure something of, by key."""
    orders = (_derive(row, lab, device_ids) for row in rows)
    return {order.key: order for order in orders if order.codes}


def _derive(row: OrderRow, lab: Lab, device_ids: Collection[str]) -> LocalOrder:
    names = lab.get_rerun_format_machine_names_map(row.report_format_id, row.remaining)
    wanted = device_ids if row.device_id == ANY_DEVICE else {row.device_id} & set(device_ids)
    return LocalOrder(
        lab_report_id=row.lab_report_id,
        device_id=row.device_id,
        rerun_number=row.rerun_number,
        sample_id=row.sample_id,
        version=row.version,
        status=row.status,
        priority=row.priority,
        created_at=row.created_at,
        codes={name: names[name].order_codes for name in sorted(names) if name in wanted},
        patient=_patient(row),
    )


def _patient(row: OrderRow) -> Patient | None:
    ids = (row.patient_id,) if row.patient_id else ()
    if not (ids or row.patient_name or row.birth_date or row.sex):
        return None
    return Patient(ids, row.patient_name, row.birth_date, row.sex)
