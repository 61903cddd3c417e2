"""Blocks of the Minimal Lower Layer Protocol: VT, a message, FS, CR.

`BlockParser` is a generator over a `Stream` that never raises for what the peer sends, reads
nothing without a limit, and is reset by being replaced.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.errors import LocalProtocolError, Reason
from protocols.hl7.dialect import STANDARD, Dialect
from protocols.stream import Stream

VT: Final = b"\x0b"
FS: Final = b"\x1c"
CR: Final = b"\x0d"
LF: Final = b"\x0a"

ACK: Final = b"\x06"
NAK: Final = b"\x15"
"""Contents of the commit blocks of release 2."""

EVIDENCE: Final = 65_536
"""Bytes kept of a block that is too long."""


class Awaiting(Enum):
    """What the parser waits for; the session picks its deadline by it."""

    BLOCK = "block"
    """The next block."""
    CONTENT = "content"
    """More of the block that has begun: each byte is a sign of life."""
    TRAILER = "trailer"
    """The CR of a block that can be judged without it."""
    END = "end"
    """The end of a block that is too long already: no sign of life, or it would never end."""


@dataclass(slots=True)
class Block:
    """One block as it arrived. `reason` is None when its bytes are beyond doubt.

    `tolerated` names what a strict reader would have refused: "no_cr", "lf_for_cr".
    """

    raw: bytes
    content: bytes
    reason: Reason | None = None
    tolerated: tuple[str, ...] = ()


@dataclass(slots=True)
class Fragment:
    """Bytes that are no block and get no reply."""

    raw: bytes
    reason: Reason


Token = Block | Fragment

_VT = VT[0]
_LINE_END = CR + LF


def encode(content: bytes) -> bytes:
    """Return the block that carries `content`.

    Raises `LocalProtocolError` when the content holds VT or FS.
    """
    if VT in content or FS in content:
        raise LocalProtocolError("a block character in a message to send")
    return VT + content + FS + CR


class BlockParser:
    """The block reader of one connection."""

    def __init__(self, stream: Stream, dialect: Dialect = STANDARD):
        self._stream = stream
        self._dialect = dialect
        self._next = self._parse().__next__
        self._damaged = False

    def line_error(self) -> None:
        """Refuse the block that is being read: nothing in it would show the damage."""
        self._damaged = True

    def next_token(self) -> Token | Awaiting:
        """Return the next token, or what is missing for it."""
        return self._next()

    def _parse(self) -> Generator[Token | Awaiting, None, None]:
        buffer = self._stream.buffer
        while True:
            if not buffer:
                yield Awaiting.BLOCK
            elif buffer[0] == _VT:
                yield (yield from self._block())
            else:
                start = buffer.find(VT)
                noise = self._stream.take(start if start > 0 else len(buffer))
                if noise.strip(_LINE_END):
                    yield Fragment(noise, Reason.UNEXPECTED_BYTE)

    def _block(self) -> Generator[Awaiting, None, Token]:
        """Read the block that begins with the VT at the start of the buffer."""
        self._damaged = False
        end = yield from self._find_mark()
        if end < 0:
            return (yield from self._overlong())
        buffer = self._stream.buffer
        if buffer[end] == _VT:
            return Fragment(self._stream.take(end), Reason.TRUNCATED_FRAME)
        stop = yield from self._trailer(end)
        trailer = bytes(buffer[end + 1 : stop])
        reason = None if self._is_end(trailer) else Reason.BAD_BLOCK_END
        # A byte that is no end is left for what comes next.
        raw = self._stream.take(end + 1 if reason else stop)
        if self._damaged:
            reason = Reason.LINE_ERROR
        return Block(raw, raw[1:end], reason, () if reason else self._tolerated(trailer))

    def _find_mark(self) -> Generator[Awaiting, None, int]:
        """Return where the content ends; -1 when it is too long."""
        buffer = self._stream.buffer
        limit = self._dialect.max_message + 2
        scanned = 1
        while True:
            mark = _find(buffer, scanned, limit)
            if mark >= 0:
                return mark
            if len(buffer) >= limit:
                return -1
            scanned = len(buffer)
            yield Awaiting.CONTENT

    def _trailer(self, end: int) -> Generator[Awaiting, None, int]:
        """Return where the block stops whose FS is at `end`, the byte after it included."""
        buffer = self._stream.buffer
        if self._dialect.block_end == "fs":
            return end + 1
        while len(buffer) == end + 1:
            if self._stream.paused and self._dialect.block_end == "tolerant":
                return end + 1
            yield Awaiting.TRAILER
        is_start = buffer[end + 1] == _VT and self._dialect.block_end == "tolerant"
        return end + 1 if is_start else end + 2

    def _is_end(self, trailer: bytes) -> bool:
        """Whether `trailer` may stand between FS and the next block."""
        if self._dialect.block_end == "tolerant":
            return trailer in (CR, LF, b"")
        return trailer == CR or self._dialect.block_end == "fs"

    def _tolerated(self, trailer: bytes) -> tuple[str, ...]:
        if trailer == CR or self._dialect.block_end == "fs":
            return ()
        return ("lf_for_cr",) if trailer else ("no_cr",)

    def _overlong(self) -> Generator[Awaiting, None, Token]:
        """Drop the rest of a block that is too long, keeping its beginning as evidence."""
        buffer = self._stream.buffer
        limit = self._dialect.max_message + 2
        raw = bytes(buffer[: min(limit, EVIDENCE)])
        del buffer[:limit]
        while (mark := _find(buffer, 0, len(buffer))) < 0:
            buffer.clear()
            yield Awaiting.END
        is_start = buffer[mark] == _VT
        del buffer[: mark + (not is_start)]
        if is_start:
            return Fragment(raw, Reason.MESSAGE_TOO_LONG)
        return Block(raw, raw[1:], Reason.MESSAGE_TOO_LONG)


def _find(buffer: bytearray, start: int, stop: int) -> int:
    """Return where the first VT or FS is; -1 for none. Ten times as fast as a pattern."""
    end = buffer.find(FS, start, stop)
    restart = buffer.find(VT, start, end if end >= 0 else stop)
    return restart if restart >= 0 else end


def _is_one_block(data: bytes, dialect: Dialect) -> bool:
    """Whether `data` is a block that every reader that wants FS CR accepts, and nothing else."""
    return (
        data[0] == _VT
        and data.endswith(FS + CR)
        and data.find(FS) == len(data) - 2
        and data.rfind(VT) == 0
        and len(data) <= dialect.max_message + 2
        and dialect.block_end != "fs"
    )


def unframe(data: bytes, dialect: Dialect = STANDARD) -> Iterator[Block]:
    """Yield every block in stored bytes: captures, journals, files.

    A message that has no block around it, as files have them, counts as one.
    """
    if VT not in data:
        yield Block(data, data.strip(_LINE_END + FS))
        return
    if _is_one_block(data, dialect):
        yield Block(data, data[1:-2])
        return
    stream = Stream()
    parser = BlockParser(stream, dialect)
    stream.feed(data)
    stream.pause()
    while not isinstance(token := parser.next_token(), Awaiting):
        if isinstance(token, Block):
            yield token
