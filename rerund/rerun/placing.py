"""Where the values of a payload belong in one report, before anything is decided."""

import uuid
from collections.abc import Sequence

import msgspec

from drivers.result import Result
from rerund.rerun.case import ReportCase
from rerund.rerun.delivery import Delivery, ledger_row
from rerund.rerun.identity import is_usable
from rerund.rerun.instants import seconds
from rerund.rerun.lab import Lab
from rerund.rerun.records import LedgerRow, Mapping, Parameter
from rerund.rerun.units import Converted, convert

_EVENTS = uuid.UUID("6f7f4b44-37a7-4a0e-9a3a-6f3d7a5d2f10")


class Placed(msgspec.Struct):
    """A value at one index of one report; `shown` is None when its unit does not fit."""

    result: Result
    index: int
    parameter: Parameter
    shown: Converted | None
    row: LedgerRow

    @property
    def usable(self) -> bool:
        """Whether it may fill a slot or fulfil a request."""
        return self.shown is not None and is_usable(self.result)

    def run_time(self) -> float:
        """Unix seconds of the run, of the arrival without one."""
        return seconds(self.result.run_at or self.row.received_at)


def place(case: ReportCase, delivery: Delivery, lab: Lab) -> list[Placed]:
    """The values of a payload that this report has an index for and has not had yet.

    A row that waits for a report becomes the row of the first place.
    """
    placed: list[Placed] = []
    for result in delivery.results:
        for parameter, mapping in lab.places(
            delivery.origin.device_id, result.test_code, case.row.report_format_id
        ):
            if not case.holds(result.result_id, parameter.index):
                placed.append(_placed(case, delivery, result, (parameter, mapping)))
    return placed


def _placed(
    case: ReportCase, delivery: Delivery, result: Result, place: tuple[Parameter, Mapping]
) -> Placed:
    parameter, mapping = place
    row = delivery.unplaced.pop(result.result_id, None) or ledger_row(delivery, result)
    row.lab_report_id = case.row.lab_report_id
    row.index = parameter.index
    row.late = case.closed_to_lims
    shown = convert(result, mapping, parameter)
    if shown is not None:
        row.value, row.units = shown.value, shown.units
    return Placed(result, parameter.index, parameter, shown, row)


def event_id(case: ReportCase, placed: Sequence[Placed]) -> str:
    """The id of registering these values in this report, the same after any crash."""
    names = ",".join(f"{value.result.result_id}@{value.index}" for value in placed)
    return str(uuid.uuid5(_EVENTS, f"{case.row.lab_id}/{case.row.lab_report_id}/{names}"))
