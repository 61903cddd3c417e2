"""What a link counts: read by status and metrics, written by link and transports."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

LinkState = Literal["down", "listening", "connected"]


@dataclass(slots=True)
class LinkCounters:
    """Totals of one instrument's link since the daemon started.

    `last_cut` is the entry of the last message that was cut short. `rejected` counts by
    reason what was answered NAK (AE or AR in HL7) or ignored, `tolerated` by deviation what a
    strict reader would have. `replies_refused` are NAKs (AE) because the journal could not store,
    `replies_late` because it did not in time, `enquiries_refused` NAKs to ENQ. In HL7 a message is
    a frame too, and `frames_repeated` are those that were on disk already.
    `refused` are connections turned away, `reconnects` attempts to open a line again,
    `failures` attempts that failed. `last_received_at` is in Unix seconds.
    """

    bytes_in: int = 0
    bytes_out: int = 0
    transfers: int = 0
    enquiries_refused: int = 0
    frames: int = 0
    frames_repeated: int = 0
    messages: int = 0
    incomplete: int = 0
    last_cut: int = 0
    replies_refused: int = 0
    replies_late: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    tolerated: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    connections_total: int = 0
    refused: int = 0
    reconnects: int = 0
    failures: int = 0
    listening: bool = False
    last_received_at: float | None = None

    @property
    def state(self) -> LinkState:
        """`connected` with at least one open connection or port, else `listening` or `down`."""
        if self.connections:
            return "connected"
        return "listening" if self.listening else "down"
