"""The rows and documents that a placed value becomes."""

from drivers.result import RunKind
from rerund.rerun.documents import SampleRerunValues
from rerund.rerun.draft import Draft
from rerund.rerun.instants import seconds
from rerund.rerun.model import RerunType
from rerund.rerun.placing import Placed
from rerund.rerun.records import LedgerRow, ReportValue


def fill_slot(draft: Draft, value: Placed, replicates: int) -> None:
    """Show a value as the report's original; a first replicate says so."""
    result, origin = value.result, value.row.origin
    draft.case.touch_slot(
        ReportValue(
            lab_id=value.row.lab_id,
            lab_report_id=value.row.lab_report_id,
            index=value.index,
            value=value.row.value,
            units=value.row.units,
            numeric=value.shown.numeric if value.shown else None,
            comparator=result.comparator,
            invalid_reason=None,
            abnormal_flags=result.abnormal_flags,
            result_status=result.result_status,
            run_at=result.run_at,
            device_id=origin.device_id,
            device_name=origin.device_name,
            device_value=result.value,
            device_units=result.units,
            result_id=result.result_id,
            rerun_number=0,
            note=_note(result.replicate, replicates),
            updated_at=draft.at,
        )
    )


def chosen_slot(
    draft: Draft, value: SampleRerunValues, row: LedgerRow, replicates: int
) -> ReportValue:
    """The slot that shows a rerun value which a person chose; a first replicate says so."""
    return ReportValue(
        lab_id=value.lab_id,
        lab_report_id=value.lab_report_id,
        index=value.index,
        value=value.value,
        units=value.units,
        numeric=value.numeric,
        comparator=value.comparator,
        invalid_reason=None,
        abnormal_flags=value.abnormal_flags,
        result_status=value.result_status,
        run_at=value.run_at,
        device_id=value.device_id,
        device_name=value.device_name,
        device_value=row.result.value,
        device_units=row.result.units,
        result_id=value.result_id,
        rerun_number=value.rerun_number,
        note=_note(value.replicate, replicates),
        updated_at=draft.at,
    )


def _note(replicate: int, replicates: int) -> str | None:
    if not replicates:
        return None
    if replicate == 0:
        return f"mean of {replicates} replicates"
    return f"replicate {replicate} of {replicates}"


def rerun_value(
    draft: Draft, value: Placed, number: int, rerun_type: RerunType, *, requested: bool
) -> SampleRerunValues:
    """A value under a rerun number, usable or not, in the unit of the report."""
    result, row = value.result, value.row
    return SampleRerunValues(
        lab_id=row.lab_id,
        lab_report_id=row.lab_report_id,
        sample_id=row.sample_id,
        value=row.value,
        order=value.parameter.order,
        index=value.index,
        rerun_type=rerun_type,
        rerun_number=number,
        parameter_name=value.parameter.parameter_name,
        device_id=row.device_id,
        device_name=row.origin.device_name,
        created_at=draft.at,
        units=row.units,
        run_kind=result.run_kind,
        run_at=result.run_at,
        abnormal_flags=result.abnormal_flags,
        requested=requested,
        replicate=result.replicate,
        result_id=result.result_id,
        version=draft.version,
        comparator=result.comparator,
        numeric=value.shown.numeric if value.shown else None,
        invalid_reason=invalid_reason(value),
        result_status=result.result_status,
        conflict=result.conflict,
        late=row.late,
    )


def invalid_reason(value: Placed) -> str | None:
    """Why a value cannot be used; None when it can."""
    if value.shown is None:
        return "unit_mismatch"
    if value.usable:
        return None
    return value.result.invalid_reason or "status"


def arrived_late(value: Placed, slot: ReportValue | None) -> bool:
    """Whether a value was measured before the one that the report shows."""
    if slot is None or slot.run_at is None or value.result.run_at is None:
        return False
    return seconds(value.result.run_at) < seconds(slot.run_at)


def run_kind_of(value: Placed, *, parallel: bool) -> RunKind:
    """What kind of run a stored repeat is: never an original."""
    if parallel:
        return "parallel"
    kind = value.result.run_kind
    return "repeat" if kind in ("original", "unknown") else kind
