"""Simplified framing: ENQ, STX, records, ETX, EOT, with no number, checksum or CR LF.

As captured from a Snibe Maglumi X3 (`Dialect.framing`). STX is a token of its own because it
is acknowledged by itself.
"""

import re
from collections.abc import Sequence

from protocols.astm.control import ENQ, EOT, ETX, STX
from protocols.astm.dialect import Dialect
from protocols.astm.frame import Frame
from protocols.astm.parser import Awaiting, FrameParser, Parser
from protocols.errors import Reason
from protocols.stream import Stream


def simplified_frames(texts: Sequence[bytes]) -> list[bytes]:
    """Return what is sent of a message, each piece when the one before it was acknowledged."""
    return [STX, b"".join(texts) + ETX] if texts else []


class SimplifiedParser(FrameParser):
    """The reader of one transfer phase in simplified framing."""

    _mark = re.compile(b"[" + STX + ETX + EOT + ENQ + b"]")

    def __init__(self, stream: Stream, dialect: Dialect):
        super().__init__(stream, dialect)
        self._trailers = re.compile(b"")

    def _parse(self) -> Parser:
        buffer = self._stream.buffer
        while True:
            if not buffer:
                yield Awaiting.FRAME
            elif buffer.startswith(STX):
                yield STX
                yield from self._one_frame()
            else:
                yield from self._between_frames()

    def _judge(self, raw: bytes, end: int) -> Frame:
        text = raw[1:end]
        reason = None
        if self._damaged:
            reason = Reason.LINE_ERROR
        elif self._is_restricted(text):
            reason = Reason.RESTRICTED_CHARACTER
        return Frame(raw, -1, text, is_end=True, reason=reason)
