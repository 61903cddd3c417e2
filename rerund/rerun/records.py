"""The rows of the relational store, as the rules see them.

Every `*_at` is ISO 8601 UTC text ending in Z. Numbers that are measured or compared are
decimal text, never floats. An `index` is the position key of a parameter in its report
format; `NO_REPORT` and `NO_INDEX` stand in the ledger for a result without a report.
"""

from typing import Literal

import msgspec

from drivers.result import Kind, Patient, Result
from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.model import RerunType

NO_REPORT = 0
NO_INDEX = -1
ANY_DEVICE = ""

Outcome = Literal["original", "registered", "ignored", "refused", "unmatched", "superseded"]
Settled = Literal["kept", "confirmed", "discarded"]
WaitingStatus = Literal["pending", "sent", "accepted", "refused", "resulted", "cancelled"]
EventKind = Literal["values", "request", "confirm", "cancel", "auto_check", "correction"]
AutoCondition = Literal["abnormal", "critical", "custom", "invalid"]

OPEN_WAITING: tuple[WaitingStatus, ...] = ("pending", "sent", "accepted", "refused")


class Range(msgspec.Struct, frozen=True):
    """The bounds of one sex; None is open. `sex` is 'M', 'F' or '' for both."""

    sex: str = ""
    lower: str | None = None
    upper: str | None = None
    critical_lower: str | None = None
    critical_upper: str | None = None


class ParameterMeta(msgspec.Struct, frozen=True):
    """What may and what shall be repeated."""

    manual_rerun: bool = False
    auto_rerun: bool = False
    auto_rerun_condition: AutoCondition | None = None
    auto_rerun_lower: str | None = None
    auto_rerun_upper: str | None = None
    auto_rerun_flags: tuple[str, ...] = ()


class Parameter(msgspec.Struct, frozen=True):
    """One line of a report format."""

    index: int
    order: int
    parameter_name: str
    units: str | None = None
    ranges: tuple[Range, ...] = ()
    meta: ParameterMeta = ParameterMeta()


class ReportFormat(msgspec.Struct, frozen=True):
    """A panel: the parameters of a report."""

    report_format_id: int
    lab_id: int
    name: str
    parameters: tuple[Parameter, ...]


class Device(msgspec.Struct, frozen=True):
    """An instrument as the lab knows it."""

    device_id: str
    lab_id: int
    name: str


class Mapping(msgspec.Struct, frozen=True):
    """(`device_id`, `test_code`) is this parameter; `factor` turns `units` into the report's."""

    device_id: str
    test_code: str
    report_format_id: int
    index: int
    order_code: str
    units: str | None = None
    factor: str | None = None


class LabData(msgspec.Struct, frozen=True):
    """Formats, instruments and mappings of one lab, read as one."""

    lab_id: int
    formats: tuple[ReportFormat, ...]
    devices: tuple[Device, ...]
    mappings: tuple[Mapping, ...]


class ReportRow(msgspec.Struct, kw_only=True):
    """A row of `lab_report_relation`. `flag` is the column `sampleRedrawFlag`.

    `completed_at` says when it was completed or signed, where the LIMS tells.
    `results_checked` is False until results that came before the report were looked for.
    """

    lab_id: int
    lab_report_id: int
    sample_id: str
    report_format_id: int
    registered_at: str
    patient_id: str | None = None
    patient_name: str | None = None
    sex: str | None = None
    birth_date: str | None = None
    is_completed: bool = False
    is_signed: bool = False
    completed_at: str | None = None
    flag: int = 0
    rerun_version: int = 0
    last_rerun_number: int = 0
    auto_rerun_indexes: list[int] = []
    results_checked: bool = False


class ReportUpdate(msgspec.Struct, kw_only=True, frozen=True):
    """A compare-and-set of the rerun columns, guarded by version *and* flag as read.

    `is_completed` and `is_signed` are guards too: a LIMS that completes or signs a report
    changes what may be done with it. `take_back_signature` clears `is_signed`.
    """

    lab_id: int
    lab_report_id: int
    expected_version: int
    expected_flag: int
    rerun_version: int
    flag: int
    last_rerun_number: int
    auto_rerun_indexes: list[int]
    is_completed: bool
    is_signed: bool
    take_back_signature: bool = False
    results_checked: bool = False
    """Whether earlier results have been looked for; False leaves it as it is."""


class ReportValue(msgspec.Struct, kw_only=True):
    """A row of `report_values`: what a report shows for an index, in the format's unit.

    Key: (`lab_id`, `lab_report_id`, `index`). `device_value` and `device_units` are what
    arrived. `rerun_number` is 0 for an original. A withdrawn value keeps its slot with an
    `invalid_reason`.
    """

    lab_id: int
    lab_report_id: int
    index: int
    value: str
    units: str | None
    numeric: str | None
    comparator: str | None
    invalid_reason: str | None
    abnormal_flags: list[str]
    result_status: str | None
    run_at: str | None
    device_id: str
    device_name: str
    device_value: str
    device_units: str | None
    result_id: str
    rerun_number: int
    note: str | None
    updated_at: str


