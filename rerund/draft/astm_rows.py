"""The results, orders and queries of E1394 messages, each with the records around it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.fields import Fields, Picker
from protocols.astm.dialect import Dialect
from protocols.astm.message import Message, parse
from protocols.astm.text import Delimiters
from rerund.draft.seen import Row


@dataclass
class Records:
    """What the messages of a capture hold, by kind of row."""

    headers: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    queries: list[Row] = field(default_factory=list)
    comments: int = 0
    """C records that follow a result."""
    begun: int = 0
    """Messages and orders, so that each has a number of its own."""
    orphans: int = 0
    """Results without an order."""


def read_records(texts: Iterable[bytes], dialect: Dialect) -> Records:
    """Sort the records of all messages into rows."""
    records = Records()
    for text in texts:
        for message in parse(text, dialect):
            _collect(message, dialect, records)
    return records


def _collect(message: Message, dialect: Dialect, records: Records) -> None:
    picker = Picker(message.delimiters, dialect)
    around: dict[str, Fields] = {}
    records.begun += 1
    has_result = False

    def row() -> Row:
        return _row(records.begun, picker, around, message.delimiters)

    for record in message.records:
        kind = record.type
        if kind == "H":
            around["H"] = record.fields
            records.headers.append(row())
        elif kind == "P":
            around.pop("O", None)
            around["P"] = record.fields
        elif kind == "O":
            records.begun += 1
            around["O"] = record.fields
            records.orders.append(row())
        elif kind in ("R", "Q"):
            around[kind] = record.fields
            (records.results if kind == "R" else records.queries).append(row())
            records.orphans += kind == "R" and "O" not in around
            around.pop(kind)
        elif kind == "C" and has_result:
            records.comments += 1
        has_result = kind == "R" or (has_result and kind == "C")


def _row(order: int, picker: Picker, around: dict[str, Fields], marks: Delimiters) -> Row:
    return Row(order, picker, dict(around), 0, marks.component, marks.repeat)
