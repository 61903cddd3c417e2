"""What a message has to do with one that was cut short before it. Pure.

A sender that lost the line goes on after the last record it knows to be saved, behind the
ancestors of that record (LIS02-A2 4.2.1, GeneXpert 301-2002 Rev E 5.1.1), or it begins
again (4.2.2).
"""

from enum import Enum

from protocols.astm.dialect import Dialect
from protocols.astm.message import parse
from protocols.astm.record import Record

CR = b"\r"


class Relation(Enum):
    """How the later message stands to the one cut short."""

    BEGINS_AGAIN = "begins_again"
    RESUMES = "resumes"
    UNRELATED = "unrelated"


def relation(cut: bytes, later: bytes, dialect: Dialect) -> Relation:
    """Return how `later` stands to the complete records of `cut`, both texts of entries."""
    saved = _content(complete_records(cut), dialect)
    sent = _content(later, dialect)
    if not saved or not sent or saved[0].text != sent[0].text:
        # Without a patient or order both have, nothing says that they are one message.
        return Relation.UNRELATED
    lines = {record.text for record in sent}
    if all(record.text in lines for record in saved):
        return Relation.BEGINS_AGAIN
    last, first = _last_result(saved), _first_result(sent)
    if last is None or first is None or _order(last, saved) != _order(first, sent):
        return Relation.UNRELATED
    # The last record was saved, but perhaps its ACK was lost: it may come once more.
    if _sequence(first) in (_sequence(last), _sequence(last) + 1):
        return Relation.RESUMES
    return Relation.UNRELATED


def joined(cut: bytes, later: bytes) -> bytes:
    """Return the text of a resumed message: what was saved of it, and what came after."""
    return complete_records(cut) + later


def complete_records(text: bytes) -> bytes:
    """Return a text without the record that was cut."""
    return text[: text.rfind(CR) + 1]


def _content(text: bytes, dialect: Dialect) -> list[Record]:
    """The records that say something about a specimen: header times differ in every session."""
    return [
        record
        for message in parse(text, dialect)
        for record in message.records
        if record.type not in "HL"
    ]


def _last_result(records: list[Record]) -> Record | None:
    return next((record for record in reversed(records) if record.type == "R"), None)


def _first_result(records: list[Record]) -> Record | None:
    return next((record for record in records if record.type == "R"), None)


def _order(result: Record, records: list[Record]) -> str | None:
    return next((other.text for other in records if other.number == result.order), None)


def _sequence(record: Record) -> int:
    text = record.field(2).strip()
    return int(text) if text.isdecimal() else -1
