"""What stands at a place of many messages: counts and shapes, never the texts themselves."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.fields import Fields, Picker
from drivers.source import FieldPath, Source

_TIME = re.compile(r"\d{8}\d{4}(\d{2}(\.\d+)?)?([+-]\d{4})?")
_WIDEST = 20
"""Components that are looked at."""

_SMALL = re.compile(r"\d{1,4}")
_NUMBER = re.compile(r"[<>]?=?\s*[+-]?\d+([.,]\d*)?")


@dataclass(frozen=True)
class Row:
    """A result, an order or a query, with the records around it."""

    order: int
    picker: Picker
    records: Mapping[str, Fields]
    first: int
    """Index of field 1: 1 where fields are counted from the segment's name."""
    component: str
    repeat: str

    def raw(self, record: str, position: int) -> str:
        """Return the raw text of a field; empty where there is none."""
        fields = self.records.get(record, ())
        index = position - 1 + self.first
        return fields[index] if index < len(fields) else ""

    def parts(self, record: str, position: int) -> list[str]:
        """Return the raw components of the first repeat of a field that is not empty."""
        repeats = self.raw(record, position).split(self.repeat)
        return next(filter(str.strip, repeats), "").split(self.component)


@dataclass(frozen=True)
class Seen:
    """Rows of one kind, and how rules are read in their protocol."""

    rows: Sequence[Row]
    noun: str
    read_source: Callable[[object], Source]
    _cache: dict[str, list[str]] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def texts(self, rule: Any) -> list[str]:
        """Return what a rule finds in each row."""
        key = repr(rule)
        if key not in self._cache:
            source = self.read_source(rule)
            self._cache[key] = [row.picker.find(source, row.raw) for row in self.rows]
        return self._cache[key]

    def raws(self, record: str, position: int) -> list[str]:
        """Return the whole field of each row."""
        return [row.raw(record, position) for row in self.rows]

    def filled(self, rule: Any) -> int:
        """Count the rows in which a rule finds a text."""
        return sum(map(bool, self.texts(rule)))

    def width(self, record: str, position: int) -> int:
        """Return how many components a field has where it has most."""
        widths = (len(row.parts(record, position)) for row in self.rows)
        return min(max(widths, default=0), _WIDEST)

    def said(self, rule: Any) -> str:
        """Say what was seen at a place, in numbers."""
        texts = [text for text in self.texts(rule) if text]
        name = str(self.read_source(rule))
        if not texts:
            return f"{name}: empty in all {len(self)} {self.noun}"
        lengths = sorted(map(len, texts))
        length = str(lengths[0]) if lengths[0] == lengths[-1] else f"{lengths[0]} to {lengths[-1]}"
        shape = _shape(texts)
        return (
            f"{name}: in {len(texts)} of {len(self)} {self.noun}, {len(set(texts))} different, "
            f"{length} characters{shape}"
        )

    def are_distinct(self, *rules: Any) -> int:
        """Return how many rows can be told from all others of their order by these rules."""
        columns = [self.texts(rule) for rule in rules]
        keys = [(row.order, *cells) for row, *cells in zip(self.rows, *columns, strict=True)]
        counts = Counter(keys)
        return sum(counts[key] == 1 for key in keys)


def _shape(texts: Iterable[str]) -> str:
    texts = list(texts)
    for words, pattern in ((", all times", _TIME), (", all of at most 4 digits", _SMALL)):
        if all(map(pattern.fullmatch, texts)):
            return words
    return ", all numbers" if all(map(_NUMBER.fullmatch, texts)) else ""


def are_times(texts: Iterable[str]) -> bool:
    """Whether there is a text, and all of them are a date with a time of day."""
    there = [text for text in texts if text]
    return bool(there) and all(map(_TIME.fullmatch, there))


def are_small(texts: Iterable[str]) -> bool:
    """Whether there is a text, and all of them are at most four digits."""
    there = [text for text in texts if text]
    return bool(there) and all(map(_SMALL.fullmatch, there))


def are_numbers(texts: Iterable[str]) -> bool:
    """Whether there is a text, and all of them are numbers."""
    there = [text for text in texts if text]
    return bool(there) and all(map(_NUMBER.fullmatch, there))


def codes(texts: Iterable[str], longest: int = 2) -> str:
    """Say how often each code was seen: capital letters or digits, too short for a name."""
    counts = Counter(text for text in texts if text)
    shown = [
        f"{code} {count}×"
        for code, count in sorted(counts.items())
        if len(code) <= longest and code.isascii() and code.isalnum() and not code.islower()
    ]
    hidden = len(counts) - len(shown)
    return ", ".join(shown + [f"{hidden} longer"] * bool(hidden)) or "nothing"


def path_text(record: str, position: int, component: int | None = None) -> str:
    """Return a path as profiles write it."""
    return str(FieldPath(record, position, None, component))
