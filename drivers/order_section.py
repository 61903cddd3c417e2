"""`[order]`: how an instrument is asked to measure, validated.

`docs/profile-format.md` explains every key.
"""

from collections.abc import Container
from functools import cached_property
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from drivers.pathschema import JsonSchema, astm_path_of, one_or_several_of, table_of
from drivers.sections import Table, Test
from drivers.source import FieldPath, PathRule
from drivers.templates import (
    HEADER_SCHEMA,
    ORDER_SCHEMA,
    TESTED_SCHEMA,
    HeaderTemplate,
    OrderTemplate,
    Template,
    TestedTemplate,
    TestTemplate,
)
from protocols.astm.text import Delimiters, read_delimiters

Case = Literal["push", "rerun", "none", "unable", "busy", "cancel"]
"""What makes fields differ: an order nobody asked for, one to run again, that there is no
order, that it can not be said now, that another question is still open, an order withdrawn."""

Use = Literal["query", "push", "cancel"]

Position = Annotated[int, Field(ge=3, le=99)]
"""The type, the delimiters of H and the number of a record are not templates."""


def _fields_of(template: JsonSchema) -> WithJsonSchema:
    return WithJsonSchema(table_of("([3-9]|[1-9][0-9])", template))


HeaderFields = Annotated[dict[Position, HeaderTemplate], _fields_of(HEADER_SCHEMA)]
OrderFields = Annotated[dict[Position, OrderTemplate], _fields_of(ORDER_SCHEMA)]
TestedFields = Annotated[dict[Position, TestedTemplate], _fields_of(TESTED_SCHEMA)]


class FieldTemplates(Table):
    """The fields of the records, by the standard's positions.

    C is a comment after each O, Q the question given back when there is no order.
    """

    header: HeaderFields = Field(default={}, alias="H")
    patient: OrderFields = Field(default={}, alias="P")
    order: TestedFields = Field(default={}, alias="O")
    comment: OrderFields = Field(default={}, alias="C")
    query: OrderFields = Field(default={}, alias="Q")
    terminator: HeaderFields = Field(default={}, alias="L")

    def of(self, record: str) -> dict[int, Template]:
        """The templates of one record."""
        by_record = {
            "H": self.header,
            "P": self.patient,
            "O": self.order,
            "C": self.comment,
            "Q": self.query,
            "L": self.terminator,
        }
        return by_record[record]


def _delimiters(text: object) -> Delimiters:
    found = read_delimiters(f"H{text}") if isinstance(text, str) else None
    if found is None:
        raise ValueError(rf"expected delimiters such as '|\^&', got {text!r}")
    return found


_DELIMITERS: JsonSchema = {"type": "string", "pattern": r"^(?!.*(.).*\1)[^A-Za-z0-9\s]{3,4}$"}

_REFUSING = "HPOCL"


def _refusal_path(text: object) -> FieldPath:
    return FieldPath.parse(text, _REFUSING)


class RefusalMark(Test):
    """`[[order.refusal]]`: what says that the instrument takes an order, or does not."""

    field: Annotated[
        FieldPath, PlainValidator(_refusal_path), WithJsonSchema(astm_path_of(_REFUSING))
    ]
    accepted: bool = False


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class OrderSection(Table):
    """`[order]`: when and in which form orders reach the instrument, and how it refuses one."""

    use: Annotated[
        tuple[Use, ...],
        BeforeValidator(_several),
        Field(min_length=1),
        WithJsonSchema(one_or_several_of(get_args(Use))),
    ]
    frame: Literal["message", "record"] = "message"
    message: Literal["all", "sample"] = "all"
    tests: Literal["repeat", "record"] = "repeat"
    test: TestTemplate = Template.parse("^^^{code}")
    delimiters: (
        Annotated[Delimiters, PlainValidator(_delimiters), WithJsonSchema(_DELIMITERS)] | None
    ) = None
    fields: FieldTemplates
    when: dict[Case, FieldTemplates] = Field(default={})
    none: Literal["header", "order", "query", "session", "silence"] = "header"
    unable: Literal["header", "silence"] = "silence"
    busy: Literal["header", "silence"] = "header"
    priority: str = "R"
    priorities: dict[str, str] = Field(default={letter: letter for letter in "SARCP"})
    codes: PathRule = FieldPath.parse("O.5.4")
    refusal: tuple[RefusalMark, ...] = ()

    @model_validator(mode="after")
    def _names_sample_and_tests(self) -> Self:
        if "tests" not in self._asked_for:
            raise ValueError("expected {tests} in a field of O")
        if not self.names_sample and not any(name[:2] == "Q." for name in self._asked_for):
            raise ValueError("expected {sample_id} in a field of O")
        if not any(name.partition(".")[0] == "code" for name in self.test.names):
            raise ValueError("expected {code} in `test`")
        return self

    @model_validator(mode="after")
    def _has_a_form_to_cancel(self) -> Self:
        if ("cancel" in self.use) != ("cancel" in self.when):
            raise ValueError("`use` must say whether there is an [order.when.cancel]")
        return self

    @cached_property
    def _asked_for(self) -> frozenset[str]:
        return frozenset(name for field in self.fields.order.values() for name in field.names)

    @property
    def names_sample(self) -> bool:
        """Whether O has the sample's id, and not only what the question has for it."""
        return "sample_id" in self._asked_for

    def templates(self, record: str, cases: Container[Case]) -> dict[int, Template]:
        """The templates of a record in these cases; of two cases the later in `Case` decides."""
        found = dict(self.fields.of(record))
        for case in get_args(Case):
            if case in cases and case in self.when:
                found.update(self.when[case].of(record))
        return found
