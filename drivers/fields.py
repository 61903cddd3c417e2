"""Picking texts out of the fields of a message, by its delimiters.

A column is a fact about a result that depends on a few fields: its text, key by key, is
worked out once and remembered.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar

from drivers.memo import Memo
from drivers.source import ANY_COMPONENT, FieldPath, Source
from protocols.astm.dialect import Dialect
from protocols.astm.text import Delimiters, unescape

V = TypeVar("V")

Fields = Sequence[str]
Texts = dict[tuple[str, int], str]
"""The raw text of the fields a rule needs, by record type and position."""


class Picker:
    """Picks the text of a path or a source, in a message with these delimiters."""

    def __init__(self, delimiters: Delimiters, dialect: Dialect):
        self._repeat = delimiters.repeat
        self._component = delimiters.component
        self._escape = delimiters.escape
        self._delimiters = delimiters
        self._dialect = dialect

    def pick(self, path: FieldPath, raw: str) -> str:
        """The text of `path` in the field `raw`; empty when the field has no such part."""
        text = raw
        if path.repeat is not None or path.component is not None:
            text = _part(text, self._repeat, path.repeat or 1)
        if path.component is None:
            text = text.rstrip(self._component)
        elif path.component == ANY_COMPONENT:
            text = next(filter(str.strip, text.split(self._component)), "")
        else:
            text = _part(text, self._component, path.component)
        return self.decode(text)

    def decode(self, text: str) -> str:
        """The text with its escape sequences decoded and without blanks at its ends."""
        if self._escape and self._escape in text:
            text = unescape(text, self._delimiters, self._dialect)
        return text.strip()

    def repeats(self, path: FieldPath, raw: str) -> list[str]:
        """The texts of `path` in each repeat of the field, without empty ones."""
        single = FieldPath(path.record, path.field, component=path.component)
        texts = [self.pick(single, repeat) for repeat in raw.split(self._repeat)]
        return [text for text in texts if text]

    def find(self, source: Source, texts: Texts) -> str:
        """The text that a source finds; empty when there is none."""
        for alternative in source.alternatives:
            parts = [self.pick(path, texts[path.record, path.field]) for path in alternative]
            while parts and not parts[-1]:
                parts.pop()
            text = source.joiner.join(parts)
            if text and source.pattern is not None:
                match = source.pattern.search(text)
                text = (match[1] or "").strip() if match else ""
            if text:
                return text
        return ""


def _part(text: str, delimiter: str, number: int) -> str:
    if delimiter not in text:
        return text if number == 1 else ""
    parts = text.split(delimiter)
    return parts[number - 1] if number <= len(parts) else ""


class Context:
    """The fields of the records around a result: its header, patient and order."""

    def __init__(self) -> None:
        self._records: dict[str, Fields] = {}

    def enter(self, record: str, fields: Fields) -> None:
        """Begin a record; what is below it in the hierarchy is left (LIS02-A2 4.1)."""
        below = {"H": "PO", "P": "O"}.get(record, "")
        for lower in below:
            self._records.pop(lower, None)
        self._records[record] = fields

    def field(self, record: str, position: int) -> str:
        """The raw text of a field; empty when the record or the field is absent."""
        fields = self._records.get(record, ())
        return fields[position - 1] if position <= len(fields) else ""

    def texts(self, paths: Iterable[FieldPath]) -> Texts:
        """The raw texts that these paths need."""
        return {(path.record, path.field): self.field(path.record, path.field) for path in paths}


class Column(Generic[V]):
    """A fact about a result, worked out from a few fields of its R, O, P and H records."""

    def __init__(self, paths: Iterable[FieldPath], compute: Callable[[Texts], V]):
        keys = {(path.record, path.field) for path in paths}
        self._inner = sorted(key for key in keys if key[0] == "R") or [("R", 1)]
        self._outer = sorted(key for key in keys if key[0] != "R")
        self._compute = compute
        self._get: itemgetter[Any] = itemgetter(*(position - 1 for _, position in self._inner))
        self._memo: Memo[Any, V] = Memo(self._work_out)
        self._plain = self._lookup_of(self._memo)
        self.width = max(position for _, position in self._inner)

    def bind(self, context: Context) -> Callable[[Fields], V]:
        """The fact as a function of the R fields, for the results of one order."""
        if not self._outer:
            return self._plain
        outer = tuple(context.field(record, position) for record, position in self._outer)
        get, memo = self._get, self._memo
        return lambda fields: memo[get(fields), outer]

    def _lookup_of(self, memo: Memo[Any, V]) -> Callable[[Fields], V]:
        get = self._get
        return lambda fields: memo[get(fields)]

    def _work_out(self, key: Any) -> V:
        inner, outer = key if self._outer else (key, ())
        if len(self._inner) == 1:
            inner = (inner,)
        texts = dict(zip(self._inner, inner, strict=True))
        texts.update(zip(self._outer, outer, strict=True))
        return self._compute(texts)
