"""TOML text whose keys have their doubts above them."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

_WIDTH = 98


@dataclass(frozen=True)
class Line:
    """A key with its value, and what is to be said about it; not `active` is only a proposal."""

    key: str
    value: Any
    doubts: tuple[str, ...] = ()
    active: bool = True

    @classmethod
    def note(cls, text: str) -> Self:
        """Return a comment that belongs to no key."""
        return cls("", None, (text,), active=False)

    def text(self) -> Iterator[str]:
        """Yield the comments and the key."""
        for doubt in self.doubts:
            yield from comment(doubt)
        if self.key:
            yield f"{'' if self.active else '# '}{self.key} = {value_text(self.value)}"


@dataclass(frozen=True)
class Table:
    """A table of a profile; with `several` one of a list of them, without a name a comment."""

    name: str
    lines: tuple[Line, ...] = ()
    doubts: tuple[str, ...] = ()
    several: bool = False

    def text(self) -> Iterator[str]:
        """Yield the table's lines."""
        yield ""
        for doubt in self.doubts:
            yield from comment(doubt)
        if self.name:
            yield f"[[{self.name}]]" if self.several else f"[{self.name}]"
        for line in self.lines:
            yield from line.text()


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts: 1 frame, 2 frames."""
    return f"{number} {noun}{'s' * (number != 1)}"


def comment(text: str) -> Iterator[str]:
    """Yield a text as comment lines."""
    yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ")


def document(head: Iterable[Line], tables: Iterable[Table]) -> str:
    """Return the text of a file."""
    lines = [text for line in head for text in line.text()]
    lines += [text for table in tables for text in table.text()]
    return "\n".join(lines) + "\n"


def value_text(value: Any) -> str:
    """Return a value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            if "\\" in value and "'" not in value and value.isprintable():
                return f"'{value}'"
            return json.dumps(value, ensure_ascii=not value.isprintable())
        case list():
            return f"[{', '.join(map(value_text, value))}]"
        case dict():
            pairs = (f"{key} = {value_text(each)}" for key, each in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case _:
            return str(value)
