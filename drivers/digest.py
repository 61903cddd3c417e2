"""The digest that tells whether an instrument sent the same message once more."""

import hashlib
from collections.abc import Iterable, Sequence

from drivers.source import FieldPath
from protocols.astm.message import Message
from protocols.astm.record import Record


def digest_of(messages: Iterable[Message], volatile: Sequence[FieldPath]) -> bytes:
    """Hash every record, without the fields that differ when a message is sent again."""
    positions: dict[str, list[int]] = {}
    for path in volatile:
        positions.setdefault(path.record, []).append(path.field - 1)
    lines = [
        _without(record, positions[record.type]) if record.type in positions else record.text
        for message in messages
        for record in message.records
    ]
    text = "\r".join(lines).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def _without(record: Record, positions: list[int]) -> str:
    # No delimiter can be in doubt here: NUL is never part of a field.
    return "\0".join(
        text for position, text in enumerate(record.fields) if position not in positions
    )
