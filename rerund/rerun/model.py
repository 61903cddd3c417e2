"""The lab's words: payloads, known runs and open reruns."""

from typing import Literal

import msgspec

from drivers.result import Kind, Patient, Result, RunKind

RerunType = Literal["manual_rerun", "auto_rerun", "machine_rerun"]

MACHINE_RERUN = -1
"""`rerun_number` of a run that the instrument triggered by itself, until the stores number it."""


class Windows(msgspec.Struct, frozen=True):
    """How far back the rules look, in seconds."""

    history_window: float = 72 * 3600.0
    resend_window: float = 60.0
    run_window: float = 600.0
    clock_tolerance: float = 300.0


class Payload(msgspec.Struct):
    """One sample, one run state, one run: what rerund prints, keeps and registers."""

    payload_id: str
    lab_id: int | None
    device_id: str
    device_name: str
    driver: str
    driver_version: str
    entry_id: int
    received_at: str | None
    sample_id: str
    lab_report_id: int | None
    kind: Kind
    is_rerun: bool
    rerun_number: int
    rerun_type: RerunType | None
    machine_triggered_rerun: bool
    assigned_rerun_number: int | None
    results: list[Result]


class PayloadContext(msgspec.Struct, frozen=True):
    """What the registrar needs of a payload beyond its printed shape.

    `run_key` names (instrument, sample, first entry of the run). `open_report` and
    `open_version` name the waiting-list row used, `compared` the result ids of the known
    runs looked at; both whole are in the inputs kept with the entry.
    """

    run_key: str
    id_reliable: bool = True
    patient: Patient | None = None
    open_report: int | None = None
    open_version: int | None = None
    compared: tuple[str, ...] = ()


class KnownRun(msgspec.Struct, frozen=True, gc=False):
    """A run that history holds for one instrument and sample.

    There are hundreds of thousands, and no cycle of them: the collector need not look at them.

    `supersedes` is the result that a correction, withdrawal or status update changed.
    """

    result_id: str
    test_code: str
    value: str
    units: str | None
    result_status: str | None
    abnormal_flags: list[str]
    run_at: str | None
    dilution: str | None
    replicate: int
    usable: bool
    run_kind: RunKind
    is_rerun: bool
    rerun_number: int
    run_key: str
    entry_id: int
    received_at: str | None
    supersedes: str | None = None


class OpenRerun(msgspec.Struct, frozen=True):
    """A rerun in the local waiting-list copy, in the test codes of this daemon's instruments.

    `tests` maps a device id to the test codes of it that remain; `device_id` is '' for
    any instrument. A closed rerun keeps its row for `history_window` with `closed_at` set.
    """

    lab_id: int
    lab_report_id: int
    sample_id: str
    device_id: str
    rerun_number: int
    rerun_type: RerunType
    requested_at: str
    version: int
    tests: dict[str, list[str]]
    closed_at: str | None = None
