"""What a message says, in the lab's words: results grouped by sample, and host queries.

The driver fills in everything the wire says. `run_kind`, `next_action`, `evidence`,
`confidence` and `raw_marker` hold the instrument's own mark when it sent one; the
rules in `rerund.rerun` complete them from history and the waiting list.
"""

from typing import Literal

import msgspec

Kind = Literal["patient", "qc", "calibration", "training"]
RunKind = Literal[
    "original",
    "repeat",
    "repeat_diluted",
    "rerun",
    "reflex",
    "replicate",
    "parallel",
    "correction",
    "withdrawal",
    "status_update",
    "retransmission",
    "qc",
    "unknown",
]
NextAction = Literal["none", "repeat", "rerun", "reflex", "ask_host"]
Evidence = Literal["explicit", "order_type", "run_index", "dilution_changed", "history", "none"]
Confidence = Literal["high", "medium", "low"]
Comparator = Literal["<", ">", "<=", ">="]


class Result(msgspec.Struct, gc=False):
    """One value of one test: the members of `results` in a result payload, in its order.

    `invalid_reason` is also set when the status says that the value is pending, could not
    be measured or was withdrawn: a value is usable exactly when it is None. `result_status`
    is the standard's letter where the profile knows what the instrument's code means (the
    code itself is then in `raw_marker` when it differs), else the code as it came.
    """

    result_id: str
    test_code: str
    index: int | None = None
    parameter_name: str | None = None
    value: str = ""
    comparator: Comparator | None = None
    numeric: str | None = None
    invalid_reason: str | None = None
    units: str | None = None
    reference_range: str | None = None
    abnormal_flags: list[str] = []
    result_status: str | None = None
    run_at: str | None = None
    dilution: str | None = None
    replicate: int = 0
    run_kind: RunKind = "unknown"
    next_action: NextAction = "none"
    evidence: Evidence = "none"
    confidence: Confidence = "high"
    conflict: bool = False
    raw_marker: str | None = None
    supersedes: str | None = None


class Patient(msgspec.Struct, frozen=True, gc=False):
    """Who the sample is from, as far as the instrument says (P record, PID segment)."""

    ids: tuple[str, ...] = ()
    name: str | None = None
    birth_date: str | None = None
    sex: str | None = None


class SampleResults(msgspec.Struct):
    """The results of one sample in one message.

    `id_reliable` is false when the id stands for a failed barcode read or is empty:
    such an id never matches history, reports or the waiting list.
    """

    message: int
    sample_id: str
    kind: Kind
    id_reliable: bool
    results: list[Result]
    patient: Patient | None = None
    priority: str | None = None
    order_status: str | None = None


class HostQuery(msgspec.Struct, frozen=True):
    """An instrument's request for orders (Q record, QRY, QBP)."""

    message: int
    sample_ids: tuple[str, ...]
    all_samples: bool = False
    mode: Literal["initial", "reanalysis", "manual", "unknown"] = "unknown"
    abort: bool = False


class Note(msgspec.Struct, frozen=True):
    """Something odd that lost nothing: a code, where it was met, no patient data."""

    code: str
    message: int
    record: int
    detail: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """A picture or a waveform in a message: its bytes stay in the entry, it is no result.

    `form` is what the message calls it, image/bmp for one; `size` counts the characters of
    its data as they were sent.
    """

    message: int
    record: int
    sample_id: str
    name: str
    form: str
    size: int


class Interpretation(msgspec.Struct):
    """Everything one entry says. `digest` is over the message less header times."""

    samples: list[SampleResults]
    queries: list[HostQuery]
    notes: list[Note]
    digest: bytes = b""
    attachments: list[Attachment] = []
