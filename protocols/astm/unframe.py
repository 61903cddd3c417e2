"""Frames and messages out of stored bytes: captures, journals, files.

More forgiving than a link, because nobody can be asked again: ENQ and EOT may be missing, and
frames may end with CR, LF, both or nothing.
"""

import re
from collections.abc import Iterator

from protocols.astm.boundary import Position, place
from protocols.astm.control import CR, ETB, ETX, LF, RESTRICTED, STX
from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.frame import Frame, checksum
from protocols.astm.parser import Awaiting, FrameParser, Token
from protocols.astm.simplified import SimplifiedParser
from protocols.stream import Stream

_ZERO, _ETX = ord("0"), ord(ETX)
_NUMBERS = frozenset(b"%d" % number for number in range(8))
_MARKS = frozenset((ETB, ETX))
_LINE_END = CR + LF
_BETWEEN = _LINE_END + STX

_ORDINARY = re.compile(
    rb"\x02([0-7][^%b]*[\x03\x17])([0-9A-F]{2})\r\n" % re.escape(RESTRICTED), re.DOTALL
)
"""A frame that every dialect with checksums accepts, if its checksum is right."""


def unframe(data: bytes, dialect: Dialect = STANDARD) -> list[Frame]:
    """Return every frame in `data`, the damaged ones with their reason."""
    frames, end = _ordinary(data, dialect)
    if end < len(data):
        rest = _tokens(data[end:], dialect)
        frames += [token for token in rest if isinstance(token, Frame)]
    return frames


def _ordinary(data: bytes, dialect: Dialect) -> tuple[list[Frame], int]:
    """Return the frames before the first byte that needs a closer look, and where it is."""
    frames: list[Frame] = []
    end = 0
    if dialect.framing == "simplified" or dialect.checksum != "required":
        return frames, end
    if (whole := _nothing_else(data, dialect.max_frame)) is not None:
        return whole, len(data)
    while (found := _ORDINARY.match(data, end)) is not None:
        raw, body, digits = found.group(0, 1, 2)
        if checksum(body) != digits or len(raw) > dialect.max_frame:
            break
        frames.append(Frame(raw, body[0] - _ZERO, body[1:-1], body[-1] == _ETX))
        end = found.end()
    return frames, end


def _nothing_else(data: bytes, longest: int) -> list[Frame] | None:
    """Return the frames of `data` if it holds ordinary ones and no byte more, else None.

    What no text may hold is counted in all of them at once, which is faster than a
    pattern for each: STX, ETB or ETX, and LF are three a frame, and there must be no others.
    """
    pieces = data[1:-2].split(_BETWEEN)
    others = len(data) - len(data.translate(None, RESTRICTED)) - 3 * len(pieces)
    if others or data[:1] != STX or data[-2:] != _LINE_END:
        return None
    frames: list[Frame] = []
    start = 0
    for piece in pieces:
        body, end = piece[:-2], start + len(piece) + 3
        if (
            checksum(body) != piece[-2:]
            or body[:1] not in _NUMBERS
            or body[-1:] not in _MARKS
            or end - start > longest
        ):
            return None
        frames.append(Frame(data[start:end], body[0] - _ZERO, body[1:-1], body[-1] == _ETX))
        start = end
    return frames


def message_texts(data: bytes, dialect: Dialect = STANDARD) -> Iterator[bytes]:
    """Yield the text of each message in `data`, as a receiver would have stored it.

    Damaged frames are left out and a frame that comes twice counts once. Without ENQ and EOT
    a repeated frame and a message sent twice look alike: a frame that begins with H after a
    message has ended begins another.
    """
    texts: list[bytes] = []
    position = Position()
    last: Frame | None = None
    for token in _tokens(data, dialect):
        if not isinstance(token, Frame):
            if isinstance(token, bytes):
                last = None
                position = Position()
            continue
        if token.reason is not None:
            continue
        begins_another = not position.is_open and token.text[:1] in (b"H", b"h")
        if last is not None and _repeats(token, last) and not begins_another:
            continue
        placed = place(position, token.text, token.is_end)
        if placed.starts and texts:
            yield b"".join(texts)
            texts.clear()
        texts.append(token.text)
        position, last = placed, token
    if texts:
        yield b"".join(texts)


def _repeats(frame: Frame, last: Frame) -> bool:
    return frame.number == last.number and frame.text == last.text


def _tokens(data: bytes, dialect: Dialect) -> Iterator[Token]:
    stream = Stream()
    parser = (SimplifiedParser if dialect.framing == "simplified" else FrameParser)(stream, dialect)
    stream.feed(data)
    while True:
        token = parser.next_token()
        if not isinstance(token, Awaiting):
            yield token
        elif token is Awaiting.TRAILER:
            stream.pause()
        else:
            return
