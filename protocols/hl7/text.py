"""Delimiters and escape sequences of HL7 v2 text (chapter 2)."""

import re
from functools import lru_cache
from typing import NamedTuple

from protocols.errors import LocalProtocolError
from protocols.hl7 import charset

DELETE = '""'
"""A field that was sent as two quotes: the value is to be deleted."""


class Delimiters(NamedTuple):
    """The characters that MSH-1 and MSH-2 declare. `truncation` is empty before v2.7."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""


DEFAULT = Delimiters()

_UNTIL_END = re.compile("[\r\n]")


def read_delimiters(header: str, doubled_backslash: bool = False) -> Delimiters | None:
    r"""Return what a header segment (MSH, FHS, BHS) declares, or None when it cannot be meant."""
    return _read_delimiters(header[:10], doubled_backslash)


@lru_cache(maxsize=64)
def _read_delimiters(header: str, doubled_backslash: bool) -> Delimiters | None:
    field = header[3:4]
    declared = _UNTIL_END.split(header[4:].partition(field)[0])[0] if field else ""
    if doubled_backslash:
        declared = declared.replace("\\\\", "\\", 1)
    characters = field + declared
    if (
        len(declared) not in (4, 5)
        or len(set(characters)) != len(characters)
        or any(character.isalnum() or character.isspace() for character in characters)
    ):
        return None
    return Delimiters(field, *declared)


def unescape(
    text: str,
    delimiters: Delimiters = DEFAULT,
    codec: str = "utf-8",
    problems: list[str] | None = None,
) -> str:
    r"""Return `text` with its escape sequences decoded.

    Highlighting and layout are dropped, line breaks made, `\X..\` read in `codec`, local
    sequences (`\Z..\`) kept as they are. An escape character that belongs to no known sequence
    stays too, and adds "unknown_escape" to `problems`.
    """
    mark = delimiters.escape
    if mark not in text:
        return text
    pattern = _sequences(mark)
    if problems is not None and mark in pattern.sub("", text):
        problems.append("unknown_escape")
    text = _shifts(mark).sub(_shift, text)
    return pattern.sub(lambda match: _decode(match, delimiters, codec), text)


def _decode(match: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    code = match[1]
    if code[0] == "X":
        return charset.readable(charset.decode(bytes.fromhex(code[1:]), codec)[0])
    if code[0] == ".":
        return _layout(code[1:3], int(code[3:] or 1))
    if code[0] in "ZCM":
        return match[0]
    meanings = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "T": delimiters.subcomponent,
        "P": delimiters.truncation or "#",
    }
    return meanings.get(code, "")


def _layout(command: str, count: int) -> str:
    """Return the line breaks or blanks of a formatting command."""
    if command in ("br", "ce"):
        return "\n"
    blank = {"sp": "\n", "sk": " "}.get(command, "")
    return blank * min(abs(count), 99)


def _shift(match: re.Match[str]) -> str:
    """Read what follows a change of character set, which is an ISO 2022 escape sequence."""
    shifted = b"\x1b" + bytes.fromhex(match[1]) + match[2].encode("latin-1", "replace")
    try:
        text = shifted.decode("iso2022_jp_2")
    except UnicodeDecodeError:
        return match[0]
    return match[0] if "\x1b" in text else text


@lru_cache(maxsize=32)
def _shifts(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}[CM]((?:[0-9A-Fa-f]{{2}}){{2,3}}){mark}([^{mark}]*)")


@lru_cache(maxsize=32)
def _sequences(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(
        f"{mark}([FSTREPHN]|X(?:[0-9A-Fa-f]{{2}})+|Z[^{mark}]*|[CM](?:[0-9A-Fa-f]{{2}}){{2,3}}"
        rf"|\.(?:br|ce|fi|nf)|\.(?:sp|sk|in|ti)(?:[+-]?[0-9]{{1,4}})?){mark}"
    )


def escape(text: str, delimiters: Delimiters = DEFAULT) -> str:
    """Return `text` with delimiters and control characters written as escape sequences."""
    codes = {
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.repetition: "R",
        delimiters.escape: "E",
        delimiters.subcomponent: "T",
    }
    mark = delimiters.escape

    def sequence(match: re.Match[str]) -> str:
        character = match[0]
        return f"{mark}{codes.get(character) or f'X{ord(character):02X}'}{mark}"

    return _special(delimiters).sub(sequence, text)


@lru_cache(maxsize=32)
def _special(delimiters: Delimiters) -> re.Pattern[str]:
    return re.compile("[\x00-\x1f\x7f" + re.escape("".join(delimiters)) + "]")


def check(field: str, delimiters: Delimiters) -> None:
    """Raise `LocalProtocolError` when `field` would end itself, its segment or its block."""
    if delimiters.field in field or not _ENDS.isdisjoint(field):
        raise LocalProtocolError("a delimiter in a field, not escaped")


_ENDS = frozenset("\r\n\x0b\x1c")
