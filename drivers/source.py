"""Where in a message a fact stands: field paths, and the rules that pick a text from them.

A path names a field by the standard's position: `R.9`, a component of it `R.3.4`, the first
component that is not empty `O.3.*`, a component of the second repeat `O.5[2].4`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import PlainValidator, WithJsonSchema

from drivers.pathschema import ASTM_PATH, REGULAR_EXPRESSION, source_of

_PATH = re.compile(
    r"(?P<record>[HPORQLC])\.(?P<field>[1-9]\d?)"
    r"(?:\[(?P<repeat>[1-9]\d?)\])?(?:\.(?P<component>[1-9]\d?|\*))?"
)

ANY_COMPONENT = 0
"""`component` of a path that ends in `.*`."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """One field, or one component of it. Positions count from 1, as the standard does.

    Without `component` it is the whole field (of all repeats, or of `repeat`).
    """

    record: str
    field: int
    repeat: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    @classmethod
    def parse(cls, text: object, records: str = "HPORQL") -> Self:
        """Read a path such as `R.3.4`, of one of these records. Raises ValueError."""
        match = _PATH.fullmatch(text) if isinstance(text, str) else None
        if match is None or match["record"] not in records:
            raise ValueError(
                f"expected a field such as R.4, R.3.5, O.3.* or O.5[2].4, got {text!r}"
            )
        repeat, component = match["repeat"], match["component"]
        return cls(
            match["record"],
            int(match["field"]),
            int(repeat) if repeat else None,
            ANY_COMPONENT if component == "*" else int(component) if component else None,
        )

    def __str__(self) -> str:
        repeat = f"[{self.repeat}]" if self.repeat else ""
        if self.component is None:
            return f"{self.record}.{self.field}{repeat}"
        part = f".{self.subcomponent}" if self.subcomponent else ""
        return f"{self.record}.{self.field}{repeat}.{self.component or '*'}{part}"


@dataclass(frozen=True, slots=True)
class Source:
    """How a text is found: the first alternative that is not empty.

    An alternative is one path, or several whose texts are joined with `joiner` (empty ones
    at the end are left out). `pattern` then picks its first group; no match is no text.
    """

    alternatives: tuple[tuple[FieldPath, ...], ...]
    joiner: str = ""
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, rule: object) -> Self:
        """Read a rule: a path, a list of paths, or a table. Raises ValueError."""
        return cls.parse_with(FieldPath.parse, rule)

    @classmethod
    def parse_with(cls, parse_path: Callable[[object], FieldPath], rule: object) -> Self:
        """Read a rule whose paths are read by `parse_path`. Raises ValueError."""
        if isinstance(rule, str):
            return cls(((parse_path(rule),),))
        if isinstance(rule, list):
            return cls(tuple((parse_path(path),) for path in rule))
        if isinstance(rule, dict):
            return cls._parse_table(parse_path, rule)
        raise ValueError(f"expected a field, a list of fields or a table, got {rule!r}")

    @classmethod
    def _parse_table(cls, parse_path: Callable[[object], FieldPath], table: dict[str, Any]) -> Self:
        unknown = table.keys() - {"from", "join", "with", "match"}
        if unknown:
            raise ValueError(f"unknown key {min(unknown)!r} in it; known: from, join, with, match")
        if ("from" in table) == ("join" in table):
            raise ValueError("expected either `from` or `join` in it")
        pattern = compile_pattern(table["match"]) if "match" in table else None
        if pattern is not None and pattern.groups != 1:
            raise ValueError(f"expected one group in `match`, got {pattern.groups}")
        if isinstance(table.get("from"), dict):
            raise ValueError("expected a field or a list of fields in `from`")  # noqa: TRY004
        if "from" in table:
            return cls(cls.parse_with(parse_path, table["from"]).alternatives, "", pattern)
        paths = tuple(parse_path(path) for path in table["join"])
        return cls((paths,), str(table.get("with", "^")), pattern)

    def __str__(self) -> str:
        return " or ".join(" with ".join(map(str, paths)) for paths in self.alternatives)

    def paths(self) -> tuple[FieldPath, ...]:
        """Every path the text may depend on."""
        return tuple(path for alternative in self.alternatives for path in alternative)


def compile_pattern(text: object) -> re.Pattern[str]:
    """Compile a regular expression of a profile. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"expected a regular expression, got {text!r}")  # noqa: TRY004
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None


SourceRule = Annotated[Source, PlainValidator(Source.parse), WithJsonSchema(source_of(ASTM_PATH))]
PathRule = Annotated[FieldPath, PlainValidator(FieldPath.parse), WithJsonSchema(ASTM_PATH)]
Pattern = Annotated[
    re.Pattern[str], PlainValidator(compile_pattern), WithJsonSchema(REGULAR_EXPRESSION)
]
