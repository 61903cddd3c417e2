"""What a session tells its owner.

A `MessageReceived` owes something: the session answers the peer only when
`Session.acknowledge`, `Session.accept` or `Session.refuse` is called with its ticket. Events
are values and are not to be changed.
"""

from dataclasses import dataclass
from enum import Enum

from protocols.errors import Reason
from protocols.events import BytesIgnored as BytesIgnored
from protocols.events import MessageSent as MessageSent
from protocols.hl7.acknowledgment import Condition
from protocols.hl7.header import Header, Identity


class Failure(Enum):
    """Why a message could not be sent."""

    REJECTED = "rejected"
    """Answered AR or CR: sending it again is no use."""
    ERROR = "error"
    """Answered AE or CE as often as it was tried."""
    NO_REPLY = "no_reply"
    NO_ANSWER = "no_answer"
    """Accepted (CA), and then nothing was said of it. It is not sent again."""
    LINE_LOST = "line_lost"


@dataclass(slots=True)
class MessageReceived:
    """A message. Its reply is owed under `ticket`.

    Messages of one block come one by one, and their `raw` joined is the block. `header` is None
    when no MSH could be read. `condition` is why the link does not take the message, which is
    to be stored all the same and is then answered so. `acknowledges` is the message of ours
    that this one answers, when the peer wants to know that its answer is stored.
    """

    raw: bytes
    content: bytes
    header: Header | None
    identity: Identity
    condition: Condition | None
    acknowledges: str | None
    ticket: int


@dataclass(slots=True)
class BlockTolerated:
    """The message announced next came in a block that a strict reader would have refused.

    `deviations`: "no_cr", "lf_for_cr".
    """

    deviations: tuple[str, ...]


@dataclass(slots=True)
class BlockRejected:
    """A block was answered as not stored, if it could be answered."""

    raw: bytes
    reason: Reason


@dataclass(slots=True)
class MessageRefused:
    """A message was answered as not stored, because the session is not ready."""

    raw: bytes


@dataclass(slots=True)
class ReplyTimedOut:
    """The owed reply did not come in time, so the peer was told of an error.

    `stored`: the message had been accepted and its answer was awaited.
    """

    ticket: int
    stored: bool


@dataclass(slots=True)
class AcknowledgmentReceived:
    """The peer says how it took a message of ours. `content` may hold more than that."""

    raw: bytes
    content: bytes
    message_id: str
    code: str


@dataclass(slots=True)
class AcknowledgmentIgnored:
    """An acknowledgment of no message that waits for one."""

    raw: bytes


@dataclass(slots=True)
class ReplyNotCommitted:
    """A reply of ours was not confirmed by the peer (release 2) and is not sent again."""


@dataclass(slots=True)
class MessageFailed:
    """The message was not accepted and is no longer queued here."""

    message_id: str
    failure: Failure


Event = (
    MessageReceived
    | BlockTolerated
    | BlockRejected
    | MessageRefused
    | BytesIgnored
    | ReplyTimedOut
    | AcknowledgmentReceived
    | AcknowledgmentIgnored
    | ReplyNotCommitted
    | MessageSent
    | MessageFailed
)
