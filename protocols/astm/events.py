"""What a session tells its owner.

An event with a ticket owes something: the session answers the peer only when
`Session.acknowledge` or `Session.refuse` is called with it. `FrameReceived` has one, and
`FrameRepeated` when there is something new to store. Events are values and are not to be
changed; they are not frozen because that makes each five times as dear, on the busiest path
there is.
"""

from dataclasses import dataclass
from enum import Enum

from protocols.errors import Reason
from protocols.events import BytesIgnored as BytesIgnored
from protocols.events import MessageSent as MessageSent


class Cause(Enum):
    """How a transfer phase ended."""

    EOT = "eot"
    TIMEOUT = "timeout"
    EOF = "eof"
    RESTART = "restart"
    """ENQ without EOT before it: the peer has begun anew."""


class Failure(Enum):
    """Why a message could not be sent."""

    REFUSED = "refused"
    """Every ENQ was answered with NAK."""
    NO_REPLY = "no_reply"
    NOT_ACCEPTED = "not_accepted"
    """One frame was refused as often as the standard allows."""
    LINE_LOST = "line_lost"


@dataclass(slots=True)
class TransferStarted:
    """ENQ was answered with ACK."""


@dataclass(slots=True)
class EnquiryRefused:
    """ENQ was answered with NAK, because the session is not ready or never receives."""


@dataclass(slots=True)
class FrameReceived:
    """A good frame in sequence. Its reply is owed under `ticket`.

    `starts_message`: no message was open before, or this frame begins with a header.
    `completes_message`: the frame's text ends with a whole L record. Both may be true, and a
    frame may end one message and begin the next. A frame of blanks outside any message is
    neither.
    """

    raw: bytes
    number: int
    text: bytes
    is_end: bool
    starts_message: bool
    completes_message: bool
    ticket: int


@dataclass(slots=True)
class FrameRepeated:
    """The last stored frame came again and was acknowledged again (6.5.1.1).

    `differs`: under the same number came another text. The first one stays, and the reply is
    owed under `ticket`: an ACK would promise that these bytes are stored too.
    """

    raw: bytes
    number: int
    differs: bool
    ticket: int | None = None


@dataclass(slots=True)
class FrameRejected:
    """A frame was answered with NAK. `number` is -1 when none could be read."""

    raw: bytes
    number: int
    reason: Reason


@dataclass(slots=True)
class FrameTolerated:
    """The frame announced next is accepted although a strict reader would refuse it.

    `deviations`: "lowercase_checksum", "crlf_record", "no_crlf".
    """

    number: int
    deviations: tuple[str, ...]


@dataclass(slots=True)
class CommitTimedOut:
    """The owed reply did not come in `commit_timeout`, so the frame was answered with NAK."""

    number: int


@dataclass(slots=True)
class TransferEnded:
    """The link is neutral again.

    `message_open`: a message had begun and its L record had not come.
    `last_frame_was_end`: the last frame that came ended with ETX and was not refused, so that
    EOT after it ends a message with or without L.
    """

    cause: Cause
    message_open: bool
    last_frame_was_end: bool


@dataclass(slots=True)
class ContentionLost:
    """Both sides sent ENQ. What was to be sent waits."""


@dataclass(slots=True)
class Interrupted:
    """The peer answered a frame with EOT: accepted, and it wants the line (6.3.5)."""


@dataclass(slots=True)
class MessageFailed:
    """The message was not accepted and is no longer queued here."""

    message_id: str
    failure: Failure


Event = (
    TransferStarted
    | EnquiryRefused
    | FrameReceived
    | FrameRepeated
    | FrameRejected
    | FrameTolerated
    | CommitTimedOut
    | BytesIgnored
    | TransferEnded
    | ContentionLost
    | Interrupted
    | MessageSent
    | MessageFailed
)
