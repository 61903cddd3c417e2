"""What goes into the journal and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

EntryState = Literal[
    "open",
    "received",
    "interpreted",
    "held",
    "query",
    "retransmission",
    "empty",
    "rejected",
    "discarded",
    "superseded",
]
PayloadState = Literal["pending", "delivered", "held", "parked", "discarded"]


@dataclass(frozen=True, slots=True)
class ReceivedEntry:
    """A complete entry that waits for its decision. `text` is its frames' texts, joined.

    `reason` is "no_terminator" when EOT ended the message without an L record, "released"
    when a person sent it round again from hold, else "".
    """

    entry_id: int
    device_id: str
    received_at: str
    text: bytes
    reason: str = ""


class PayloadRow(NamedTuple):
    """One payload to be kept. `body` is what `rerund.payload_codec.pack` returns."""

    payload_id: str
    sample_id: str
    is_rerun: bool
    rerun_number: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a received entry, committed with its payloads in one transaction.

    `superseded` are incomplete entries that this one begins again; `continues` are the
    incomplete entries whose records were joined before this one's, the latest first.
    """

    entry_id: int
    device_id: str
    received_at: str
    state: EntryState
    reason: str = ""
    detail: str = ""
    digest: bytes = b""
    inputs: bytes = b""
    payloads: Sequence[PayloadRow] = ()
    superseded: Sequence[int] = ()
    continues: Sequence[int] = ()


class OrderNoteRow(NamedTuple):
    """What became of an order; `body` is packed. Sent at an ISO 8601 UTC instant."""

    note_key: int
    sent_at: str
    body: bytes


class Mark(NamedTuple):
    """A new delivery state of one payload."""

    payload_key: int
    state: PayloadState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as listings show it. `size` counts its raw bytes, `frames` its frames.

    `continues` and `successor` link entries that were cut short with what came after.
    """

    entry_id: int
    device_id: str
    link: str
    received_at: str
    state: EntryState
    reason: str
    detail: str
    frames: int
    size: int
    continues: int | None
    successor: int | None


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload with its delivery state."""

    payload_key: int
    entry_id: int
    payload_id: str
    sample_id: str
    device_id: str
    received_at: str
    is_rerun: bool
    rerun_number: int
    kind: str
    state: PayloadState
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class IncompleteEntry:
    """An entry cut short. `text` is what its frames said, joined."""

    entry_id: int
    received_at: str
    text: bytes
