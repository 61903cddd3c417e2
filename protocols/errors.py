"""The protocol errors: who is wrong, and in what way."""

from enum import Enum


class ProtocolError(Exception):
    """Base of everything the protocols raise or report."""


class LocalProtocolError(ProtocolError):
    """The caller broke the contract of a state machine: a bug here, never the peer's doing."""


class Reason(Enum):
    """What a peer did wrong. The values are the words of journal, counters and logs."""

    UNEXPECTED_BYTE = "unexpected_byte"
    BAD_CHECKSUM = "bad_checksum"
    BAD_FRAME_NUMBER = "bad_frame_number"
    FRAME_TOO_LONG = "frame_too_long"
    MESSAGE_TOO_LONG = "message_too_long"
    RESTRICTED_CHARACTER = "restricted_character"
    TRUNCATED_FRAME = "truncated_frame"
    LINE_ERROR = "line_error"
    BAD_BLOCK_END = "bad_block_end"


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol. Reported as an event and answered, seldom raised."""

    def __init__(self, reason: Reason, *, position: int = 0, expected: str = "", got: str = ""):
        super().__init__(reason, position, expected, got)
        self.reason = reason
        self.position = position
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        sentence = f"{self.reason.value} at byte {self.position}"
        if self.expected or self.got:
            sentence += f": expected {self.expected}, got {self.got}"
        return sentence
