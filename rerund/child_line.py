"""Messages between the daemon and a process of its own: length, then body.

The length is four bytes, big-endian.
"""

from typing import BinaryIO

LENGTH_BYTES = 4

UNUSABLE = 69
"""Exit code of a process whose stores are of another version: trying again is no use."""


def packed(body: bytes) -> bytes:
    """Return a message with its length before it."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def receive(file: BinaryIO) -> bytes | None:
    """Wait for the next message of the daemon; None when it has gone."""
    try:
        head = file.read(LENGTH_BYTES)
        body = file.read(int.from_bytes(head, "big"))
    except OSError:
        return None
    return body if len(head) == LENGTH_BYTES and body else None
