"""Frames and messages out of stored bytes: captures, journals, files.

More forgiving than a link, because nobody can be asked again: ENQ and EOT may be missing, and
frames may end with CR, LF, both or nothing.
"""

import re
from collections.abc import Iterator

from protocols.astm.boundary import Position, place
from protocols.astm.control import ETX, RESTRICTED
from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.frame import Frame, checksum
from protocols.astm.parser import Awaiting, FrameParser, Token
from protocols.astm.simplified import SimplifiedParser
from protocols.stream import Stream

_ZERO, _ETX = ord("0"), ord(ETX)

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
    while (found := _ORDINARY.match(data, end)) is not None:
        raw, body, digits = found.group(0, 1, 2)
        if checksum(body) != digits or len(raw) > dialect.max_frame:
            break
        frames.append(Frame(raw, body[0] - _ZERO, body[1:-1], body[-1] == _ETX))
        end = found.end()
    return frames, end


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
