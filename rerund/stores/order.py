"""The order of documents and of waiting-list rows, in which every store reads and writes them."""

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.records import OrderRow, WaitingRow


def rerun_order(rerun: SampleRerun) -> tuple[int, ...]:
    """By report and number."""
    return rerun.lab_report_id, rerun.rerun_number


def value_order(value: SampleRerunValues) -> tuple[int, ...]:
    """By report, order, number and replicate."""
    return value.lab_report_id, value.order, value.rerun_number, value.replicate


def waiting_order(row: WaitingRow | OrderRow) -> tuple[int, int, str]:
    """By report, number and instrument."""
    return row.lab_report_id, row.rerun_number, row.device_id


def takes_the_active_key(rerun: SampleRerun) -> bool:
    """Whether it holds the unique key of the one active rerun: written after those that do not.

    So the key is free when the next rerun of a report takes it.
    """
    return rerun.active_of != rerun.id
