"""What stands in a field of an order: text, the delimiters `^~&` and facts, `{code}^^L`.

`{QPD.11}` is a field of the question, as it came. A template whose facts are all empty is empty,
text and all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from drivers.pathschema import template_of
from protocols.hl7.text import Delimiters, escape

FACTS = frozenset(
    {
        "birth_date",
        "code",
        "codes",
        "number",
        "order_id",
        "parent_id",
        "parent_step_id",
        "patient_id",
        "patient_id_2",
        "patient_name",
        "priority",
        "registered_at",
        "rerun_number",
        "sample_id",
        "sex",
        "step_id",
        "time",
    }
)
"""What a template may name."""

_PIECE = re.compile(r"\{([^{}]*)\}|([\^~&])|([^{}^~&|\\\x00-\x1f\x7f]+)")
_ASKED = re.compile(r"[A-Z][A-Z0-9]{2}\.[1-9]\d?")
_MARKS = {"^": "component", "~": "repetition", "&": "subcomponent"}


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places for facts, and delimiters that become those of the message."""

    text: str
    pieces: tuple[tuple[str, str], ...]
    """Each "fact", "asked", "mark" or "text", and which."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that it names, fields of the question among them."""
        return tuple(piece for kind, piece in self.pieces if kind in ("fact", "asked"))

    def render(self, facts: Mapping[str, str], delimiters: Delimiters) -> str:
        """Return the raw field: facts and text escaped, delimiters those of the message."""
        named = self.facts
        if named and not any(facts.get(fact) for fact in named):
            return ""
        parts = []
        for kind, piece in self.pieces:
            if kind == "mark":
                parts.append(getattr(delimiters, _MARKS[piece]))
            elif kind == "asked":
                parts.append(facts.get(piece, ""))
            else:
                parts.append(escape(facts.get(piece, "") if kind == "fact" else piece, delimiters))
        return "".join(parts)


def parse_template(text: object) -> Template:
    """Read a template such as `{code}^^99ROC`. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"expected a text such as '{{code}}^^L', got {text!r}")  # noqa: TRY004
    pieces: list[tuple[str, str]] = []
    end = 0
    for match in _PIECE.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        pieces.append(_piece(*match.groups()))
    if end != len(text):
        raise ValueError(f"expected facts in braces, text and ^ ~ &, got {text[end:]!r}")
    return Template(text, tuple(pieces))


def _piece(fact: str | None, mark: str | None, text: str | None) -> tuple[str, str]:
    if mark:
        return "mark", mark
    if text:
        return "text", text
    if fact and _ASKED.fullmatch(fact):
        return "asked", fact
    if fact not in FACTS:
        raise ValueError(f"unknown fact {fact!r}; known: {', '.join(sorted(FACTS))}")
    return "fact", fact


SCHEMA = template_of(FACTS, r"[A-Z][A-Z0-9]{2}\.[1-9][0-9]?", excluded=r"\\")
TemplateRule = Annotated[Template, PlainValidator(parse_template), WithJsonSchema(SCHEMA)]
