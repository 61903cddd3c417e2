"""The tables of a driver profile, validated: what each may say and what it must.

`docs/profile-format.md` explains every key.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from drivers.pathschema import (
    ASTM_PATH,
    TEXTS,
    kind_field_of,
    one_or_several,
    run_times_of,
)
from drivers.result import Comparator, Confidence, Evidence, Kind, NextAction, RunKind
from drivers.source import FieldPath, PathRule, Pattern, Source, SourceRule

StatusMeaning = Literal[
    "final",
    "preliminary",
    "partial",
    "correction",
    "questionable",
    "pending",
    "cannot_be_done",
    "withdrawn",
    "status_update",
    "retransmission",
]

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def several(value: object) -> object:
    """Return a value as a list of one, unless it is a list."""
    return value if isinstance(value, list | tuple) else [value]


Texts = Annotated[tuple[str, ...], BeforeValidator(several), WithJsonSchema(TEXTS)]


class Table(BaseModel):
    """A table of a profile; a key it does not know is a problem."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


Backing = Literal["manual", "digest", "capture", "code", "family"]
"""What a source is, the strongest first: a vendor's document that was read; someone's table of
it; what an instrument sent; a program that worked with it; a source of a sibling instrument."""


class Reference(Table):
    """`[[source]]`: a document, and what of the profile it backs."""

    document: str
    kind: Backing | None = None
    revision: str = ""
    pages: str = ""
    backs: Texts


class Test(Table):
    """What a mark looks for in a field."""

    equals: Texts | None = None
    pattern: Pattern | None = None
    source: str = ""

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if (self.equals is None) == (self.pattern is None):
            raise ValueError("expected either `equals` or `pattern`")
        return self

    def holds(self, text: str) -> bool:
        """Whether `text` is what the mark looks for; an empty text never is."""
        if self.equals is not None:
            return text in self.equals and text != ""
        assert self.pattern is not None
        return text != "" and self.pattern.search(text) is not None


def _kind_field(field: object) -> FieldPath | Literal["sample_id"]:
    if field == "sample_id":
        return "sample_id"
    path = FieldPath.parse(field)
    if path.record not in "HPO":
        raise ValueError(f"expected a field of H, P or O, or sample_id, got {field!r}")
    return path


class KindMark(Test):
    """`[[kind]]`: what tells a QC, calibration or training message from a patient's."""

    field: Annotated[
        FieldPath | Literal["sample_id"],
        PlainValidator(_kind_field),
        WithJsonSchema(kind_field_of(ASTM_PATH)),
    ]

    kind: Kind


class RerunMark(Test):
    """`[[rerun.mark]]`: a code that says what run this is, or which run will follow."""

    field: PathRule
    run_kind: RunKind | None = None
    next_action: NextAction | None = None
    evidence: Evidence = "explicit"
    confidence: Confidence = "high"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.run_kind is None and self.next_action is None:
            raise ValueError("expected `run_kind`, `next_action` or both")
        return self


_RERUNS = {"repeat", "repeat_diluted", "rerun", "reflex"}


class RerunSection(Table):
    """`[rerun]`: whether the instrument marks its reruns, and how."""

    marked: bool
    mark: tuple[RerunMark, ...] = ()

    @model_validator(mode="after")
    def _no_mark_is_said_so(self) -> Self:
        if self.marked != any(mark.run_kind in _RERUNS for mark in self.mark):
            raise ValueError("`marked` must say whether a [[rerun.mark]] names a rerun")
        return self


class MessageSection(Table):
    """`[message]`: whose messages these are, and what of them is not content."""

    sender: Texts = ()
    other_sender: Literal["hold", "note"] = "hold"
    password: str | None = None
    receiver: str | None = None
    other_receiver: Literal["hold", "note"] = "note"
    volatile: tuple[PathRule, ...] = (FieldPath.parse("H.14"),)

    @field_validator("volatile")
    @classmethod
    def _only_of_the_header(cls, volatile: tuple[FieldPath, ...]) -> tuple[FieldPath, ...]:
        for path in volatile:
            if path.record != "H":
                raise ValueError(f"expected whole fields of H, got {path}")
        return volatile


class SpecimenSection(Table):
    """`[specimen]`: where the specimen id stands, and which ids stand for a failed read."""

    id: SourceRule
    unreliable: tuple[Pattern, ...] = ()
    stand_in: SourceRule | None = None
    priority: SourceRule = Source.parse("O.6")


class PatientSection(Table):
    """`[patient]`: where the patient's ids, name, birth date and sex stand."""

    ids: tuple[SourceRule, ...] = tuple(map(Source.parse, ("P.3", "P.4", "P.5")))
    name: SourceRule = Source.parse("P.6")
    birth_date: SourceRule = Source.parse("P.8")
    sex: SourceRule = Source.parse("P.9")


class Sentinel(Table):
    """`[[result.invalid]]`: a text in place of a number, and why there is none."""

    text: Texts | None = None
    pattern: Pattern | None = None
    reason: Word
    source: str = ""

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if (self.text is None) == (self.pattern is None):
            raise ValueError("expected either `text` or `pattern`")
        return self


class AlsoValue(Table):
    """`[[result.also]]`: a second value in a result record, with its own test code."""

    code: str = Field(min_length=1)
    value: SourceRule


def _run_times(rule: object) -> tuple[Source | Literal["main"], ...]:
    candidates = rule if isinstance(rule, list) else [rule]
    return tuple("main" if path == "main" else Source.parse(path) for path in candidates)


def _flag_paths(rule: object) -> tuple[FieldPath, ...]:
    paths = rule if isinstance(rule, list) else [rule]
    return tuple(FieldPath.parse(path, "HPORC") for path in paths)


class ResultSection(Table):
    """`[result]`: where each part of a result stands, and what its codes mean."""

    test_code: SourceRule
    value: SourceRule = Source.parse("R.4")
    units: SourceRule = Source.parse("R.5")
    reference_range: SourceRule = Source.parse("R.6")
    flags: Annotated[
        tuple[FieldPath, ...],
        PlainValidator(_flag_paths),
        WithJsonSchema(one_or_several(ASTM_PATH)),
    ] = _flag_paths("R.7")
    no_flag: Texts = ()
    status: PathRule = FieldPath.parse("R.9")
    run_at: Annotated[
        tuple[Source | Literal["main"], ...],
        PlainValidator(_run_times),
        WithJsonSchema(run_times_of(ASTM_PATH)),
    ] = _run_times(["R.13", "R.12", "O.23"])
    dilution: SourceRule | None = None
    undiluted: Texts = ()
    replicate: SourceRule | None = None
    decimal_sign: Literal[".", ","] = "."
    comparators: dict[str, Comparator] = {}
    flag_comparators: dict[str, Comparator] = {}
    invalid: tuple[Sentinel, ...] = ()
    also: tuple[AlsoValue, ...] = ()
    status_codes: dict[str, StatusMeaning] = {}


class QuerySection(Table):
    """`[query]`: how the instrument asks for orders."""

    sample_id: PathRule = FieldPath.parse("Q.3.2")
    mode: SourceRule = Source.parse("Q.13")
    modes: dict[str, Literal["initial", "reanalysis", "manual"]] = {}
    abort: Texts = ("A",)
