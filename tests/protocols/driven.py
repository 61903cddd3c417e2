"""A session whose clock is driven by hand, whatever its protocol."""

from typing import Any

TAIL = b"\x00\x7f"


class Driven:
    """A session, what it wrote and what it told.

    `receive` delivers whole units in the way the test runs: in one piece, byte by byte, or
    with trailing bytes that must change nothing. `deliver` delivers as it stands.
    """

    def __init__(self, session: Any, delivery: str):
        self.session = session
        self.delivery = delivery
        self.now = 1000.0
        self.events: list[Any] = []
        self.storing = True
        self.owed: list[int] = []

    def settle(self) -> bytes:
        """Store what was announced, and return what was written since the last time."""
        raise NotImplementedError

    def receive(self, data: bytes) -> bytes:
        if self.delivery == "byte by byte":
            return b"".join(self.deliver(data[i : i + 1]) for i in range(len(data)))
        return self.deliver(data + TAIL if self.delivery == "with a tail" else data)

    def deliver(self, data: bytes) -> bytes:
        self.session.receive_data(data, self.now)
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

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
