"""Acknowledgments in original and enhanced mode: which are due, and their text.

Without clock and randomness: control ids and times are given.
"""

from enum import Enum
from typing import Final, NamedTuple

from protocols.errors import LocalProtocolError
from protocols.hl7 import charset
from protocols.hl7.dialect import STANDARD, Dialect
from protocols.hl7.header import Header
from protocols.hl7.text import escape


class Condition(Enum):
    """Why a message is not taken (table 0357)."""

    SEGMENT_SEQUENCE = (100, "Segment sequence error")
    REQUIRED_FIELD = (101, "Required field missing")
    DATA_TYPE = (102, "Data type error")
    TABLE_VALUE = (103, "Table value not found")
    UNSUPPORTED_TYPE = (200, "Unsupported message type")
    UNSUPPORTED_EVENT = (201, "Unsupported event code")
    UNSUPPORTED_PROCESSING_ID = (202, "Unsupported processing id")
    UNSUPPORTED_VERSION = (203, "Unsupported version id")
    UNKNOWN_KEY = (204, "Unknown key identifier")
    DUPLICATE_KEY = (205, "Duplicate key identifier")
    RECORD_LOCKED = (206, "Application record locked")
    INTERNAL = (207, "Application internal error")

    @property
    def number(self) -> int:
        """The code of the table."""
        return self.value[0]

    @property
    def text(self) -> str:
        """The words of the table."""
        return self.value[1]

    @property
    def rejects(self) -> bool:
        """Whether sending the message again is no use: AR, not AE."""
        return 200 <= self.number <= 203


_PLACES: Final = {
    Condition.REQUIRED_FIELD: 10,
    Condition.UNSUPPORTED_TYPE: 9,
    Condition.UNSUPPORTED_EVENT: 9,
    Condition.UNSUPPORTED_PROCESSING_ID: 11,
    Condition.UNSUPPORTED_VERSION: 12,
}
"""The field of MSH that a header was refused for."""

_WITHOUT_LOCATION: Final = ("2.1", "2.2", "2.3", "2.4")
"""Versions whose ERR segment has ERR-1 alone; from v2.5 on it is ERR-2 to ERR-4."""


_WITHOUT_STRUCTURE: Final = ("2.1", "2.2", "2.3")
"""Versions whose MSH-9 has no third component."""


class Stamp(NamedTuple):
    """MSH-10 and MSH-7 of a message of ours."""

    control_id: str
    time: str


class Due(NamedTuple):
    """Acknowledgment codes that a message asks for; empty where none is."""

    accept: str = ""
    application: str = ""


def judge(header: Header | None, dialect: Dialect = STANDARD) -> Condition | None:
    """Return why the link does not take a message with this header; None when it does."""
    if header is None or not header.control_id:
        return Condition.REQUIRED_FIELD
    if dialect.message_types and header.code not in dialect.message_types:
        codes = {taken.partition("^")[0] for taken in dialect.message_types}
        if header.code not in codes:
            return Condition.UNSUPPORTED_TYPE
        if f"{header.code}^{header.event}" not in dialect.message_types:
            return Condition.UNSUPPORTED_EVENT
    if dialect.processing_ids and header.processing_id not in dialect.processing_ids:
        return Condition.UNSUPPORTED_PROCESSING_ID
    if dialect.versions and header.version not in dialect.versions:
        return Condition.UNSUPPORTED_VERSION
    return None


def due(
    header: Header,
    dialect: Dialect = STANDARD,
    *,
    accept: Condition | None = None,
    application: Condition | None = None,
) -> Due:
    """Return what is to be answered.

    `accept` is why the message is not stored or not taken at all, `application` why it could
    not be used although it is stored.
    """
    if dialect.acknowledgment == "none":
        return Due()
    if dialect.acknowledgment == "original" or not header.is_enhanced:
        return Due("", "A" + _letter(accept or application))
    accepting = accepts(header, accept)
    if accept and accepting:
        return Due(accepting)
    failure = accept or application
    wanted = _wants(header.application_selector, good=failure is None)
    return Due(accepting, "A" + _letter(failure) if wanted else "")


def accepts(header: Header, condition: Condition | None = None) -> str:
    """Return the accept acknowledgment (CA, CE, CR) that MSH-15 asks for; empty for none."""
    wanted = _wants(header.accept_selector, good=condition is None)
    return "C" + _letter(condition) if wanted else ""


def _wants(selector: str, *, good: bool) -> bool:
    return selector == "AL" or selector == ("SU" if good else "ER")


def _letter(condition: Condition | None) -> str:
    if condition is None:
        return "A"
    return "R" if condition.rejects else "E"


def acknowledge(
    header: Header,
    code: str,
    stamp: Stamp,
    dialect: Dialect = STANDARD,
    condition: Condition | None = None,
) -> bytes:
    """Return the message that acknowledges one with `header` by `code` (AA to CR).

    Its delimiters, version, processing id and character set are those of the other, whose
    control id comes back byte for byte. Raises `LocalProtocolError` for a stamp that does not
    fit into a field.
    """
    separator = header.delimiters.field
    for given in stamp:
        if given != escape(given, header.delimiters):
            raise LocalProtocolError("a delimiter in a stamp")
    segments = [_answering_header(header, stamp), _msa(header, code, dialect, condition)]
    if condition is not None:
        segments.append(_err(header, condition))
    text = "".join(separator.join(segment).rstrip(separator) + "\r" for segment in segments)
    return charset.encode(text, header.codec)


def _answering_header(header: Header, stamp: Stamp) -> list[str]:
    component = header.delimiters.component
    kind = ["ACK", header.event] if header.event else ["ACK"]
    if header.component(9, 3) and header.version not in _WITHOUT_STRUCTURE:
        kind.append("ACK")
    return [
        "MSH",
        "".join(header.delimiters[1:]),
        *(header.field(position) for position in (5, 6, 3, 4)),
        stamp.time,
        "",
        component.join(kind),
        stamp.control_id,
        header.field(11) or "P",
        header.field(12) or "2.3.1",
        *[""] * 5,
        header.field(18),
    ]


def _msa(header: Header, code: str, dialect: Dialect, condition: Condition | None) -> list[str]:
    text = dialect.accepted_text if condition is None else condition.text
    number = ""
    if dialect.numeric_condition:
        number = str(condition.number if condition else 0)
    return ["MSA", code, header.control_id, escape(text, header.delimiters), "", "", number]


def _err(header: Header, condition: Condition) -> list[str]:
    component, subcomponent = header.delimiters.component, header.delimiters.subcomponent
    position = _PLACES.get(condition)
    place = ["MSH", "1", str(position)] if position else ["", "", ""]
    error = [str(condition.number), condition.text, "HL70357"]
    if not header.version or header.version.startswith(_WITHOUT_LOCATION):
        return ["ERR", component.join([*place, subcomponent.join(error)])]
    location = component.join(place) if position else ""
    return ["ERR", "", location, component.join(error), "E"]
