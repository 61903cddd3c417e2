"""What a message has to do with one that was cut short before it. Pure.

A sender that lost the line goes on with the first record it does not know to be saved,
behind the ancestors of that record (LIS02-A2 4.2.1, GeneXpert 301-2002 Rev E 5.1.1: cut at
record 12, it sends 1, 7, 8, 12), or it begins again (4.2.2). Which of the two it does is
read from the sequence numbers. In doubt the answer is neither: no record that was
acknowledged is ever taken for replaced unless the later message holds it too.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

CR = b"\r"
MAX_DIGITS = 9
"""Of a sequence number: a longer one counts nothing, and int() refuses thousands of digits."""
_LEVELS = {b"H": 0, b"P": 1, b"O": 2, b"R": 3}

Path = tuple[int, ...]
"""Where a record stands: the sequence numbers of its patient, order and result, and its own."""


class Relation(Enum):
    """How the later message stands to the one cut short."""

    BEGINS_AGAIN = "begins_again"
    RESUMES = "resumes"
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class _Placed:
    text: bytes
    path: Path


def relation(cut: bytes, later: bytes) -> Relation:
    """Return how `later` stands to the complete records of `cut`, both texts of entries."""
    saved, sent = _content(complete_records(cut)), _content(later)
    if not saved or not sent:
        # Without a patient or order in both, nothing says that they are one message.
        return Relation.UNRELATED
    if _holds(sent, saved) and saved[0].text == sent[0].text:
        return Relation.BEGINS_AGAIN
    first = _first_unsaved(sent)
    if not _ancestors_agree(sent[:first], saved):
        return Relation.UNRELATED
    resent = [record for record in saved if record.path >= sent[first].path]
    if resent:
        goes_on = len(resent) < len(saved) and _holds(sent, resent)
    else:
        goes_on = _follows(saved[-1].path, sent[first].path)
    return Relation.RESUMES if goes_on else Relation.UNRELATED


def joined(cut: bytes, later: bytes) -> bytes:
    """Return the text of a resumed message: what was saved of it, then what came after.

    Ancestors that were saved are not repeated, and of a record sent twice the later one stays.
    """
    saved, sent = _content(complete_records(cut)), _content(later)
    first = sent[_first_unsaved(sent)].path
    known = {record.path for record in saved}
    kept = [record.text for record in saved if record.path < first]
    new = [record.text for record in sent if record.path >= first or record.path not in known]
    terminator = [record for record in _records(later) if record[:1] in b"Ll"]
    return CR.join([_records(cut)[0], *kept, *new, *terminator, b""])


def complete_records(text: bytes) -> bytes:
    """Return a text without the record that was cut."""
    return text[: text.rfind(CR) + 1]


def _records(text: bytes) -> list[bytes]:
    return [record for line in text.split(CR) if (record := line.strip(b"\n"))]


def _content(text: bytes) -> list[_Placed]:
    """The records that say something about a specimen: header times differ in every session."""
    placed: list[_Placed] = []
    path: Path = ()
    details = 0
    for record in _records(text):
        kind = record[:1].upper()
        if kind in (b"H", b"L"):
            path = ()
        elif kind in _LEVELS:
            path = (*path[: _LEVELS[kind] - 1], _sequence(record, text[1:2]))
            details = 0
            placed.append(_Placed(record, path))
        else:  # a comment or whatever else belongs to the record before it
            details += 1
            placed.append(_Placed(record, (*path, 0, details)))
    return placed


def _sequence(record: bytes, delimiter: bytes) -> int:
    fields = record.split(delimiter, 2)
    text = fields[1].strip() if len(fields) > 1 else b""
    return int(text) if text.isdigit() and len(text) <= MAX_DIGITS else 1


def _first_unsaved(sent: list[_Placed]) -> int:
    """Return which record is the first that is not sent as an ancestor of the next one."""
    for number, (record, following) in enumerate(pairwise(sent)):
        if following.path[: len(record.path)] != record.path:
            return number
    return len(sent) - 1


def _ancestors_agree(ancestors: list[_Placed], saved: list[_Placed]) -> bool:
    """Say whether ancestors are the ones that were saved, or come after all that was."""
    known = {record.path: record.text for record in saved}
    return all(known.get(record.path, record.text) == record.text for record in ancestors)


def _holds(sent: list[_Placed], records: list[_Placed]) -> bool:
    texts = {record.text for record in sent}
    return all(record.text in texts for record in records)


def _follows(last: Path, first: Path) -> bool:
    """Say whether no record is missing between the last one saved and the first one sent."""
    for before, after in zip(last, first, strict=False):
        if before != after:
            return after == before + 1
    return len(first) > len(last)
