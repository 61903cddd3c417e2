"""Picking texts out of the fields of a message, by its delimiters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Generic, TypeVar

from drivers.memo import Memo
from drivers.source import ANY_COMPONENT, FieldPath, Source
from protocols.astm.dialect import Dialect
from protocols.astm.text import Delimiters, unescape

V = TypeVar("V")

Fields = Sequence[str]
RawText = Callable[[str, int], str]
"""The raw text of a field, by record type and position (from 1)."""


class Picker:
    """Picks the text of a path or a source, in a message with these delimiters."""

    def __init__(self, delimiters: Delimiters, dialect: Dialect):
        self._repeat = delimiters.repeat
        self._component = delimiters.component
        self._escape = delimiters.escape
        self._delimiters = delimiters
        self._dialect = dialect

    def pick(self, path: FieldPath, raw: str) -> str:
        """Return the text of `path` in the field `raw`; empty when it has no such part."""
        if not raw:
            return ""
        text = self._select(path, raw)
        if self._escape and self._escape in text:
            text = unescape(text, self._delimiters, self._dialect)
        return text.strip()

    def _select(self, path: FieldPath, text: str) -> str:
        if path.repeat is not None or path.component is not None:
            text = part_of(text, self._repeat, path.repeat or 1)
        if path.component is None:
            return text.rstrip(self._component)
        if path.component == ANY_COMPONENT:
            return next(filter(str.strip, text.split(self._component)), "")
        return part_of(text, self._component, path.component)

    def repeats(self, path: FieldPath, raw: str) -> list[str]:
        """Return the texts of `path` in each repeat of the field, without empty ones.

        Some instruments send several codes at once, `F\\Q` (Thermo Indiko).
        """
        if path.repeat is None:
            texts = [self.pick(path, repeat) for repeat in raw.split(self._repeat)]
        else:
            texts = [self.pick(path, raw)]
        return [text for text in texts if text]

    def every(self, path: FieldPath, raw: str) -> list[str]:
        """Return the texts of `path` in each repeat; with `.*` each component is one of them.

        Some instruments separate codes as components, `EXP^<` (Abbott ARCHITECT).
        """
        if path.component == ANY_COMPONENT:
            raw = raw.replace(self._component, self._repeat)
        return self.repeats(path, raw)

    def find(self, source: Source, raw: RawText) -> str:
        """Return the text that a source finds; empty when there is none."""
        for alternative in source.alternatives:
            if len(alternative) == 1:  # nearly always
                path = alternative[0]
                text = self.pick(path, raw(path.record, path.field))
            else:
                text = self._joined(alternative, source.joiner, raw)
            if text and source.pattern is not None:
                match = source.pattern.search(text)
                text = (match[1] or "").strip() if match else ""
            if text:
                return text
        return ""

    def _joined(self, paths: Iterable[FieldPath], joiner: str, raw: RawText) -> str:
        """Return the texts of several paths as one, without joiners at its end."""
        parts = [self.pick(path, raw(path.record, path.field)) for path in paths]
        while parts and not parts[-1]:
            parts.pop()
        return joiner.join(parts)


def part_of(text: str, delimiter: str, number: int) -> str:
    """Return part `number` (from 1) of a text; empty when it has fewer."""
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
        for lower in _BELOW.get(record, ""):
            self._records.pop(lower, None)
        self._records[record] = fields

    def field(self, record: str, position: int) -> str:
        """Return the raw text of a field; empty when the record or the field is absent."""
        fields = self._records.get(record, ())
        return fields[position - 1] if position <= len(fields) else ""


_ORDERS = 64
"""Orders whose meanings a column keeps; what they say (a patient, a time) seldom comes again."""

_BELOW = {"H": "PO", "P": "O"}

R_RECORD: Mapping[str, int] = {"R": -1}
"""Where the fields of an R record stand in a row: position 1, its type, at index 0."""


class Column(Generic[V]):
    """A fact about a result, worked out from a few fields of its row and of what is around it.

    Instruments send the same codes, units, flags and times over and over: what the texts of
    the fields mean is worked out once. A row holds the fields of the records that `rows` names,
    position 0 of each at the index given there; `bind` gives the meanings of the fields' texts
    for the results of one order.
    """

    def __init__(
        self,
        paths: Iterable[FieldPath],
        compute: Callable[[RawText], V],
        rows: Mapping[str, int] = R_RECORD,
    ):
        places = {(path.record, path.field) for path in paths}
        self._inner = sorted(place for place in places if place[0] in rows)
        self._outer = sorted(place for place in places if place[0] not in rows)
        self._compute = compute
        self._orders: Memo[tuple[str, ...], Memo[Any, V]] = Memo(self._memo, _ORDERS)
        indexes = [rows[record] + position for record, position in self._inner]
        # Not used for what only the records around say: it has one meaning for all rows.
        self._key: itemgetter[Any] = itemgetter(*indexes or [0])
        self.width = max(indexes, default=-1) + 1

    def bind(self, context: Context) -> Memo[Any, V]:
        """Return what each key means under the header, patient and order of `context`."""
        outer = self._outer
        return self._orders[tuple([context.field(*place) for place in outer]) if outer else ()]

    def meanings(self, context: Context, rows: Sequence[Fields]) -> Iterator[V]:
        """Return the fact about each of the rows."""
        meanings = self.bind(context)
        if not self._inner:
            return repeat(meanings[()], len(rows))
        return map(meanings.__getitem__, map(self._key, rows))

    def meaning(self, raw: RawText) -> V:
        """Return the fact about the row and its surroundings that `raw` gives the texts of."""
        outer, inner = (tuple([raw(*p) for p in places]) for places in (self._outer, self._inner))
        return self._orders[outer][inner[0] if len(inner) == 1 else inner]

    def _memo(self, outer: tuple[str, ...]) -> Memo[Any, V]:
        def work_out(inner: Any) -> V:
            texts = dict(zip(self._outer, outer, strict=True))
            inner = (inner,) if len(self._inner) == 1 else inner
            texts.update(zip(self._inner, inner, strict=True))
            return self._compute(lambda record, position: texts[record, position])

        return Memo(work_out)
