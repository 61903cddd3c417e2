"""What callers are answered, as the documentation of the endpoints describes it.

The service makes the answers; these models are not run over them. That they are true is
tested with every answer that the tests of the interface get.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.result import RunKind
from rerund.rerun.auto_check import NotCreated
from rerund.rerun.documents import DocumentType
from rerund.rerun.model import RerunType
from rerund.rerun.records import AutoCondition, Outcome, Settled


class Answer(BaseModel):
    """An object of which every member is named here."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ErrorDetail(BaseModel):
    """Why nothing was done. Some codes bring more: `next` with `number_taken`, and so on."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="A word for programs")
    message: str = Field(description="A sentence for people")
    field: str | None = Field(description="The member at fault, as `values[0].index`")


class Error(Answer):
    """Every answer that is not 2xx."""

    error: ErrorDetail


class SampleRerun(Answer):
    """One numbered rerun. `created_at` and `updated_at` are Unix seconds."""

    id: str = Field(alias="_id")
    lab_id: int
    lab_report_id: int
    sample_id: str
    type: DocumentType
    rerun_number: int
    is_active: bool
    requested_parameters: list[int]
    fulfilled_parameters: list[int]
    failed_parameters: list[int]
    parameter_names: list[str]
    reason: str | None
    dilution: str | None
    run_key: str
    created_by: int
    created_at: int
    updated_by: int
    updated_at: int
    version: int


class SampleRerunValues(Answer):
    """One value of one rerun, in the unit of the report format."""

    id: str = Field(alias="_id")
    lab_id: int
    lab_report_id: int
    sample_id: str
    value: str
    order: int
    index: int
    rerun_type: RerunType
    rerun_number: int
    parameter_name: str
    device_id: str
    device_name: str
    created_at: str
    units: str | None
    run_kind: RunKind
    run_at: str | None
    abnormal_flags: list[str]
    requested: bool
    replicate: int
    result_id: str
    version: int
    comparator: str | None
    numeric: str | None
    invalid_reason: str | None
    result_status: str | None
    conflict: bool
    late: bool


class OtherValue(Answer):
    """A value that the report does not show: failed, parallel, refused, kept or discarded."""

    result_id: str
    value: str
    units: str | None
    invalid_reason: str | None
    result_status: str | None
    run_at: str | None
    device_id: str
    device_name: str
    run_kind: RunKind
    rerun_number: int
    outcome: Outcome
    reason: str | None
    settled: Settled | None
    late: bool


class EmptyOriginal(Answer):
    """An index that shows nothing, with the values that it does not show."""

    index: int
    order: int
    parameter_name: str
    value: None
    others: list[OtherValue]


class ShownOriginal(Answer):
    """The value that an index shows, with its source, and those beside it."""

    index: int
    order: int
    parameter_name: str
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
    source: Literal["original", "rerun"]
    others: list[OtherValue]


class ReportAnswer(Answer):
    """One report: what it shows, the open rerun, and the rerun values to review."""

    lab_report_id: int
    sampleRedrawFlag: int = Field(description="0 normal, 3 rerun requested, 4 values to review")  # noqa: N815 - the name in the stores
    version: int
    next_rerun_number: int
    active: SampleRerun | None
    originals: list[ShownOriginal | EmptyOriginal]
    reruns: list[SampleRerunValues]


class AlsoIn(Answer):
    """An open report of the same sample that shares an ordered test."""

    lab_report_id: int
    indexes: list[int]


class RequestAnswer(SampleRerun):
    """The new rerun."""

    also_in: list[AlsoIn]
    sampleRedrawFlag: int  # noqa: N815


class RefusedValue(Answer):
    """A value that was kept in the ledger and goes no further."""

    index: int
    reason: str


class ReceiveAnswer(Answer):
    """What became of the values."""

    rerun_number: int | None
    accepted: list[int]
    ignored: list[int]
    refused: list[RefusedValue]
    fulfilled: list[int] = Field(description="Of the rerun, all that have come")
    sampleRedrawFlag: int  # noqa: N815


class ConfirmedValue(Answer):
    """A value that the report shows now, with the one that it showed before."""

    index: int
    parameter_name: str
    rerun_number: int
    value: str
    units: str | None
    old: str | None


class ConfirmAnswer(Answer):
    """The report after the review."""

    confirmed: list[ConfirmedValue]
    kept: list[int] = Field(description="Indexes that keep what they showed")
    settled: list[int] = Field(description="The reruns that were under review")
    amended: bool = Field(description="Whether a completed or signed report was changed")
    sampleRedrawFlag: int  # noqa: N815
    version: int
    next_rerun_number: int


class CancelAnswer(Answer):
    """The reruns that were given up."""

    cancelled: list[int]
    sampleRedrawFlag: int  # noqa: N815
    version: int
    next_rerun_number: int


class QualifiedValue(Answer):
    """A value that meets its rule."""

    index: int
    parameter_name: str
    value: str
    condition: AutoCondition
    bound: str | None = Field(description="The bound that was passed, or the flag that was met")


class AutoCheckAnswer(Answer):
    """What qualified, and whether a rerun was made of it."""

    qualified: list[QualifiedValue]
    created: bool
    reason: NotCreated | None = Field(description="Why no rerun was created")
    rerun_number: int | None = Field(description="Of the rerun that is open now")
