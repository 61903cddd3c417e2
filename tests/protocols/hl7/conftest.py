"""A host whose clock is driven by hand and whose disk is a promise kept at once."""

from collections.abc import Callable
from itertools import count

import pytest

from protocols.events import BytesIgnored
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import Event, MessageReceived
from protocols.hl7.mllp import unframe
from protocols.hl7.session import Session

TAIL = b"\x00\x7f"


class Host:
    """A session, what it wrote and what it told.

    `receive` delivers whole units in the way the test runs: in one piece, byte by byte, or
    with trailing bytes that must change nothing. `deliver` delivers as it stands.
    """

    def __init__(self, dialect: Dialect, delivery: str):
        numbers = count(1)
        self.session = Session(lambda: Stamp(f"H{next(numbers)}", "20260102030405"), dialect)
        self.delivery = delivery
        self.now = 1000.0
        self.events: list[Event] = []
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
        written = self.session.data_to_send()
        while events := self.session.events_received():
            for event in events:
                if not isinstance(event, BytesIgnored) or not self.is_told(event):
                    self.events.append(event)
                if isinstance(event, MessageReceived):
                    self.owed.append(event.ticket)
                    if self.storing:
                        self.session.acknowledge(self.now, event.ticket)
            written += self.session.data_to_send()
        return written

    def is_told(self, event: BytesIgnored) -> bool:
        """Join ignored bytes that came in pieces, and leave out the tail."""
        event.raw = event.raw.removesuffix(TAIL)
        last = self.events[-1] if self.events else None
        if isinstance(last, BytesIgnored) and last.reason is event.reason:
            last.raw += event.raw
            return True
        return not event.raw and event.reason.value == "unexpected_byte"

    def acknowledge(self, *arguments: object, **named: object) -> bytes:
        self.session.acknowledge(self.now, self.owed[-1], *arguments, **named)
        return self.settle()

    def accept(self) -> bytes:
        self.session.accept(self.now, self.owed[-1])
        return self.settle()

    def refuse(self, ticket: int | None = None) -> bytes:
        self.session.refuse(self.now, self.owed[-1] if ticket is None else ticket)
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

    def send(self, content: bytes, message_id: str = "m1") -> bytes:
        self.session.send_message(content, self.now, message_id)
        return self.settle()

    def told(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def contents(self) -> list[bytes]:
        """The contents of all messages received."""
        return [event.content for event in self.told(MessageReceived)]


MakeHost = Callable[..., Host]


@pytest.fixture(params=["whole", "byte by byte", "with a tail"])
def make_host(request: pytest.FixtureRequest) -> MakeHost:
    return lambda **switches: Host(Dialect(**switches), request.param)


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


@pytest.fixture
def codes() -> Callable[[bytes], list[str]]:
    """A function that lists the acknowledgments in what was written: AA 7, or ACK and NAK."""

    def read(written: bytes) -> list[str]:
        found = []
        for block in unframe(written) if written else ():
            names = {b"\x06": "ACK", b"\x15": "NAK"}
            if block.content in names:
                found.append(names[block.content])
                continue
            fields = block.content.decode("latin-1").split("\rMSA|")[1].split("|")
            found.append(" ".join((fields[0], *fields[1].split("\r")[:1])).strip())
        return found

    return read
