"""A host whose clock is driven by hand and whose disk is a promise kept at once."""

from collections.abc import Callable
from itertools import count

import pytest

from protocols.events import BytesIgnored
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import MessageReceived
from protocols.hl7.mllp import unframe
from protocols.hl7.session import Session
from tests.protocols.driven import TAIL, Driven


class Host(Driven):
    """A session of HL7, what it wrote and what it told."""

    def __init__(self, dialect: Dialect, delivery: str):
        numbers = count(1)
        session = Session(lambda: Stamp(f"H{next(numbers)}", "20260102030405"), dialect)
        super().__init__(session, delivery)

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

    def send(self, content: bytes, message_id: str = "m1") -> bytes:
        self.session.send_message(content, self.now, message_id)
        return self.settle()

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
