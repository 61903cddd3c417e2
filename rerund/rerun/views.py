"""What a person sees of a report or a sample: originals and rerun values side by side."""

from collections.abc import Sequence

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.delivery import to_payloads
from rerund.rerun.documents import SampleRerunValues
from rerund.rerun.instants import seconds
from rerund.rerun.model import Payload
from rerund.rerun.records import NO_REPORT, ActivityRow, LedgerRow, Parameter
from rerund.rerun.requests import as_json
from rerund.rerun.states import ActivityCode

_CODES = {code.value: code.name for code in ActivityCode}


class ReportView(msgspec.Struct):
    """One report in the shape of the fetch answer, with what a table of it needs."""

    sample_id: str
    report_format_id: int
    parameters: list[Parameter]
    answer: dict[str, object]


class SampleView(msgspec.Struct):
    """Everything known of a sample: its reports, and every value as payloads.

    `unmatched` are the payloads that wait for a report or a mapping, `reasons` the words for
    why: `no_report`, `no_mapping`, `ambiguous_sample`.
    """

    sample_id: str
    reports: list[ReportView]
    payloads: list[Payload]
    unmatched: list[Payload]
    reasons: list[str]


def show(case: ReportCase) -> dict[str, object]:
    """The fetch answer: the value shown per index with its source, the reruns to review.

    Values of an index that are neither (failed, parallel, refused) follow under `others`;
    reruns are ordered by display order, then number, then run time.
    """
    row, active = case.row, case.active
    parameters = sorted(case.parameters.values(), key=lambda p: (p.order, p.index))
    return {
        "lab_report_id": row.lab_report_id,
        "sampleRedrawFlag": row.flag,
        "version": row.rerun_version,
        "next_rerun_number": row.last_rerun_number + 1,
        "active": as_json(active) if active else None,
        "originals": [
            original
            for parameter in parameters
            if (original := _original(case, parameter)) is not None
        ],
        "reruns": [as_json(value) for value in _ordered(case)],
    }


def _ordered(case: ReportCase) -> list[SampleRerunValues]:
    return sorted(
        case.values.values(), key=lambda v: (v.order, v.rerun_number, v.run_at or "", v.replicate)
    )


def _original(case: ReportCase, parameter: Parameter) -> dict[str, object] | None:
    slot = case.slots.get(parameter.index)
    reviewed = {v.result_id for v in case.values.values() if v.index == parameter.index}
    rows = [row for row in case.ledger if row.index == parameter.index and not case.shows(row)]
    others = [_other(row) for row in rows if row.result_id not in reviewed]
    if slot is None and not others:
        return None
    shown: dict[str, object] = {
        "index": parameter.index,
        "order": parameter.order,
        "parameter_name": parameter.parameter_name,
    }
    if slot is None:
        return {**shown, "value": None, "others": others}
    fields = msgspec.structs.asdict(slot)
    for key in ("lab_id", "lab_report_id", "index"):
        del fields[key]
    fields["source"] = "original" if slot.rerun_number == 0 else "rerun"
    return {**shown, **fields, "others": others}


def _other(row: LedgerRow) -> dict[str, object]:
    return {
        "result_id": row.result_id,
        "value": row.value,
        "units": row.units,
        "invalid_reason": row.result.invalid_reason,
        "result_status": row.result.result_status,
        "run_at": row.run_at,
        "device_id": row.device_id,
        "device_name": row.origin.device_name,
        "run_kind": row.result.run_kind,
        "rerun_number": row.rerun_number,
        "outcome": row.outcome,
        "reason": row.reason,
        "settled": row.settled,
        "late": row.late,
    }


def activity_line(row: ActivityRow) -> dict[str, object]:
    """One line of the activity log, its code with its name."""
    return {
        "at": row.at,
        "code": row.code,
        "name": _CODES.get(row.code),
        "rerun_number": row.rerun_number,
        "user_id": row.user_id,
        "event_id": row.event_id,
        "old": row.old,
        "new": row.new,
    }


def report_view(case: ReportCase) -> ReportView:
    """One report with the parameters that a table of it lists."""
    return ReportView(
        sample_id=case.row.sample_id,
        report_format_id=case.row.report_format_id,
        parameters=sorted(case.parameters.values(), key=lambda p: (p.order, p.index)),
        answer=show(case),
    )


def sample_view(
    sample_id: str, cases: Sequence[ReportCase], ledger: Sequence[LedgerRow]
) -> SampleView:
    """All that is known of a sample, payloads in the order of their run times and arrival."""
    names = {
        (case.row.lab_report_id, parameter.index): parameter.parameter_name
        for case in cases
        for parameter in case.parameters.values()
    }
    ordered = sorted(ledger, key=lambda row: (seconds(row.run_at or row.received_at), row.entry_id))
    unmatched = [row for row in ordered if row.lab_report_id == NO_REPORT]
    return SampleView(
        sample_id=sample_id,
        reports=[report_view(case) for case in cases],
        payloads=to_payloads(ordered, names),
        unmatched=to_payloads(unmatched, names),
        reasons=sorted({row.reason for row in unmatched if row.reason}),
    )
