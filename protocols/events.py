"""What sessions of every protocol tell their owner."""

from dataclasses import dataclass

from protocols.errors import Reason


@dataclass(slots=True)
class BytesIgnored:
    """Bytes that got no reply."""

    raw: bytes
    reason: Reason


@dataclass(slots=True)
class MessageSent:
    """The peer has acknowledged all of the message."""

    message_id: str
