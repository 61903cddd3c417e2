"""`[order]`: how an HL7 instrument takes its orders, and what it wants in their fields.

`docs/profile-format.md` explains every key.
"""

import itertools
import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from drivers.hl7.layouts import LAYOUTS, Layout, OrderForm
from drivers.hl7.template import SCHEMA, TemplateRule
from drivers.pathschema import JsonSchema, one_or_several_of, table_of
from drivers.sections import Table, several

_FIELD = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})\.[1-9]\d?")

Use = Literal["query", "push", "cancel"]


def _by_question(value: object) -> object:
    return value if isinstance(value, dict) else {"": value}


def _form_schema() -> JsonSchema:
    form = {"enum": list(get_args(OrderForm))}
    by_question = {"type": "object", "additionalProperties": form, "minProperties": 1}
    return {"anyOf": [form, by_question]}


def _key_of(segments: Iterable[str]) -> str:
    return rf"({'|'.join(sorted(set(segments)))})\.[1-9][0-9]?"


_ALL_FIELDS = table_of(
    _key_of(segment for layout in LAYOUTS.values() for segment in layout.segments), SCHEMA
)
Fields = Annotated[dict[str, TemplateRule], WithJsonSchema(_ALL_FIELDS)]
"""Templates by the fields that they fill, `OBR.4`."""

Lines = Annotated[
    dict[Annotated[int, Field(ge=1, le=99)], TemplateRule],
    WithJsonSchema(table_of("[1-9][0-9]?", SCHEMA)),
]

_TABLES = ("fields", "rerun_fields", "reply", "push", "none")


def _fields_by_form() -> list[JsonSchema]:
    """Return which keys the tables of fields may have where there is one form."""
    return [
        {
            "if": {"properties": {"form": {"const": form}}, "required": ["form"]},
            "then": {
                "properties": {
                    table: {"propertyNames": {"pattern": f"^{_key_of(layout.segments)}$"}}
                    for table in _TABLES
                }
            },
        }
        for form, layout in LAYOUTS.items()
    ]


class Hl7OrderSection(Table):
    """`[order]`: the form of the answer to a query, and of orders that nobody asked for."""

    model_config = ConfigDict(json_schema_extra={"allOf": [*_fields_by_form()]})

    use: Annotated[
        tuple[Use, ...],
        BeforeValidator(several),
        Field(min_length=1),
        WithJsonSchema(one_or_several_of(get_args(Use))),
    ]
    form: Annotated[
        dict[str, OrderForm],
        BeforeValidator(_by_question),
        Field(min_length=1),
        WithJsonSchema(_form_schema()),
    ]
    fields: Fields = Field(default_factory=dict)
    rerun_fields: Fields = Field(default_factory=dict)
    reply: Fields = Field(default_factory=dict)
    push: Fields = Field(default_factory=dict)
    none: Fields = Field(default_factory=dict)
    lines: Lines = Field(default_factory=dict)
    first_test: int = Field(default=29, ge=1, le=99)
    test: TemplateRule | None = None
    join: str = "+"
    no_order: Literal["message", "acknowledge"] = "message"
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    version: str = "2.5.1"
    charset: str = ""

    @model_validator(mode="after")
    def _fields_of_the_form(self) -> Self:
        known = {segment for layout in self.layouts for segment in layout.segments}
        tables = (self.fields, self.rerun_fields, self.reply, self.push, self.none)
        for name in itertools.chain(*tables):
            match = _FIELD.fullmatch(name)
            if match is None or match["segment"] not in known:
                segments = ", ".join(sorted(known))
                raise ValueError(f"expected a field of {segments}, such as OBR.4, got {name!r}")
        return self

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of its forms."""
        return tuple(LAYOUTS[form] for form in self.form.values())

    def form_of(self, event: str) -> OrderForm | None:
        """Return the form of the answer to a question, QRY^Q02; None when there is none."""
        if "query" not in self.use:
            return None
        return self.form.get(event) or self.form.get("")

    @property
    def names_orders(self) -> bool:
        """Whether the ids of orders go into messages, so that they come back in responses."""
        fields = [layout.fields for layout in self.layouts] + [self.fields]
        templates = (template for each in fields for template in each.values())
        return any(not {"order_id", "step_id"}.isdisjoint(each.facts) for each in templates)

    @property
    def refusals(self) -> frozenset[str]:
        """Messages other than responses that refuse an order."""
        return frozenset(event for layout in self.layouts for event in layout.refusals)
