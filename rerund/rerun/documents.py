"""The two document kinds of a rerun: what was asked for, and the values that came.

Both carry `version`, the `rerun_version` of the report at the event that wrote them, so
that an after-image is applied only over an older one. A deleted record stays as a
tombstone (`deleted_at`) that every read skips.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from drivers.result import RunKind
from rerund.rerun.model import RerunType

DocumentType = Literal["Manual", "Auto", "Instrument"]

DOCUMENT_TYPE: dict[RerunType, DocumentType] = {
    "manual_rerun": "Manual",
    "auto_rerun": "Auto",
    "machine_rerun": "Instrument",
}


class SampleRerun(msgspec.Struct, kw_only=True):
    """One numbered rerun of one report. `created_at` and `updated_at` are Unix seconds.

    `run_key` names the run that an instrument made by itself; a rerun that was asked for
    has a key made of its number, because a unique index holds one key per report.
    """

    lab_id: int
    lab_report_id: int
    sample_id: str
    type: DocumentType
    rerun_number: int
    is_active: bool
    requested_parameters: list[int]
    fulfilled_parameters: list[int] = []
    failed_parameters: list[int] = []
    parameter_names: list[str] = []
    reason: str | None = None
    dilution: str | None = None
    run_key: str
    created_by: int
    created_at: int
    updated_by: int
    updated_at: int
    version: int
    deleted_at: int | None = None

    @property
    def id(self) -> str:
        """The deterministic `_id`: two daemons that decide alike write one document."""
        return f"{self.lab_id}:{self.lab_report_id}:{self.rerun_number}"

    @property
    def active_of(self) -> str:
        """The report while active, else the own id: unique, so one active per report."""
        if self.is_active and self.deleted_at is None:
            return f"{self.lab_id}:{self.lab_report_id}"
        return self.id

    def remaining_parameters(self) -> list[int]:
        """The requested parameters that neither came nor failed."""
        settled = {*self.fulfilled_parameters, *self.failed_parameters}
        return [index for index in self.requested_parameters if index not in settled]

    def get_valid_requested_parameters(self, indexes: Iterable[int]) -> list[int]:
        """Those of `indexes` that this rerun asked for and that have not been fulfilled."""
        wanted = [i for i in self.requested_parameters if i not in self.fulfilled_parameters]
        return [index for index in dict.fromkeys(indexes) if index in wanted]

    def add_received_parameters_to_fulfilled_parameters(self, indexes: Iterable[int]) -> None:
        """Count requested parameters as received; a good value also takes back a failure."""
        received = self.get_valid_requested_parameters(indexes)
        self.fulfilled_parameters = sorted({*self.fulfilled_parameters, *received})
        self.failed_parameters = [i for i in self.failed_parameters if i not in received]

    def add_failed_parameters(self, indexes: Iterable[int]) -> None:
        """Count requested parameters whose run gave no usable value."""
        failed = self.get_valid_requested_parameters(indexes)
        self.failed_parameters = sorted({*self.failed_parameters, *failed})

    def count(self, index: int, *, usable: bool) -> None:
        """Count one value of this run; a correction may move it to the other side.

        A run that the instrument made by itself asked for nothing and counts everything.
        """
        if self.requested_parameters and index not in self.requested_parameters:
            return
        fulfilled, failed = set(self.fulfilled_parameters), set(self.failed_parameters)
        (failed if usable else fulfilled).discard(index)
        (fulfilled if usable else failed).add(index)
        self.fulfilled_parameters, self.failed_parameters = sorted(fulfilled), sorted(failed)

    def is_rerun_fulfilled(self) -> bool:
        """Whether every requested parameter has come or has failed."""
        return not self.remaining_parameters()

    def fulfill_rerun(self) -> None:
        """Close it for further values: what has come now waits for review."""
        self.is_active = False


class SampleRerunValues(msgspec.Struct, kw_only=True):
    """One value of one rerun, in the unit of the report format. `created_at` is ISO 8601 UTC."""

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
    comparator: str | None = None
    numeric: str | None = None
    invalid_reason: str | None = None
    result_status: str | None = None
    conflict: bool = False
    late: bool = False
    deleted_at: int | None = None

    @property
    def id(self) -> str:
        """The deterministic `_id`, which is also the unique key."""
        report = f"{self.lab_id}:{self.lab_report_id}"
        return f"{report}:{self.rerun_number}:{self.index}:{self.replicate}"
