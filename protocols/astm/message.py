"""Messages of E1394 (LIS02-A2): text to records and back.

Parsing never fails: what is odd is kept and named in `Message.problems`. Records are split
into fields when first asked for; repeats, components and escape sequences wait likewise.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from protocols.astm.control import RESTRICTED
from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.record import Place, Record
from protocols.astm.text import DEFAULT, Delimiters, read_delimiters
from protocols.errors import LocalProtocolError


class Problem(NamedTuple):
    """Something odd: a code, and the record where it is, counted from 1 (0: the message)."""

    code: str
    record: int


class Message:
    """One message: H to L, or what there is of it.

    `problems` names "no_header", "bad_delimiters", "orphan_order", "orphan_result",
    "orphan_comment", "unknown_record", "unreadable_character", "after_terminator" and
    "no_terminator".
    """

    __slots__ = ("delimiters", "problems", "records")

    def __init__(self, delimiters: Delimiters, records: list[Record], problems: list[Problem]):
        self.delimiters = delimiters
        self.records = records
        self.problems = problems

    @property
    def header(self) -> Record | None:
        """The H record, if there is one."""
        first = self.records[0]
        return first if first.type == "H" else None

    @property
    def terminator(self) -> Record | None:
        """The L record, if there is one."""
        return next((record for record in reversed(self.records) if record.type == "L"), None)

    @property
    def complete(self) -> bool:
        """Whether the message has an L record."""
        return self.terminator is not None

    @property
    def termination_code(self) -> str:
        """L.3: N normal, T or R aborted, E unknown error, Q, I, F (12.3); empty without L."""
        terminator = self.terminator
        return "" if terminator is None else terminator.field(3)[:1].upper() or "N"

    def sequence_problems(self) -> list[Problem]:
        """Return a "bad_sequence" for each record whose second field does not count on.

        Counted per type from 1 under each record of a higher level (5.6.7).
        """
        problems = []
        counts: dict[tuple[str, int], int] = {}
        for record in self.records[1:] if self.header else self.records:
            key = (record.type, record.parent)
            expected = counts.get(key, 0) + 1
            given = record.field(2)
            if given == str(expected):
                counts[key] = expected
            else:
                problems.append(Problem("bad_sequence", record.number))
                counts[key] = int(given) if given.isascii() and given.isdigit() else expected
        return problems


_COMMENTS = frozenset("CMS")
_TOP = frozenset("HPQL")
_ODDITIES = {
    "O": "orphan_order",
    "R": "orphan_result",
    "C": "orphan_comment",
    "M": "orphan_comment",
    "S": "orphan_comment",
}

_FORBIDDEN = bytes([*range(7), 8, *range(14, 32), 127])
_UNREADABLE = "\ufffd"
_REPLACEMENTS = dict.fromkeys(_FORBIDDEN, _UNREADABLE)


def parse(text: bytes, dialect: Dialect = STANDARD) -> list[Message]:
    """Return the messages in the joined text of frames, or in a file of records."""
    decoded = _decode(text, dialect)
    lines = filter(None, decoded.split("\r"))
    messages = []
    first = next(lines, None)
    while first is not None:
        message, first = _parse_one(first, lines, dialect)
        messages.append(message)
    if _UNREADABLE in decoded:
        for message in messages:
            message.problems += _unreadable(message)
    return messages


def _decode(text: bytes, dialect: Dialect) -> str:
    """Decode, with U+FFFD for what no record may hold (5.1) or the encoding does not have."""
    if b"\n" in text:
        text = text.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    decoded = text.decode(dialect.encoding, "replace")
    if len(text.translate(None, _FORBIDDEN)) != len(text):
        decoded = decoded.translate(_REPLACEMENTS)
    # 255 is a letter in other encodings, cp1251 for one.
    if dialect.encoding == "latin-1" and b"\xff" in text:
        decoded = decoded.replace("\xff", _UNREADABLE)
    return decoded


def _parse_one(first: str, rest: Iterator[str], dialect: Dialect) -> tuple[Message, str | None]:
    """Parse the message that begins with the line `first`; return the next one's first line too."""
    problems = []
    delimiters: Delimiters | None = DEFAULT
    if not _is_header(first):
        problems.append(Problem("no_header", 0))
    elif (delimiters := read_delimiters(first, dialect)) is None:
        problems.append(Problem("bad_delimiters", 1))
    message = Message(delimiters or DEFAULT, [], problems)
    odd: list[Record] = []
    following = _arrange(message, chain((first,), rest), odd)
    problems += [
        Problem(_ODDITIES.get(record.type, "unknown_record"), record.number)
        for record in dict.fromkeys(odd)
        if record.type not in _TOP
    ]
    if message.records[-1].type != "L":
        problems += _unterminated(message)
    return message, following


