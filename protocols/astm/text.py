"""Delimiters and escape sequences of E1394 text (LIS02-A2 5.4)."""

import re
from functools import lru_cache
from typing import NamedTuple

from protocols.astm.dialect import STANDARD, Dialect
from protocols.errors import LocalProtocolError

NULL = ""
"""A field that was sent empty: no change (5.4.9)."""
DELETE = '""'
"""A field that was sent as two quotes: the value is to be deleted (5.4.9)."""


class Delimiters(NamedTuple):
    """The characters a header declares. `escape` is empty when the header has none."""

    field: str = "|"
    repeat: str = "\\"
    component: str = "^"
    escape: str = "&"


DEFAULT = Delimiters()


def read_delimiters(header: str, dialect: Dialect = STANDARD) -> Delimiters | None:
    r"""Return what `header` declares (5.4.6, 6.2), or None when it cannot be meant.

    Three characters follow the field delimiter, the last of which some instruments leave out
    (`H|\^`, Siemens Immulite).
    """
    return _read_delimiters(header[:8], dialect.header_backslash)


@lru_cache(maxsize=64)
def _read_delimiters(header: str, doubled_backslash: bool) -> Delimiters | None:
    field = header[1:2]
    declared = header[2:].partition(field)[0] if field else ""
    if doubled_backslash and declared.startswith("\\\\"):
        declared = declared[1:]
    characters = field + declared
    if (
        len(declared) not in (2, 3)
        or len(set(characters)) != len(characters)
        or any(character.isalnum() or character.isspace() for character in characters)
    ):
        return None
    return Delimiters(field, declared[0], declared[1], declared[2:])


def unescape(
    text: str,
    delimiters: Delimiters = DEFAULT,
    dialect: Dialect = STANDARD,
    problems: list[str] | None = None,
) -> str:
    """Return `text` with its escape sequences decoded (5.4.5).

    Highlighting is dropped and vendor data kept as it is. An escape character that belongs to
    no known sequence stays too, and adds "unknown_escape" to `problems`.
    """
    escape = delimiters.escape
    if not escape or escape not in text:
        return text
    pattern = _sequences(escape)
    if problems is not None and escape in pattern.sub("", text):
        problems.append("unknown_escape")
    return pattern.sub(lambda match: _decode(match, delimiters, dialect), text)


def _decode(match: re.Match[str], delimiters: Delimiters, dialect: Dialect) -> str:
    code = match[1]
    if code[0] == "X":
        return bytes.fromhex(code[1:]).decode(dialect.encoding, "replace")
    if code[0] == "Z":
        return _vendor(match[0], code[1:], dialect)
    meanings = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repeat,
        "E": delimiters.escape,
    }
    return meanings.get(code, "")


def _vendor(sequence: str, code: str, dialect: Dialect) -> str:
    if not dialect.utf16_escapes or not re.fullmatch(r"(?:[0-9A-Fa-f]{4})+", code):
        return sequence
    return bytes.fromhex(code).decode("utf-16-be", "replace")


@lru_cache(maxsize=32)
def _sequences(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}([FSREHN]|X(?:[0-9A-Fa-f]{{2}})+|Z[^{mark}]*){mark}")


def escape(text: str, delimiters: Delimiters = DEFAULT) -> str:
    """Return `text` with delimiters and control characters written as escape sequences.

    Raises `LocalProtocolError` when something has to be escaped and the link has no escape
    character.
    """
    codes = {
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.repeat: "R",
        delimiters.escape: "E",
    }
    mark = delimiters.escape

    def sequence(match: re.Match[str]) -> str:
        if not mark:
            raise LocalProtocolError("a delimiter in the text, and no escape character")
        character = match[0]
        return f"{mark}{codes.get(character) or f'X{ord(character):02X}'}{mark}"

    return _special(delimiters).sub(sequence, text)


@lru_cache(maxsize=32)
def _special(delimiters: Delimiters) -> re.Pattern[str]:
    return re.compile("[\x00-\x1f\x7f" + re.escape("".join(delimiters)) + "]")