class Origin(msgspec.Struct, frozen=True):
    """What a payload says around its results: all that a late registration needs.

    `open_report` is the report whose open rerun gave the payload its number.
    """

    payload_id: str
    device_id: str
    device_name: str
    driver: str
    driver_version: str
    entry_id: int
    received_at: str
    sample_id: str
    kind: Kind
    id_reliable: bool
    is_rerun: bool
    rerun_number: int
    rerun_type: RerunType | None
    machine_triggered_rerun: bool
    run_key: str
    patient: Patient | None = None
    open_report: int | None = None


class LedgerRow(msgspec.Struct, kw_only=True):
    """A row of `device_results`, never deleted: one result in one place of one report.

    `row_id` is None until stored; a row with an id is rewritten whole. Unique:
    (`lab_id`, `result_id`, `lab_report_id`, `index`). `identity` is the run identity as
    one key, None without a run time. `reason` is a word such as `no_report`,
    `no_mapping`, `ambiguous_sample`, `unit_mismatch`, `rerun_closed`. `value` and
    `units` are as shown in the report's unit; `result` is what arrived.
    """

    row_id: int | None = None
    lab_id: int
    result_id: str
    lab_report_id: int
    index: int
    sample_id: str
    device_id: str
    test_code: str
    run_at: str | None
    run_key: str
    identity: str | None
    received_at: str
    entry_id: int
    outcome: Outcome
    reason: str | None
    rerun_number: int
    settled: Settled | None
    requested: bool
    late: bool
    value: str
    units: str | None
    result: Result
    origin: Origin


class WaitingRow(msgspec.Struct, kw_only=True):
    """A row of `waiting_list`.

    Key: (`lab_id`, `lab_report_id`, `device_id`, `rerun_number`); `device_id` '' is any
    instrument, `rerun_number` 0 the original order. `sample_id` and `report_format_id`
    are those of the report. `version` grows by one with every change of the row.
    `taken_by` is the instrument that was sent the row last, and has not refused it.
    """

    lab_id: int
    lab_report_id: int
    device_id: str
    rerun_number: int
    rerun_type: RerunType | None
    requested: list[int]
    remaining: list[int]
    priority: str | None
    status: WaitingStatus
    reason: str | None
    version: int
    created_at: str
    updated_at: str
    sample_id: str
    report_format_id: int
    taken_by: str | None = None


class OrderRow(msgspec.Struct, kw_only=True, gc=False):
    """An open row of `waiting_list` as an instrument is told of it: with the patient.

    The key is that of the row; `remaining` are the indexes still to be measured, none where a
    LIMS has written what says no indexes.
    """

    lab_report_id: int
    device_id: str
    rerun_number: int
    remaining: list[int]
    priority: str | None
    status: WaitingStatus
    version: int
    created_at: str
    sample_id: str
    report_format_id: int
    patient_id: str | None
    patient_name: str | None
    sex: str | None
    birth_date: str | None
    taken_by: str | None = None


class ActivityRow(msgspec.Struct, kw_only=True):
    """A row of `activity_log`. `old` and `new` are JSON objects."""

    lab_id: int
    lab_report_id: int
    code: int
    at: str
    user_id: int
    event_id: str
    rerun_number: int | None
    old: dict[str, object]
    new: dict[str, object]


class EventRow(msgspec.Struct, kw_only=True):
    """A row of `rerun_event`, unique by (`lab_id`, `event_id`): one decided change of one report.

    `reruns` and `values` are the after-images of the documents it touched, `active_number`
    that of the number cache. `answer` is the JSON answered to the caller. `inputs` holds
    what the pure table was given, so that events in version order can be played again.
    """

    event_id: str
    lab_id: int
    lab_report_id: int
    version: int
    kind: EventKind
    rerun_number: int | None
    flag_before: int
    flag_after: int
    at: str
    reruns: list[SampleRerun]
    values: list[SampleRerunValues]
    active_number: int | None
    inputs: dict[str, object]
    answer: dict[str, object]
    applied_at: str | None = None


class Transaction(msgspec.Struct):
    """Everything that one relational transaction writes: the events of one or several reports.

    `values` replace the row of the same key or insert it. `waiting` do so too, where the
    version in the store is the one before: what an instrument did meanwhile is not lost.
    """

    reports: list[ReportUpdate] = []
    events: list[EventRow] = []
    ledger: list[LedgerRow] = []
    values: list[ReportValue] = []
    waiting: list[WaitingRow] = []
    activity: list[ActivityRow] = []


class Begun(msgspec.Struct, frozen=True):
    """What became of entering a request under its key.

    `new`: work on it, under `event_id`, which is an earlier one's when that was left
    behind; `running`: somebody does; `done`: the answer is here; `other_body`: the key
    belongs to another request.
    """

    state: Literal["new", "running", "done", "other_body"]
    event_id: str
    status: int | None = None
    answer: dict[str, object] | None = None
