"""HL7 v2 messages: text to segments and back.

Parsing never fails: what is odd is kept and named in `Message.problems`. Segments are split
into fields when first asked for; repetitions, components and escape sequences wait likewise.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from protocols.errors import LocalProtocolError
from protocols.hl7 import charset
from protocols.hl7.boundary import header_line
from protocols.hl7.dialect import STANDARD, Dialect
from protocols.hl7.segment import HEADERS, Coding, Segment
from protocols.hl7.text import DEFAULT, Delimiters, check, read_delimiters

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"


class Problem(NamedTuple):
    """Something odd: a code, and the segment where it is, counted from 1 (0: the message)."""

    code: str
    segment: int


class Message:
    """One message: MSH and what follows, with the batch segments before or after it.

    `problems` names "no_header", "bad_delimiters", "unknown_charset", "unreadable_character",
    "line_feed" (a segment that ended with it) and "unknown_segment".
    """

    __slots__ = ("coding", "problems", "segments")

    def __init__(self, coding: Coding, segments: list[Segment], problems: list[Problem]):
        self.coding = coding
        self.segments = segments
        self.problems = problems

    @property
    def header(self) -> Segment | None:
        """The MSH segment, if there is one."""
        return self.first("MSH")

    def first(self, segment_type: str) -> Segment | None:
        """Return the first segment of a type, if there is one."""
        for segment in self.segments:
            if segment.type == segment_type:
                return segment
        return None

    def all(self, segment_type: str) -> list[Segment]:
        """Return the segments of a type, in order."""
        return [each for each in self.segments if each.type == segment_type]


def parse(content: bytes, dialect: Dialect = STANDARD) -> Message:
    """Return the message in `content`, which holds one."""
    problems: list[Problem] = []
    content = content.lstrip(_BLANKS).removeprefix(_BYTE_ORDER_MARK)
    codec, is_known = find_codec(content, dialect)
    if not is_known:
        problems.append(Problem("unknown_charset", 0))
    text, is_readable = charset.decode(content, codec)
    delimiters: Delimiters | None = DEFAULT
    if text[:3] not in HEADERS:
        problems.append(Problem("no_header", 0))
    elif (delimiters := read_delimiters(text, dialect.header_backslash)) is None:
        problems.append(Problem("bad_delimiters", 1))
    coding = Coding(delimiters or DEFAULT, codec)
    if "\n" in text:
        text = _with_carriage_returns(text, coding, problems)
    message = Message(coding, [], problems)
    _arrange(message, text.split("\r"))
    if not is_readable:
        problems += _unreadable(message)
    return message


def find_codec(content: bytes, dialect: Dialect = STANDARD) -> tuple[str, bool]:
    """Return the codec by the MSH-18 of `content`, and whether its name is known."""
    if not dialect.trust_charset:
        return dialect.encoding, True
    line = header_line(content)
    fields = line.split(line[3:4], 18) if line else []
    declared = fields[17] if len(fields) > 17 else b""
    if not declared:
        return dialect.encoding, True
    repetition = line[5:6] or b"~"
    names = (name.decode("latin-1") for name in declared.split(repetition))
    return charset.find_codec(tuple(names), dialect.encoding)


def _with_carriage_returns(text: str, coding: Coding, problems: list[Problem]) -> str:
    """End segments with CR alone. LF before anything but a segment belongs to a field's text."""
    text = text.replace("\r\n", "\r")
    if "\n" in text:
        text, count = _line_feeds(coding.delimiters.field).subn("\r", text)
        if count == 0:
            return text
    problems.append(Problem("line_feed", 0))
    return text


@lru_cache(maxsize=32)
def _line_feeds(field: str) -> re.Pattern[str]:
    return re.compile(rf"\n(?=[A-Z][A-Z0-9]{{2}}(?:{re.escape(field)}|\r|\n|\Z)|[\r\n]|\Z)")


def _arrange(message: Message, lines: Iterable[str]) -> None:
    """Make the segments.

    The busiest loop of all: a constructor with arguments would take as long as all the rest.
    """
    coding = message.coding
    field = coding.delimiters.field
    types = _types(field)
    append = message.segments.append
    for number, line in enumerate(filter(None, lines), 1):
        kind = types.get(line[:4])
        if kind is None:
            kind = line[:3]
            if line[3:4] != field and (len(line) != 3 or not line.isalnum()):
                message.problems.append(Problem("unknown_segment", number))
        segment = Segment()
        segment.type = kind
        segment.text = line
        segment.number = number
        segment.coding = coding
        segment.split = None
        append(segment)


@lru_cache(maxsize=32)
def _types(separator: str) -> dict[str, str]:
    """Return the beginnings of the segments that there are most of."""
    return {f"{name}{separator}": name for name in ("OBX", "NTE", "TCD")}


def _unreadable(message: Message) -> list[Problem]:
    found = [
        Problem("unreadable_character", segment.number)
        for segment in message.segments
        if charset.readable(segment.text) != segment.text
    ]
    return found or [Problem("unreadable_character", 0)]


def build(
    segments: Iterable[Sequence[str]],
    delimiters: Delimiters = DEFAULT,
    codec: str = "utf-8",
) -> bytes:
    """Return the text of a message: the inverse of `parse` for raw fields.

    A header's first two fields are written from `delimiters`. Raises `LocalProtocolError` for a
    field that holds the field delimiter or the end of a segment or block, or that the
    character set cannot express.
    """
    lines = []
    for segment in segments:
        fields = list(segment)
        head = fields[0]
        if head in HEADERS:
            head += delimiters.field + "".join(delimiters[1:])
            fields[1:3] = []
        for field in fields[1:]:
            check(field, delimiters)
        lines.append(delimiters.field.join([head, *fields[1:]]) + "\r")
    try:
        return charset.encode("".join(lines), codec)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a character that {codec} does not have") from error
