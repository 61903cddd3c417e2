"""Bytes to frames during a transfer phase (LIS01-A2 6.3, 6.5.1.1).

A generator over a `Stream` that never raises for what the peer sends, reads nothing without
a limit, and is reset by being replaced. A frame that is whole in the buffer and beyond doubt
takes the short way; everything else is read mark by mark.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

from protocols.astm.control import CR, ENQ, EOT, ETB, ETX, LF, RESTRICTED, STX
from protocols.astm.dialect import Dialect
from protocols.astm.frame import Frame, checksum
from protocols.errors import Reason
from protocols.stream import Stream


class Awaiting(Enum):
    """What the parser waits for; the session picks its deadline by it."""

    FRAME = "frame"
    """The next frame or control character."""
    TEXT = "text"
    """More of the frame that has begun: each byte is a sign of life."""
    TRAILER = "trailer"
    """CR LF of a frame that can be judged without them."""
    END = "end"
    """The end of a frame that is too long already: no sign of life, or it would never end."""


@dataclass(slots=True)
class Fragment:
    """Bytes that are no frame and get no reply."""

    raw: bytes
    reason: Reason


Token = Frame | Fragment | bytes
"""A frame, a fragment, or one control character that stands alone."""

Parser = Generator[Token | Awaiting, None, None]

_STX = STX[0]
_BEGINNINGS = STX + ENQ + EOT
_BEGINNING = re.compile(b"[" + _BEGINNINGS + b"]")
_LINE_END = CR + LF
_TRAILERS = {
    "crlf": re.compile(rb"[^\x02\x04\x05\n]{16}|[^\x02\x04\x05\n]*(?:\n|(?=[\x02\x04\x05]))"),
    "cr": re.compile(rb"[^\x02\x04\x05\r\n]{16}|[^\x02\x04\x05\r\n]*(?:\r|\n|(?=[\x02\x04\x05]))"),
    "none": re.compile(rb"[^\x02\x04\x05]{2}|[^\x02\x04\x05]?(?=[\x02\x04\x05])"),
}
"""What follows ETB or ETX: two digits and the end, whatever else comes ignored (6.5.1.1), but
no more than 16 bytes of it, and never the beginning of something else."""


class FrameParser:
    """The frame reader of one transfer phase."""

    _mark = re.compile(b"[" + STX + ETX + EOT + ETB + b"]")
    """What ends the text of a frame, rightly or not."""

    def __init__(self, stream: Stream, dialect: Dialect):
        self._stream = stream
        self._dialect = dialect
        self._trailers = _TRAILERS[dialect.frame_end]
        self._damaged = False
        self._next = self._parse().__next__

    def next_token(self) -> Token | Awaiting:
        """Return the next token, or what is missing for it."""
        return self._next()

    def line_error(self) -> None:
        """Note a parity or framing error of the line inside the frame being read."""
        self._damaged = True

    def _parse(self) -> Parser:
        buffer = self._stream.buffer
        while True:
            if not buffer:
                yield Awaiting.FRAME
            elif buffer[0] == _STX:
                frame = self._whole_frame()
                if frame is not None:
                    yield frame
                else:
                    yield from self._one_frame()
            else:
                yield from self._between_frames()

    def _one_frame(self) -> Parser:
        yield (yield from self._frame())
        self._damaged = False

    def _between_frames(self) -> Parser:
        buffer = self._stream.buffer
        if buffer[0] in _BEGINNINGS:
            yield self._stream.take(1)
            return
        beginning = _BEGINNING.search(buffer)
        noise = self._stream.take(beginning.start() if beginning else len(buffer))
        if noise.strip(_LINE_END):
            yield Fragment(noise, Reason.UNEXPECTED_BYTE)

    def _whole_frame(self) -> Frame | None:
        """Take the frame at the start of the buffer if it is whole and without blemish."""
        buffer = self._stream.buffer
        end = buffer.find(ETX)
        intermediate = buffer.find(ETB, 0, end) if end > 0 else buffer.find(ETB)
        if intermediate > 0:
            end = intermediate
        if not 1 < end <= self._dialect.max_frame - 5 or buffer[end + 3 : end + 5] != _LINE_END:
            return None
        body = bytes(buffer[1 : end + 1])
        number = body[0] - 48
        if (
            buffer[end + 1 : end + 3] != checksum(body)
            or not 0 <= number <= 7
            or len(body.translate(None, RESTRICTED)) != end - 1
            or self._dialect.checksum != "required"
        ):
            return None
        raw = bytes(buffer[: end + 5])
        del buffer[: end + 5]
        return Frame(raw, number, body[1:-1], intermediate < 0)

    def _frame(self) -> Generator[Awaiting, None, Token]:
        """Read the frame that begins with the STX at the start of the buffer."""
        end = yield from self._find_mark(self._dialect.max_frame - 4)
        if end < 0:
            return (yield from self._overlong())
        buffer = self._stream.buffer
        if buffer[end] in _BEGINNINGS:
            # The sender began anew, or gave up: EOT has no other meaning anywhere. ENQ is left
            # to the checksum, because an ACK to a garbled ENQ would acknowledge this frame.
            return Fragment(self._stream.take(end), Reason.TRUNCATED_FRAME)
        stop = yield from self._trailer(end)
        return self._judge(self._stream.take(stop), end)

    def _find_mark(self, limit: int) -> Generator[Awaiting, None, int]:
        """Return where the frame's text ends; -1 when `limit` is reached before."""
        buffer = self._stream.buffer
        scanned = 1
        while True:
            mark = self._mark.search(buffer, scanned, limit)
            if mark:
                return mark.start()
            if len(buffer) >= limit:
                return -1
            scanned = len(buffer)
            yield Awaiting.TEXT

    def _overlong(self) -> Generator[Awaiting, None, Token]:
        """Drop the rest of a frame that is too long, keeping its beginning as evidence."""
        buffer = self._stream.buffer
        raw = self._stream.take(self._dialect.max_frame - 4)
        mark = self._mark.search(buffer)
        while not mark:
            buffer.clear()
            yield Awaiting.END
            mark = self._mark.search(buffer)
        end = mark.start()
        if buffer[end] in _BEGINNINGS:
            del buffer[:end]
            return Fragment(raw, Reason.FRAME_TOO_LONG)
        stop = yield from self._trailer(end)
        del buffer[:stop]
        return Frame(raw, -1, b"", False, Reason.FRAME_TOO_LONG)

    def _trailer(self, end: int) -> Generator[Awaiting, None, int]:
        """Return where the frame stops whose ETB or ETX is at `end`."""
        buffer = self._stream.buffer
        needed = 0 if self._dialect.checksum == "absent" else 2
        while True:
            trailer = self._trailers.match(buffer, end + 1)
            if trailer:
                return trailer.end()
            enough = len(buffer) - end > needed
            if enough and self._stream.paused:
                return len(buffer)
            yield Awaiting.TRAILER if enough else Awaiting.TEXT

    def _judge(self, raw: bytes, end: int) -> Frame:
        body = raw[1 : end + 1]
        digits = raw[end + 1 :].replace(CR, b"").replace(LF, b"")[:2]
        number = body[0] - 48
        reason = self._doubt(body, digits, number)
        tolerated = []
        if reason is None:
            if not raw.endswith(LF):
                tolerated.append("no_crlf")
            if LF in body:
                tolerated.append("crlf_record")
            if not digits.isupper() and digits != digits.upper():
                tolerated.append("lowercase_checksum")
        return Frame(
            raw,
            number if 0 <= number <= 7 else -1,
            body[1:-1],
            body.endswith(ETX),
            reason,
            tuple(tolerated),
        )

    def _doubt(self, body: bytes, digits: bytes, number: int) -> Reason | None:
        """Return why the frame cannot be accepted, in the order of LIS01-A2 6.5.1.1."""
        if self._damaged:
            return Reason.LINE_ERROR
        if self._dialect.checksum == "required":
            expected = checksum(body)
            if self._dialect.lowercase_checksum:
                digits = digits.upper()
            if digits != expected:
                return Reason.BAD_CHECKSUM
        if not 0 <= number <= 7:
            return Reason.BAD_FRAME_NUMBER
        if self._is_restricted(body[:-1]):
            return Reason.RESTRICTED_CHARACTER
        return None

    def _is_restricted(self, content: bytes) -> bool:
        if self._dialect.restricted == "any":
            return False
        if self._dialect.restricted == "tolerant":
            content = content.replace(_LINE_END, CR)
        return len(content.translate(None, RESTRICTED)) != len(content)
