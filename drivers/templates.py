r"""Templates: what stands in a field of a message to an instrument.

A template is text with placeholders, `^^^{code}`. In its text `^` and `\` are the component
and the repeat delimiter, whatever the message has for them; all else is escaped. `{H.5}` and
`{Q.3.4}` are copied from the question, `{sample_id:>22}` is padded with blanks on the left,
`{sample_id:<22}` on the right.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from drivers.pathschema import JsonSchema, template_of
from drivers.source import FieldPath
from protocols.astm.text import Delimiters

HEADER_NAMES = frozenset(("now", "today"))
ORDER_NAMES = HEADER_NAMES | {
    "sample_id",
    "order_id",
    "parent_id",
    "rerun_number",
    "priority",
    "registered_at",
    "patient_id",
    "patient_name",
    "birth_date",
    "sex",
}
TEST_NAMES = ORDER_NAMES | {"code", *(f"code.{part}" for part in range(1, 10))}
"""What a template may ask for: in H and L, in P, O and C, and for one test."""

_PART = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<side>[<>])(?P<width>[1-9]\d?))?\}|(?P<text>[^{}]+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f|]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What is filled in: a name, or a field of the question; with blanks up to a width."""

    name: str
    echo: FieldPath | None = None
    width: int = 0
    on_the_left: bool = False

    def pad(self, text: str) -> str:
        """Return the text with blanks, as wide as asked for; nothing stays nothing."""
        if not text:
            return ""
        return text.rjust(self.width) if self.on_the_left else text.ljust(self.width)


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a field, with what is to be filled in."""

    text: str
    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: object, names: frozenset[str] = TEST_NAMES) -> Self:
        """Read a template that may ask for these names. Raises ValueError."""
        if not isinstance(text, str):
            raise ValueError(f"expected a text, got {text!r}")  # noqa: TRY004
        if _CONTROL.search(text):
            raise ValueError("a template holds no control character and no |")
        parts: list[str | Placeholder] = []
        end = 0
        for match in _PART.finditer(text):
            if match.start() != end:
                break
            end = match.end()
            parts.append(match["text"] or _placeholder(match, names))
        if end != len(text):
            raise ValueError(f"a brace without its other in {text!r}")
        return cls(text, tuple(parts))

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> frozenset[str]:
        """What it asks for; a field of the question is named by its path."""
        return frozenset(part.name for part in self.parts if isinstance(part, Placeholder))

    def fill(
        self,
        look_up: Callable[[Placeholder], str],
        escape: Callable[[str], str],
        delimiters: Delimiters,
    ) -> str:
        """Return the raw text of the field; empty when nothing was found to stand in it.

        `look_up` gives the raw text of a placeholder, escaped and with its blanks.
        """
        found = [look_up(p) if isinstance(p, Placeholder) else p for p in self.parts]
        if self.names and not any(
            text.strip("^\\") if part is text else text
            for part, text in zip(self.parts, found, strict=True)
        ):
            return ""
        return "".join(
            _literal(text, escape, delimiters) if part is text else text
            for part, text in zip(self.parts, found, strict=True)
        )


def _placeholder(match: re.Match[str], names: frozenset[str]) -> Placeholder:
    name = match["name"]
    echo = None
    if name not in names:
        try:
            echo = FieldPath.parse(name, "HQ")
        except ValueError:
            known = ", ".join(sorted(name for name in names if "." not in name))
            raise ValueError(
                f"unknown placeholder {{{name}}}; known: {known}, and fields of the question"
                " such as H.5 or Q.3.4"
            ) from None
        if echo.repeat or echo.component == 0:
            raise ValueError(f"expected a field or a component of it, got {name}")
    return Placeholder(name, echo, int(match["width"] or 0), match["side"] == ">")


_RUN = re.compile(r"[\^\\]|[^\^\\]+")


def _literal(text: str, escape: Callable[[str], str], delimiters: Delimiters) -> str:
    marks = {"^": delimiters.component, "\\": delimiters.repeat}
    return "".join(marks.get(run) or escape(run) for run in _RUN.findall(text))


def _rule(names: frozenset[str]) -> PlainValidator:
    return PlainValidator(lambda text: Template.parse(text, names))


def schema_of(names: frozenset[str]) -> JsonSchema:
    """Return the JSON schema of a template that may ask for these names."""
    asked = r"[HQ]\.[1-9][0-9]?(\.[1-9][0-9]?)?"
    return template_of(names, asked, width="(:[<>][1-9][0-9]?)?")


_TESTED_NAMES = ORDER_NAMES | {"tests"}
HEADER_SCHEMA = schema_of(HEADER_NAMES)
ORDER_SCHEMA = schema_of(ORDER_NAMES)
TESTED_SCHEMA = schema_of(_TESTED_NAMES)
TEST_SCHEMA = schema_of(TEST_NAMES) | {"allOf": [{"pattern": r"\{code[.:}]"}]}

_AS_TEXT = PlainSerializer(str)
HeaderTemplate = Annotated[Template, _rule(HEADER_NAMES), _AS_TEXT]
OrderTemplate = Annotated[Template, _rule(ORDER_NAMES), _AS_TEXT]
TestedTemplate = Annotated[Template, _rule(_TESTED_NAMES), _AS_TEXT]
TestTemplate = Annotated[Template, _rule(TEST_NAMES), _AS_TEXT, WithJsonSchema(TEST_SCHEMA)]
