"""Open orders in the codes of a daemon's instruments: what the local copy holds."""

from collections.abc import Collection, Iterable

import msgspec

from drivers.result import Patient
from rerund.rerun.lab import Lab
from rerund.rerun.records import ANY_DEVICE, OrderRow, WaitingStatus

OrderKey = tuple[int, str, int]
"""`lab_report_id`, `device_id` ('' is any instrument), `rerun_number` (0 is the original)."""


class LocalOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An open row of the waiting list. `codes` are the order codes by instrument.

    `taken_by` is the instrument that has it, by the stores. There may be many at a time, and no
    cycle of them: the collector need not look at them.
    """

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
    taken_by: str | None = None

    @property
    def key(self) -> OrderKey:
        """The key of the row."""
        return self.lab_report_id, self.device_id, self.rerun_number


def derive_orders(
    rows: Iterable[OrderRow], lab: Lab, device_ids: Collection[str]
) -> dict[OrderKey, LocalOrder]:
    """The rows that some of these instruments can measure something of, by key."""
    codes = _Codes(lab, device_ids)
    orders = (_derive(row, codes.of(row)) for row in rows)
    return {order.key: order for order in orders if order.codes}


class _Codes:
    """Order codes by instrument, found once for all rows that want the same."""

    def __init__(self, lab: Lab, device_ids: Collection[str]):
        self._lab = lab
        self._device_ids = frozenset(device_ids)
        self._found: dict[tuple[int, str, tuple[int, ...]], dict[str, list[str]]] = {}

    def of(self, row: OrderRow) -> dict[str, list[str]]:
        """The codes that cover what remains of a row."""
        wants = (row.report_format_id, row.device_id, tuple(row.remaining))
        codes = self._found.get(wants)
        if codes is None:
            codes = self._found[wants] = self._find(row)
        return codes

    def _find(self, row: OrderRow) -> dict[str, list[str]]:
        names = self._lab.get_rerun_format_machine_names_map(row.report_format_id, row.remaining)
        any_device = row.device_id == ANY_DEVICE
        wanted = self._device_ids if any_device else self._device_ids & {row.device_id}
        return {name: names[name].order_codes for name in sorted(names) if name in wanted}


def _derive(row: OrderRow, codes: dict[str, list[str]]) -> LocalOrder:
    return LocalOrder(
        lab_report_id=row.lab_report_id,
        device_id=row.device_id,
        rerun_number=row.rerun_number,
        sample_id=row.sample_id,
        version=row.version,
        status=row.status,
        priority=row.priority,
        created_at=row.created_at,
        codes=codes,
        patient=_patient(row),
        taken_by=row.taken_by,
    )


def _patient(row: OrderRow) -> Patient | None:
    ids = (row.patient_id,) if row.patient_id else ()
    if not (ids or row.patient_name or row.birth_date or row.sex):
        return None
    return Patient(ids, row.patient_name, row.birth_date, row.sex)
