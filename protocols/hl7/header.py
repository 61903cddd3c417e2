"""What MSH and MSA say of a message: all that a link has to know to answer it."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from protocols.hl7 import charset
from protocols.hl7.boundary import header_line
from protocols.hl7.dialect import STANDARD, Dialect
from protocols.hl7.message import find_codec
from protocols.hl7.text import DEFAULT, Delimiters, read_delimiters

SELECTORS: Final = frozenset({"AL", "NE", "ER", "SU"})
"""Table 0155: an acknowledgment always, never, on error, on success. Other values of MSH-15
and MSH-16 ask for nothing: Mindray writes the kind of result to MSH-16 as 0, 1 or 2."""

_MSA: Final = re.compile(rb"[\r\n]MSA(?=[^A-Za-z0-9])([^\r\n]*)")
_REACH: Final = 4096
"""MSA stands directly after MSH and the few segments about software (SFT, UAC)."""


_ESCAPE: Final = b"\x1b"
"""Begins another character set in 7-bit text (ISO 2022)."""


class Acknowledges(NamedTuple):
    """What an MSA segment says: of which message, and how it was taken."""

    code: str
    control_id: str
    text: str


@dataclass(slots=True)
class Header:
    """The MSH segment. Fields are raw and encode to the bytes that came."""

    fields: list[str]
    """MSH-9 is `fields[9]`."""
    delimiters: Delimiters
    codec: str
    acknowledges: Acknowledges | None

    def field(self, position: int) -> str:
        """Return the raw field at the standard's `position`; empty when absent."""
        return self.fields[position] if position < len(self.fields) else ""

    def component(self, position: int, index: int) -> str:
        """Return raw component `index` (from 1) of a field; empty when absent."""
        components = self.field(position).split(self.delimiters.component)
        return components[index - 1] if index <= len(components) else ""

    @property
    def code(self) -> str:
        """MSH-9.1, the message code: ORU."""
        return self.component(9, 1)

    @property
    def event(self) -> str:
        """MSH-9.2, the trigger event: R01."""
        return self.component(9, 2)

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field(10)

    @property
    def processing_id(self) -> str:
        """MSH-11.1: P, T or D."""
        return self.component(11, 1)

    @property
    def version(self) -> str:
        """MSH-12.1: 2.5.1."""
        return self.component(12, 1)

    @property
    def accept_selector(self) -> str:
        """MSH-15 when it is one of table 0155, else empty."""
        return self._selector(15)

    @property
    def application_selector(self) -> str:
        """MSH-16 when it is one of table 0155, else empty."""
        return self._selector(16)

    @property
    def is_enhanced(self) -> bool:
        """Whether the message asks for acknowledgments of the enhanced mode."""
        return bool(self.accept_selector or self.application_selector)

    def _selector(self, position: int) -> str:
        value = self.field(position)
        return value if value in SELECTORS else ""


BLANK: Final = Header([], DEFAULT, "utf-8", None)
"""Of a message without MSH, for an answer to it."""


def read_header(content: bytes, dialect: Dialect = STANDARD) -> Header | None:
    """Return the header of the message in `content`, or None when it has no readable MSH."""
    line = header_line(content)
    if not line:
        return None
    codec, _ = find_codec(line, dialect)
    text, _ = charset.decode(line, codec)
    if (_ESCAPE in line or not line.isascii()) and _encodes_otherwise(text, line, codec):
        codec = "latin-1"
        text = line.decode(codec)
    delimiters = read_delimiters(text, dialect.header_backslash) or DEFAULT
    if text[3] != delimiters.field:
        return None
    fields = text.split(delimiters.field)
    fields.insert(1, delimiters.field)
    return Header(fields, delimiters, codec, _acknowledges(content, delimiters, codec))


def _encodes_otherwise(text: str, line: bytes, codec: str) -> bool:
    """Whether an echo would differ from what came: some sets write one character in two ways."""
    return text.encode(codec, "replace") != line


def _acknowledges(content: bytes, delimiters: Delimiters, codec: str) -> Acknowledges | None:
    near = content.find(b"MSA", 0, _REACH)
    found = _MSA.search(content, max(0, near - 1), _REACH) if near >= 0 else None
    if found is None:
        return None
    text, _ = charset.decode(found[1], codec)
    fields = [*text.split(delimiters.field), "", "", ""]
    return Acknowledges(fields[1], fields[2], fields[3])


class Identity(NamedTuple):
    """What makes a message on one link the same as another: an acknowledgment was lost.

    A control id alone does not: instruments begin at 1 again when they are switched on.
    """

    control_id: str
    time: str
    digest: bytes


def identify(header: Header | None, content: bytes) -> Identity:
    """Return the identity of a message: MSH-10, MSH-7 and a digest of all its bytes."""
    named = header or BLANK
    return Identity(named.control_id, named.field(7), sha256(content).digest())