def _unterminated(message: Message) -> list[Problem]:
    terminator = message.terminator
    if terminator is None:
        return [Problem("no_terminator", 0)]
    return [
        Problem("after_terminator", record.number)
        for record in message.records[terminator.number :]
    ]


def _unreadable(message: Message) -> list[Problem]:
    return [
        Problem("unreadable_character", record.number)
        for record in message.records
        if _UNREADABLE in record.text
    ]


def _is_header(line: str) -> bool:
    return line[0] in "Hh" and not line[1:2].isalnum()


def _arrange(message: Message, lines: Iterable[str], odd: list[Record]) -> str | None:
    """Make the records and find where each belongs (4.1), up to the next header, which is returned.

    The busiest loop of all: a constructor with arguments would take as long as all the rest.
    """
    delimiters = message.delimiters
    types = _types(delimiters.field)
    append = message.records.append
    place = Place(delimiters, 0, 0)
    order = main = 0
    for number, line in enumerate(lines, 1):
        letter = types.get(line[:2])
        if letter is None:
            if number > 1 and _is_header(line):
                return line
            letter = line.partition(delimiters.field)[0].strip().upper()
        record = Record()
        if letter == "R":
            parent = order
            main = number
        elif letter in _COMMENTS:
            parent = main
        elif letter == "O":
            parent = place.patient
            order = main = number
            place = Place(delimiters, parent, order)
        else:
            parent = min(1, number - 1)
            main = number
            if letter == "P":
                order = 0
                place = Place(delimiters, number, 0)
            elif letter not in _TOP:
                odd.append(record)
        record.type = letter
        record.text = line
        record.split = None
        record.number = number
        record.parent = parent
        record.place = place
        append(record)
        if not parent:
            odd.append(record)
    return None


@lru_cache(maxsize=32)
def _types(separator: str) -> dict[str, str]:
    """Return the beginnings of ordinary records. A header is not one, wherever it stands."""
    return {letter + separator: letter for letter in "PORCQLMS"}


def build(
    records: Iterable[Sequence[str]],
    delimiters: Delimiters = DEFAULT,
    dialect: Dialect = STANDARD,
) -> bytes:
    """Return the text of a message: the inverse of `parse` for raw fields.

    The second field of H is written from `delimiters`. Raises `LocalProtocolError` for a field
    that holds the field delimiter or a character no frame may carry (5.1, LIS01-A2 6.6), or that
    the link's encoding cannot express.
    """
    lines = []
    for record in records:
        fields = list(record)
        if fields[0] == "H":
            fields[1:2] = ["".join(delimiters[1:])]
        if any(delimiters.field in field or "\r" in field for field in fields):
            raise LocalProtocolError("a delimiter in a field, not escaped")
        lines.append(delimiters.field.join(fields) + "\r")
    try:
        text = "".join(lines).encode(dialect.encoding)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a character that {dialect.encoding} does not have") from error
    if len(text.translate(None, RESTRICTED)) != len(text):
        raise LocalProtocolError("a restricted character in a field")
    return text
