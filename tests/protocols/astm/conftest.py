"""A host whose clock is driven by hand and whose disk is a promise kept at once."""

from collections.abc import Callable

import pytest

from protocols.astm.dialect import Dialect
from protocols.astm.events import BytesIgnored, Event, FrameReceived, FrameRepeated
from protocols.astm.session import Session

TAIL = b"\x00\x7f"


class Host:
    """A session, what it wrote and what it told.

    `receive` delivers whole units in the way the test runs: in one piece, byte by byte, or
    with trailing bytes that must change nothing. `deliver` delivers as it stands.
    """

    def __init__(self, dialect: Dialect, delivery: str):
        self.session = Session(dialect)
        self.delivery = delivery
        self.now = 1000.0
        self.events: list[Event] = []
        self.written = b""
        self.storing = True
        self.owed: list[int] = []

    def receive(self, data: bytes) -> bytes:
        if self.delivery == "byte by byte":
            return b"".join(self.deliver(data[i : i + 1]) for i in range(len(data)))
        return self.deliver(data + TAIL if self.delivery == "with a tail" else data)

    def deliver(self, data: bytes) -> bytes:
        self.session.receive_data(data, self.now)
        return self.settle()

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

    def refuse(self) -> bytes:
        self.session.refuse(self.now, self.owed[-1])
        return self.settle()

    def wait(self, seconds: float) -> bytes:
        """Let time pass, timers included, and return what was written meanwhile."""
        written = b""
        end = self.now + seconds
        while (deadline := self.session.deadline) is not None and deadline <= end:
            self.now = deadline
            self.session.handle_timer(self.now)
            written += self.settle()
        self.now = end
        return written

    def hang_up(self) -> bytes:
        self.session.receive_eof(self.now)
        return self.settle()

    def send(self, *texts: bytes, message_id: str = "m1") -> bytes:
        self.session.send_message(texts, self.now, message_id)
        return self.settle()

    def told(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

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
