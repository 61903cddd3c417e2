"""`rerund order add` and `list`: one report for one sample, by hand."""

from msgspec.structs import replace
from pydantic import ValidationError

from rerund.lab.model import ReportSection
from rerund.rerun.records import ReportFormat
from rerund.stores.lab_tables import LabTables, Order
from rerund.stores.ports import ReportStore

LONGEST_PRIORITY = 16
"""What its column takes."""


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
    formats = {form.report_format_id: form for form in reports.lab_data(lab_id).formats}
    if order.report_format_id not in formats:
        raise UnknownFormat(order.report_format_id, list(formats))
    return tables.register(lab_id, _of_format(order, formats[order.report_format_id]))


def _of_format(order: Order, form: ReportFormat) -> Order:
    """The order with each index once. Raises ValueError for one that the format lacks.

    Nothing would ever be measured for it, and the order would stay open.
    """
    if order.requested is None:
        return order
    indexes = {parameter.index for parameter in form.parameters}
    unknown = [index for index in order.requested if index not in indexes]
    if unknown:
        lacking = ", ".join(map(str, unknown))
        raise ValueError(f"index: report format {form.report_format_id} has no parameter {lacking}")
    return replace(order, requested=list(dict.fromkeys(order.requested)))


def _check(order: Order) -> None:
    if order.priority is not None and not 0 < len(order.priority) <= LONGEST_PRIORITY:
        raise ValueError(f"priority: 1 to {LONGEST_PRIORITY} characters")
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
