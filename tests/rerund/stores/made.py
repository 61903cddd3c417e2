"""Rows and documents of one report, every field filled."""

from typing import Any

from drivers.result import Patient, Result
from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.records import (
    ActivityRow,
    EventRow,
    LedgerRow,
    Origin,
    ReportRow,
    ReportUpdate,
    ReportValue,
    Transaction,
    WaitingRow,
)

AT = "2026-05-20T09:00:00.000Z"
LATER = "2026-05-20T10:00:00.000Z"
RUN = "2026-05-20T08:59:00Z"


def report(number: int = 1, **fields: Any) -> ReportRow:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": number,
        "sample_id": f"S{number}",
        "report_format_id": 1,
        "registered_at": AT,
    }
    return ReportRow(**{**row, **fields})


def moved(number: int = 1, version: int = 0, flag: int = 0, **fields: Any) -> ReportUpdate:
    """The change of a report from this version and flag to the next version and flag 3."""
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": number,
        "expected_version": version,
        "expected_flag": flag,
        "rerun_version": version + 1,
        "flag": 3,
        "last_rerun_number": 1,
        "auto_rerun_indexes": [2, 4],
        "is_completed": False,
        "is_signed": False,
    }
    return ReportUpdate(**{**row, **fields})


def origin(**fields: Any) -> Origin:
    row: dict[str, Any] = {
        "payload_id": "payload-1",
        "device_id": "42",
        "device_name": "Sysmex XN-1000",
        "driver": "sysmex-xn",
        "driver_version": "1.0",
        "entry_id": 17,
        "received_at": AT,
        "sample_id": "S1",
        "kind": "patient",
        "id_reliable": True,
        "is_rerun": True,
        "rerun_number": -1,
        "rerun_type": "machine_rerun",
        "machine_triggered_rerun": True,
        "run_key": "42/S1/17",
        "patient": Patient(ids=("P1", "P2"), name="Ünal^Ayşe", birth_date="1980-02-01", sex="F"),
        "open_report": 7,
    }
    return Origin(**{**row, **fields})


def result(number: int = 1, **fields: Any) -> Result:
    row: dict[str, Any] = {
        "result_id": f"j-17-1-{number}",
        "test_code": "WBC",
        "value": "12.50",
        "comparator": "<",
        "numeric": "12.50",
        "units": "10*3/µL",
        "abnormal_flags": ["H", "A"],
        "result_status": "F",
        "run_at": RUN,
        "run_kind": "repeat",
        "conflict": True,
    }
    return Result(**{**row, **fields})


def ledger(number: int = 1, **fields: Any) -> LedgerRow:
    measured = fields.get("result") or result(number)
    row: dict[str, Any] = {
        "lab_id": 1,
        "result_id": measured.result_id,
        "lab_report_id": 1,
        "index": 1,
        "sample_id": "S1",
        "device_id": "42",
        "test_code": measured.test_code,
        "run_at": RUN,
        "run_key": "42/S1/17",
        "identity": f"identity-{number}",
        "received_at": AT,
        "entry_id": 17,
        "outcome": "registered",
        "reason": None,
        "rerun_number": 1,
        "settled": None,
        "requested": True,
        "late": False,
        "value": "12.50",
        "units": "10*3/uL",
        "result": measured,
        "origin": origin(),
    }
    return LedgerRow(**{**row, **fields})


def unmatched(number: int = 1, **fields: Any) -> LedgerRow:
    """A result that waits for its report or mapping."""
    loose = {"lab_report_id": 0, "index": -1, "outcome": "unmatched", "reason": "no_report"}
    return ledger(number, **{**loose, **fields})


def slot(index: int = 1, number: int = 1, **fields: Any) -> ReportValue:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": number,
        "index": index,
        "value": "12.5",
        "units": "10*3/uL",
        "numeric": "12.5",
        "comparator": None,
        "invalid_reason": None,
        "abnormal_flags": ["H"],
        "result_status": "F",
        "run_at": RUN,
        "device_id": "42",
        "device_name": "Sysmex XN-1000",
        "device_value": "12.5",
        "device_units": "10*3/uL",
        "result_id": f"j-1-1-{index}",
        "rerun_number": 0,
        "note": "mean of 2",
        "updated_at": AT,
    }
    return ReportValue(**{**row, **fields})


def waiting(rerun_number: int = 1, **fields: Any) -> WaitingRow:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": 1,
        "device_id": "",
        "rerun_number": rerun_number,
        "rerun_type": "manual_rerun",
        "requested": [1, 3],
        "remaining": [3],
        "priority": None,
        "status": "pending",
        "reason": None,
        "version": 1,
        "created_at": AT,
        "updated_at": AT,
        "sample_id": "S1",
        "report_format_id": 1,
    }
    return WaitingRow(**{**row, **fields})


def activity(code: int = 981, **fields: Any) -> ActivityRow:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": 1,
        "code": code,
        "at": AT,
        "user_id": -1,
        "event_id": "event-1",
        "rerun_number": 1,
        "old": {},
        "new": {"values": {"1": "12.5"}, "indexes": [1, 3]},
    }
    return ActivityRow(**{**row, **fields})


def rerun(number: int = 1, version: int = 1, **fields: Any) -> SampleRerun:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": 1,
        "sample_id": "S1",
        "type": "Manual",
        "rerun_number": number,
        "is_active": True,
        "requested_parameters": [1, 3],
        "fulfilled_parameters": [1],
        "parameter_names": ["WBC", "HGB"],
        "reason": "clot?",
        "run_key": f"#{number}",
        "created_by": 7,
        "created_at": 1779267600,
        "updated_by": 7,
        "updated_at": 1779267600,
        "version": version,
    }
    return SampleRerun(**{**row, **fields})


def value(index: int = 1, number: int = 1, version: int = 1, **fields: Any) -> SampleRerunValues:
    row: dict[str, Any] = {
        "lab_id": 1,
        "lab_report_id": 1,
        "sample_id": "S1",
        "value": "12.1",
        "order": 10 * index,
        "index": index,
        "rerun_type": "manual_rerun",
        "rerun_number": number,
        "parameter_name": "WBC",
        "device_id": "42",
        "device_name": "Sysmex XN-1000",
        "created_at": AT,
        "units": "10*3/uL",
        "run_kind": "repeat",
        "run_at": RUN,
        "abnormal_flags": ["H"],
        "requested": True,
        "replicate": 0,
        "result_id": f"j-2-1-{index}",
        "version": version,
    }
    return SampleRerunValues(**{**row, **fields})


def event(version: int = 1, number: int = 1, **fields: Any) -> EventRow:
    row: dict[str, Any] = {
        "event_id": f"event-{number}-{version}",
        "lab_id": 1,
        "lab_report_id": number,
        "version": version,
        "kind": "request",
        "rerun_number": 1,
        "flag_before": 0,
        "flag_after": 3,
        "at": AT,
        "reruns": [rerun()],
        "values": [value()],
        "active_number": 1,
        "inputs": {"steps": [["request", 0, 3]]},
        "answer": {"rerun_number": 1, "also_in": []},
    }
    return EventRow(**{**row, **fields})


def whole(number: int = 1, version: int = 0, **fields: Any) -> Transaction:
    """One event of a report with a row of each kind."""
    parts: dict[str, Any] = {
        "reports": [moved(number, version)],
        "events": [event(version + 1, number)],
        "ledger": [ledger(lab_report_id=number)],
        "values": [slot(number=number)],
        "waiting": [waiting(lab_report_id=number)],
        "activity": [activity(lab_report_id=number)],
    }
    return Transaction(**{**parts, **fields})
