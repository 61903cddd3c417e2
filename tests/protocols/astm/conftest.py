"""A host whose clock is driven by hand and whose disk is a promise kept at once."""

from collections.abc import Callable

import pytest

from protocols.astm.dialect import Dialect
from protocols.astm.events import BytesIgnored, FrameReceived, FrameRepeated
from protocols.astm.session import Session
from tests.protocols.driven import TAIL, Driven


class Host(Driven):
    """A session of ASTM, what it wrote and what it told."""

    def __init__(self, dialect: Dialect, delivery: str):
        super().__init__(Session(dialect), delivery)
        self.written = b""

    def settle(self) -> bytes:
        """Store what was announced, and return what was written since the last time."""
        while events := self.session.events_received():
            for event in events:
                if isinstance(event, BytesIgnored) and event.raw == TAIL:
                    continue
                if isinstance(event, BytesIgnored) and self.events_end_in_ignored(event):
                    continue
                self.events.append(event)
                if isinstance(event, FrameReceived | FrameRepeated) and event.ticket is not None:
                    self.owed.append(event.ticket)
                    if self.storing:
                        self.session.acknowledge(self.now, event.ticket)
        written = self.session.data_to_send()
        self.written += written
        return written

    def events_end_in_ignored(self, event: BytesIgnored) -> bool:
        """Join ignored bytes that came in pieces: how they were cut says nothing."""
        last = self.events[-1] if self.events else None
        if not isinstance(last, BytesIgnored) or last.reason is not event.reason:
            return False
        last.raw += event.raw
        return True

    def acknowledge(self, ticket: int | None = None) -> bytes:
        self.session.acknowledge(self.now, self.owed[-1] if ticket is None else ticket)
        return self.settle()

    def send(self, *texts: bytes, message_id: str = "m1") -> bytes:
        self.session.send_message(texts, self.now, message_id)
        return self.settle()

    @property
    def text(self) -> bytes:
        """The texts of all frames received, joined."""
        return b"".join(event.text for event in self.events if isinstance(event, FrameReceived))


MakeHost = Callable[..., Host]


@pytest.fixture(params=["whole", "byte by byte", "with a tail"])
def make_host(request: pytest.FixtureRequest) -> MakeHost:
    return lambda **switches: Host(Dialect(**switches), request.param)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


@pytest.fixture(params=["whole", "byte by byte"])
def make_sender(request: pytest.FixtureRequest) -> MakeHost:
    """A host that sends: trailing bytes would be replies, so there are none."""
    return lambda **switches: Host(Dialect(**switches), request.param)


@pytest.fixture
def sender(make_sender: MakeHost) -> Host:
    return make_sender()
