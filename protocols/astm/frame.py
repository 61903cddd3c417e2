"""Frames: STX, number, text, ETB or ETX, two checksum characters, CR, LF (LIS01-A2 6.3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import adler32

from protocols.astm.control import CR, ETB, ETX, LF, STX
from protocols.errors import Reason

OVERHEAD = 7
"""Bytes of a frame that are not its text."""

_HEX = tuple(b"%02X" % value for value in range(256))
_NUMBERS = (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7")


@dataclass(slots=True)
class Frame:
    """One frame as it arrived. `reason` is None when its bytes are beyond doubt.

    `number` is -1 when none could be read. `tolerated` names what a strict reader would have
    refused: "lowercase_checksum", "crlf_record", "no_crlf".
    """

    raw: bytes
    number: int
    text: bytes
    is_end: bool
    reason: Reason | None = None
    tolerated: tuple[str, ...] = ()


def checksum(body: bytes) -> bytes:
    """Return two hexadecimal digits: the sum of `body`, number to ETB or ETX (6.3.1.2).

    Summed by `adler32`, whose low half is the plain sum as long as it stays under 65 521:
    256 bytes at a time cannot reach that.
    """
    if len(body) <= 256:
        return _HEX[adler32(body, 0) & 0xFF]
    total = 0
    for start in range(0, len(body), 256):
        total += adler32(body[start : start + 256], 0) & 0xFFFF
    return _HEX[total & 0xFF]


def encode(text: bytes, number: int, end: bool = True) -> bytes:
    """Return the end or intermediate frame that carries `text` under `number` modulo 8."""
    body = _NUMBERS[number % 8] + text + (ETX if end else ETB)
    return STX + body + checksum(body) + CR + LF


def split(text: bytes, max_text: int) -> Iterator[tuple[bytes, bool]]:
    """Cut one message text into (text, is it the last) of at most `max_text` bytes each."""
    last = max(0, (len(text) - 1) // max_text)
    for index in range(last + 1):
        yield text[index * max_text : (index + 1) * max_text], index == last


def e1381_frames(texts: Sequence[bytes], max_text: int) -> list[bytes]:
    """Return the frames of a message, numbered from 1: each text ends with an end frame."""
    parts = (part for text in texts for part in split(text, max_text))
    return [encode(text, number, end) for number, (text, end) in enumerate(parts, start=1)]
