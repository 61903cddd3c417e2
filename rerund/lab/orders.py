"""`rerund order add` and `list`: one report for one sample, by hand."""

from pydantic import ValidationError

from rerund.lab.model import ReportSection
from rerund.stores.lab_tables import LabTables, Order
from rerund.stores.ports import ReportStore


class UnknownFormat(Exception):  # noqa: N818 - says what is the case
    """An order names a report format that the lab does not have."""

    def __init__(self, report_format_id: int, known: list[int]):
        super().__init__(report_format_id, known)
        self.report_format_id = report_format_id
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(map(str, self.known)) or "none: rerund lab load"
        return f"there is no report format {self.report_format_id}; known: {known}"


def add_order(lab_id: int, order: Order, reports: ReportStore, tables: LabTables) -> int:
    """Register a report; answers its `lab_report_id`. The same again changes nothing.

    Raises ValueError for what no lab file may say either, UnknownFormat, OrderClash,
    StoreUnavailable, StoreRejected.
    """
    _check(order)
    known = [form.report_format_id for form in reports.lab_data(lab_id).formats]
    if order.report_format_id not in known:
        raise UnknownFormat(order.report_format_id, known)
    return tables.register(lab_id, order)


def _check(order: Order) -> None:
    said = {
        "id": order.lab_report_id,
        "sample": order.sample_id,
        "format": order.report_format_id,
        "registered_at": order.registered_at,
        "patient": {
            "id": order.patient_id,
            "name": order.patient_name,
            "sex": order.sex,
            "birth_date": order.birth_date,
        },
    }
    if order.lab_report_id is None:
        said["id"] = 1  # the store will give the next
    try:
        ReportSection.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{first['loc'][-1]}: {first['msg']}") from None
