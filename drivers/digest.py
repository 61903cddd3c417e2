"""The digest that tells whether an instrument sent the same message once more."""

import hashlib
from collections.abc import Iterable, Sequence

from drivers.source import FieldPath
from protocols.astm.message import Message


def digest_of(messages: Iterable[Message], volatile: Sequence[FieldPath]) -> bytes:
    """Hash every record, without the header fields that differ when a message is sent again."""
    skipped = {path.field - 1 for path in volatile}
    lines: list[str] = []
    for message in messages:
        first = len(lines)
        lines += [record.text for record in message.records]
        header = message.header
        if header is not None:
            fields = enumerate(header.fields)
            lines[first] = "\0".join([text for place, text in fields if place not in skipped])
    return digest_lines(lines)


def digest_lines(lines: Iterable[str]) -> bytes:
    """Hash the lines of what was sent."""
    text = "\r".join(lines).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()
