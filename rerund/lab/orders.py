"""`rerund order add` and `list`: one report for one sample, by hand."""

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

    Raises UnknownFormat, OrderClash, StoreUnavailable, StoreRejected.
    """
    known = [form.report_format_id for form in reports.lab_data(lab_id).formats]
    if order.report_format_id not in known:
        raise UnknownFormat(order.report_format_id, known)
    return tables.register(lab_id, order)
