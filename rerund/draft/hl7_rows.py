"""The results, orders and queries of HL7 messages, each with the segments around it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.fields import Fields
from drivers.hl7.picker import Hl7Picker
from protocols.hl7.dialect import Dialect
from protocols.hl7.message import Message, parse
from rerund.draft.seen import Row

_EVENT = re.compile(r"[A-Z0-9_]{3,7}(\^[A-Z0-9_]{3,7})?")


@dataclass
class Segments:
    """What the messages of a capture hold, by kind of row."""

    headers: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    queries: list[Row] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    """Of messages with results."""
    asking: set[str] = field(default_factory=set)
    """Of messages without."""
    begun: int = 0
    """Messages and orders, so that each has a number of its own."""
    notes: int = 0
    details: int = 0


def read_segments(texts: Iterable[bytes], dialect: Dialect) -> Segments:
    """Sort the segments of all messages into rows."""
    found = Segments()
    for text in texts:
        _Walk(parse(text, dialect), dialect, found).collect()
    return found


class _Walk:
    """Sorts the segments of one message into rows."""

    def __init__(self, message: Message, dialect: Dialect, found: Segments):
        self._message = message
        self._found = found
        self._marks = message.coding.delimiters
        self._picker = Hl7Picker(message.coding, dialect.utf16_escapes)
        self._around: dict[str, Fields] = {}
        self._begin_order()

    def collect(self) -> None:
        """Add the rows of the message to what was found."""
        header = self._message.header
        if header is None:
            return
        event = "^".join(header.components(9)[:2])
        has_results = any(segment.type == "OBX" for segment in self._message.segments)
        if _EVENT.fullmatch(event):  # anything else may be text of any kind
            (self._found.events if has_results else self._found.asking).add(event)
        for segment in self._message.segments:
            self._add(segment.type, segment.fields)
        if not has_results and self._around.keys() & {"QPD", "QRD", "ORC"}:
            self._found.queries.append(self._row())

    def _begin_order(self) -> None:
        self._found.begun += 1
        self._order = self._found.begun

    def _row(self, around: dict[str, Fields] | None = None) -> Row:
        marks = self._marks
        around = self._around if around is None else around
        return Row(self._order, self._picker, around, 1, marks.component, marks.repetition)

    def _add(self, kind: str, fields: Fields) -> None:
        if kind == "OBX":
            around = self._around | {"OBX": fields}
            self._found.results.append(self._row(around))
            return
        if kind == "NTE":
            self._found.notes += 1
        elif kind == "TCD":
            self._found.details += 1
        elif kind == "SPM":
            self._enter_specimen(fields)
        else:
            if kind == "OBR":
                self._begin_order()
                self._around.pop("TQ1", None)
            self._around[kind] = fields
            if kind == "OBR":
                self._found.orders.append(self._row(dict(self._around)))
            elif kind == "MSH":
                self._found.headers.append(self._row(dict(self._around)))
            elif kind == "TQ1":
                self._found.orders[-1:] = [self._row(dict(self._around))]

    def _enter_specimen(self, fields: Fields) -> None:
        """A specimen stands before its orders, or behind the results of one (ORU_R30)."""
        rows = [row for row in self._found.results if row.order == self._order]
        if rows and "SPM" not in self._around and "OBR" in self._around:
            behind = {"SPM": fields}
            for place, row in enumerate(self._found.results):
                if row in rows:
                    self._found.results[place] = self._row({**row.records, **behind})
            self._found.orders[-1:] = [self._row({**self._found.orders[-1].records, **behind})]
            return
        for segment in ("SAC", "OBR", "ORC", "TQ1", "INV"):
            self._around.pop(segment, None)
        self._around["SPM"] = fields
