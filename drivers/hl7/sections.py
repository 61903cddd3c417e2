"""The tables of an HL7 profile, where they differ from those of E1394.

`docs/profile-format.md` explains every key.
"""

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator

from drivers.hl7.paths import (
    PathRule,
    PathRules,
    SourceRule,
    SourceRules,
    parse_path,
    parse_paths,
    parse_source,
    parse_sources,
)
from drivers.pathschema import HL7_PATH, kind_field_of, run_times_of
from drivers.sections import (
    AlsoValue,
    KindMark,
    MessageSection,
    PatientSection,
    RerunMark,
    RerunSection,
    ResultSection,
    SpecimenSection,
    StatusMeaning,
    Table,
    Test,
    Texts,
)
from drivers.source import FieldPath, Pattern, Source

STATUS_CODES: dict[str, StatusMeaning] = {
    "F": "final",
    "P": "preliminary",
    "R": "preliminary",
    "S": "partial",
    "C": "correction",
    "U": "status_update",
    "D": "withdrawn",
    "W": "withdrawn",
    "I": "pending",
    "X": "cannot_be_done",
}
"""Table 0085. R is a result that nobody verified, W one that was posted for the wrong patient."""


class Condition(Test):
    """What a field must say."""

    field: PathRule


Conditions = Annotated[tuple[Condition, ...], Field(min_length=1)]


class Suffix(Condition):
    """`[[result.suffix]]`: what is appended to the test code of an OBX, `/coded` for one."""

    code: str = Field(min_length=1)


_ATTACHED = Condition.model_validate({"field": "OBX.2", "equals": ["ED", "RP", "NA", "MA", "CD"]})
"""Encapsulated data, pointers to such, and the arrays of waveforms (table 0125)."""


class Hl7MessageSection(MessageSection):
    """`[message]`: whose messages these are, which hold results, and what is not content."""

    results: Texts = ("ORU", "OUL")
    volatile: tuple[PathRule, ...] = (parse_path("MSH.7"), parse_path("MSH.10"))

    @field_validator("volatile")
    @classmethod
    def _only_of_the_header(cls, volatile: tuple[FieldPath, ...]) -> tuple[FieldPath, ...]:
        for path in volatile:
            if path.record != "MSH" or path.component is not None:
                raise ValueError(f"expected whole fields of MSH, got {path}")
        return volatile


class Hl7SpecimenSection(SpecimenSection):
    """`[specimen]`: where the specimen id stands, and which ids stand for a failed read."""

    id: SourceRule
    stand_in: SourceRule | None = None
    priority: SourceRule = parse_source(["TQ1.9.1", "OBR.5"])


class Hl7PatientSection(PatientSection):
    """`[patient]`: where the patient's ids, name, birth date and sex stand."""

    ids: SourceRules = parse_sources(["PID.3.1", "PID.2.1", "PID.4.1"])
    name: SourceRule = parse_source({"join": ["PID.5.1.1", "PID.5.2", "PID.5.3"], "with": " "})
    birth_date: SourceRule = parse_source("PID.7.1")
    sex: SourceRule = parse_source("PID.8.1")


class Hl7AlsoValue(AlsoValue):
    """`[[result.also]]`: a second value in an OBX, with its own test code."""

    value: SourceRule


def _run_times(rule: object) -> tuple[Source | Literal["main"], ...]:
    candidates = rule if isinstance(rule, list) else [rule]
    return tuple("main" if path == "main" else parse_source(path) for path in candidates)


class Hl7ResultSection(ResultSection):
    """`[result]`: where each part of a result stands, and what its codes mean."""

    test_code: SourceRule
    value: SourceRule = parse_source("OBX.5")
    units: SourceRule = parse_source("OBX.6.*")
    reference_range: SourceRule = parse_source("OBX.7")
    flags: PathRules = parse_paths("OBX.8.1")
    status: PathRule = parse_path("OBX.11")
    run_at: Annotated[
        tuple[Source | Literal["main"], ...],
        PlainValidator(_run_times),
        WithJsonSchema(run_times_of(HL7_PATH)),
    ] = _run_times(["OBX.19", "OBX.14", "OBR.22"])
    dilution: SourceRule | None = parse_source(["TCD.3.4", "TCD.2.4", "TCD.4.4"])
    undiluted: Texts = ("1",)
    replicate: SourceRule | None = None
    also: tuple[Hl7AlsoValue, ...] = ()
    status_codes: dict[str, StatusMeaning] = STATUS_CODES
    absent: tuple[Pattern, ...] = ()
    original_value: SourceRule | None = None
    suffix: tuple[Suffix, ...] = ()
    skip: tuple[Condition, ...] = ()
    attachment: tuple[Condition, ...] = (_ATTACHED,)


class OrderResultSection(Table):
    """`[order_result]`: an OBR that is a result itself, with no OBX below it."""

    when: Conditions
    specimen: SourceRule
    test_code: SourceRule
    value: SourceRule
    units: SourceRule
    run_at: SourceRule
    lists: bool = False


def _kind_field(field: object) -> FieldPath | Literal["sample_id"]:
    return "sample_id" if field == "sample_id" else parse_path(field)


class Hl7KindMark(KindMark):
    """`[[kind]]`: what tells a QC, calibration or training message from a patient's."""

    field: Annotated[
        FieldPath | Literal["sample_id"],
        PlainValidator(_kind_field),
        WithJsonSchema(kind_field_of(HL7_PATH)),
    ]


STANDARD_KINDS = tuple(
    Hl7KindMark.model_validate({"field": field, "equals": codes, "kind": kind})
    for field, codes, kind in (
        ("MSH.11.1", ["T", "D"], "training"),
        ("SPM.11.1", ["Q", "E"], "qc"),
        ("SPM.11.1", ["C", "V"], "calibration"),
    )
)
"""Tables 0103 (processing id) and 0369 (specimen role: Q control, E electronic QC, C calibrator,
V verifying calibrator)."""


class Hl7RerunMark(RerunMark):
    """`[[rerun.mark]]`: a code that says what run this is, or which run will follow."""

    field: PathRule


class Hl7RerunSection(RerunSection):
    """`[rerun]`: whether the instrument marks its reruns, and how."""

    mark: tuple[Hl7RerunMark, ...] = ()


class Hl7QuerySection(Table):
    """`[query]`: how the instrument asks for orders."""

    messages: Texts = ("QRY", "QBP", "QCN")
    sample_id: PathRules = parse_paths(["QPD.3.1.1", "QRD.8.1"])
    mode: SourceRule = parse_source("QPD.12")
    modes: dict[str, Literal["initial", "reanalysis", "manual"]] = Field(default_factory=dict)
    all: tuple[Condition, ...] = (
        Condition.model_validate({"field": "QPD.1.1", "equals": "WOS_ALL"}),
    )
    empty_is_all: bool = False
    abort: tuple[Condition, ...] = (
        Condition.model_validate({"field": "MSH.9.1", "equals": "QCN"}),
    )
