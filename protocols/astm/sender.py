"""The sending half of a link (LIS01-A2 6.2.4 to 6.2.7, 6.3.4, 6.3.5, 6.5).

One message to a transfer phase. A message that was not accepted as a whole is sent again as a
whole; after `message_tries` it is given back as failed. The session starts the sender only
while the receiver is neutral, because the line is half duplex.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import ClassVar

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.dialect import Dialect
from protocols.astm.events import (
    ContentionLost,
    Event,
    Failure,
    Interrupted,
    MessageFailed,
    MessageSent,
)


class State(IntEnum):
    """States of the sender."""

    IDLE = auto()
    """Nothing is asked of the line."""
    ENQUIRING = auto()
    """ENQ was sent (6.2.4)."""
    TRANSFERRING = auto()
    """A frame was sent (6.3.4)."""
    FINISHING = auto()
    """As transferring, up to the end of the message: the peer wants the line (6.3.5)."""
    PAUSED = auto()
    """ENQ may be sent again when the time has passed (6.2.6, 6.2.7.1)."""
    YIELDING = auto()
    """Contention: the peer's ENQ is awaited (6.2.7.1)."""
    INTERRUPTED = auto()
    """Receiver interrupt honoured: the peer has the line for a while (6.3.5.3)."""


class Input(IntEnum):
    """What can happen to the sender."""

    START = auto()
    """The line is free and a message waits."""
    ACCEPTED = auto()
    """ACK, and there is a frame to send."""
    ACCEPTED_LAST = auto()
    """ACK to the last frame, or to the ENQ of a session without any."""
    REFUSED = auto()
    """NAK."""
    REFUSED_LAST = auto()
    """Anything but ACK and EOT to the last try of a frame."""
    INTERRUPT = auto()
    """EOT as reply, and there is a frame to send."""
    INTERRUPT_LAST = auto()
    """EOT as reply to the last frame."""
    ENQUIRY = auto()
    """ENQ, and the peer has priority."""
    ENQUIRY_YIELDING = auto()
    """ENQ, and the peer has to yield."""
    OTHER = auto()
    """Any other byte."""
    PEER_CLOSED = auto()
    """The peer's own transfer phase has ended."""
    TIMEOUT = auto()
    LINE_LOST = auto()


OWNS_LINE = frozenset({State.ENQUIRING, State.TRANSFERRING, State.FINISHING})
"""States in which what arrives is a reply to the sender."""


@dataclass(slots=True)
class Message:
    """A message waiting to be sent: its frames, each with all its bytes."""

    message_id: str
    frames: list[bytes]
    tries: int = 0


Action = Callable[["Sender", float], None]


class Sender:
    """The sender of one link. Appends to the events and the output it is given.

    `owns_line`: what arrives is a reply to the sender.
    """

    def __init__(self, dialect: Dialect, events: list[Event], output: bytearray):
        self._dialect = dialect
        self._events = events
        self._output = output
        self.state = State.IDLE
        self.owns_line = False
        self.deadline: float | None = None
        self._queue: deque[Message] = deque()
        self._next = 0
        self._tries = 0

    def queue(self, message: Message) -> None:
        """Add a message behind the others."""
        self._queue.append(message)

    # What happens, sorted into inputs.

    def start(self, now: float) -> None:
        """Send what waits, if anything does; the line is free."""
        if self._queue:
            self._step(Input.START, now)

    def receive_reply(self, byte: bytes, now: float) -> None:
        """Take one byte that came in reply."""
        self._step(self._sort(byte), now)

    def peer_closed(self, now: float) -> None:
        """Take the end of the peer's transfer phase."""
        self._step(Input.PEER_CLOSED, now)

    def handle_timer(self, now: float) -> None:
        """Act on the deadline if it has passed."""
        if self.deadline is not None and self.deadline <= now:
            self._step(Input.TIMEOUT, now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""
        self._step(Input.LINE_LOST, now)

    def _sort(self, byte: bytes) -> Input:
        is_last = self._next == len(self._queue[0].frames)
        if byte == ACK:
            return Input.ACCEPTED_LAST if is_last else Input.ACCEPTED
        if byte == EOT:
            return Input.INTERRUPT_LAST if is_last else Input.INTERRUPT
        if self._tries >= self._dialect.frame_tries:
            return Input.REFUSED_LAST
        if byte == NAK:
            return Input.REFUSED
        if byte != ENQ:
            return Input.OTHER
        return Input.ENQUIRY if self._dialect.role == "computer" else Input.ENQUIRY_YIELDING

    def _step(self, event: Input, now: float) -> None:
        action, self.state = self.transitions[self.state][event]
        self.owns_line = self.state in OWNS_LINE
        action(self, now)

    # Actions. None of them asks for the state.

    def _ignore(self, now: float) -> None:
        """Do nothing."""

    def _enquire(self, now: float) -> None:
        """Send ENQ (6.2.4)."""
        self._next = self._tries = 0
        self._queue[0].tries += 1
        self._output += ENQ
        self.deadline = now + self._dialect.enq_reply_timeout

    def _send_next(self, now: float) -> None:
        """Send the next frame (6.3.4.2)."""
        self._next += 1
        self._tries = 0
        self._send(now)

    def _send(self, now: float) -> None:
        """Send the same frame again under the same number (6.5.1.2)."""
        self._tries += 1
        self._output += self._queue[0].frames[self._next - 1]
        self.deadline = now + self._dialect.frame_reply_timeout

    def _send_next_interrupted(self, now: float) -> None:
        """Send the next frame; the peer wants the line after the last one (6.3.5)."""
        self._events.append(Interrupted())
        self._send_next(now)

    def _finish(self, now: float) -> None:
        """Send EOT: the message is sent (6.4.1)."""
        self._output += EOT
        self._events.append(MessageSent(self._queue.popleft().message_id))
        self.deadline = None

    def _finish_interrupted(self, now: float) -> None:
        """Send EOT: the message is sent and the peer has the line (6.3.5.3)."""
        self._finish(now)
        self.deadline = now + self._dialect.interrupt_timeout

    def _finish_on_interrupt(self, now: float) -> None:
        """As before, the wish having come with the last reply."""
        self._events.append(Interrupted())
        self._finish_interrupted(now)

    def _pause_refused(self, now: float) -> None:
        """Wait before ENQ is sent again (6.2.6)."""
        self._pause(now, Failure.REFUSED)

    def _stop_unanswered(self, now: float) -> None:
        """Send EOT and keep the message for later (6.5.2.1, 6.5.2.3)."""
        self._output += EOT
        self._pause(now, Failure.NO_REPLY)

    def _stop_not_accepted(self, now: float) -> None:
        """Send EOT and keep the message for later (6.5.1.2)."""
        self._output += EOT
        self._pause(now, Failure.NOT_ACCEPTED)

    def _pause(self, now: float, failure: Failure) -> None:
        if self._queue[0].tries >= self._dialect.message_tries:
            self._events.append(MessageFailed(self._queue.popleft().message_id, failure))
        self.deadline = now + self._dialect.busy_timeout

    def _yield(self, now: float) -> None:
        """Leave the line to the peer, whose ENQ is not answered, and keep the message (6.2.7.1)."""
        self._events.append(ContentionLost())
        self._queue[0].tries -= 1
        self.deadline = now + self._dialect.contention_timeout

    def _insist(self, now: float) -> None:
        """Send ENQ again in a moment; the peer yields (6.2.7.1)."""
        self._events.append(ContentionLost())
        self._queue[0].tries -= 1
        self.deadline = now + self._dialect.reenquire_timeout

    def _release(self, now: float) -> None:
        """The line is ours to ask for again."""
        self.deadline = None

    def _fail_all(self, now: float) -> None:
        """Give every message back."""
        while self._queue:
            self._events.append(MessageFailed(self._queue.popleft().message_id, Failure.LINE_LOST))
        self.deadline = None

    transitions: ClassVar[dict[State, dict[Input, tuple[Action, State]]]] = {
        State.IDLE: {
            Input.START: (_enquire, State.ENQUIRING),
            Input.ACCEPTED: (_ignore, State.IDLE),
            Input.ACCEPTED_LAST: (_ignore, State.IDLE),
            Input.REFUSED: (_ignore, State.IDLE),
            Input.REFUSED_LAST: (_ignore, State.IDLE),
            Input.INTERRUPT: (_ignore, State.IDLE),
            Input.INTERRUPT_LAST: (_ignore, State.IDLE),
            Input.ENQUIRY: (_ignore, State.IDLE),
            Input.ENQUIRY_YIELDING: (_ignore, State.IDLE),
            Input.OTHER: (_ignore, State.IDLE),
            Input.PEER_CLOSED: (_ignore, State.IDLE),
            Input.TIMEOUT: (_ignore, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.ENQUIRING: {
            Input.START: (_ignore, State.ENQUIRING),
            Input.ACCEPTED: (_send_next, State.TRANSFERRING),
            Input.ACCEPTED_LAST: (_finish, State.IDLE),
            Input.REFUSED: (_pause_refused, State.PAUSED),
            Input.REFUSED_LAST: (_ignore, State.ENQUIRING),
            Input.INTERRUPT: (_ignore, State.ENQUIRING),
            Input.INTERRUPT_LAST: (_ignore, State.ENQUIRING),
            Input.ENQUIRY: (_yield, State.YIELDING),
            Input.ENQUIRY_YIELDING: (_insist, State.PAUSED),
            Input.OTHER: (_ignore, State.ENQUIRING),
            Input.PEER_CLOSED: (_ignore, State.ENQUIRING),
            Input.TIMEOUT: (_stop_unanswered, State.PAUSED),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.TRANSFERRING: {
            Input.START: (_ignore, State.TRANSFERRING),
            Input.ACCEPTED: (_send_next, State.TRANSFERRING),
            Input.ACCEPTED_LAST: (_finish, State.IDLE),
            Input.REFUSED: (_send, State.TRANSFERRING),
            Input.REFUSED_LAST: (_stop_not_accepted, State.PAUSED),
            Input.INTERRUPT: (_send_next_interrupted, State.FINISHING),
            Input.INTERRUPT_LAST: (_finish_on_interrupt, State.INTERRUPTED),
            Input.ENQUIRY: (_send, State.TRANSFERRING),
            Input.ENQUIRY_YIELDING: (_send, State.TRANSFERRING),
            Input.OTHER: (_send, State.TRANSFERRING),
            Input.PEER_CLOSED: (_ignore, State.TRANSFERRING),
            Input.TIMEOUT: (_stop_unanswered, State.PAUSED),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.FINISHING: {
            Input.START: (_ignore, State.FINISHING),
            Input.ACCEPTED: (_send_next, State.FINISHING),
            Input.ACCEPTED_LAST: (_finish_interrupted, State.INTERRUPTED),
            Input.REFUSED: (_send, State.FINISHING),
            Input.REFUSED_LAST: (_stop_not_accepted, State.PAUSED),
            Input.INTERRUPT: (_send_next, State.FINISHING),
            Input.INTERRUPT_LAST: (_finish_interrupted, State.INTERRUPTED),
            Input.ENQUIRY: (_send, State.FINISHING),
            Input.ENQUIRY_YIELDING: (_send, State.FINISHING),
            Input.OTHER: (_send, State.FINISHING),
            Input.PEER_CLOSED: (_ignore, State.FINISHING),
            Input.TIMEOUT: (_stop_unanswered, State.PAUSED),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.PAUSED: {
            Input.START: (_ignore, State.PAUSED),
            Input.ACCEPTED: (_ignore, State.PAUSED),
            Input.ACCEPTED_LAST: (_ignore, State.PAUSED),
            Input.REFUSED: (_ignore, State.PAUSED),
            Input.REFUSED_LAST: (_ignore, State.PAUSED),
            Input.INTERRUPT: (_ignore, State.PAUSED),
            Input.INTERRUPT_LAST: (_ignore, State.PAUSED),
            Input.ENQUIRY: (_ignore, State.PAUSED),
            Input.ENQUIRY_YIELDING: (_ignore, State.PAUSED),
            Input.OTHER: (_ignore, State.PAUSED),
            Input.PEER_CLOSED: (_ignore, State.PAUSED),
            Input.TIMEOUT: (_release, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.YIELDING: {
            Input.START: (_ignore, State.YIELDING),
            Input.ACCEPTED: (_ignore, State.YIELDING),
            Input.ACCEPTED_LAST: (_ignore, State.YIELDING),
            Input.REFUSED: (_ignore, State.YIELDING),
            Input.REFUSED_LAST: (_ignore, State.YIELDING),
            Input.INTERRUPT: (_ignore, State.YIELDING),
            Input.INTERRUPT_LAST: (_ignore, State.YIELDING),
            Input.ENQUIRY: (_ignore, State.YIELDING),
            Input.ENQUIRY_YIELDING: (_ignore, State.YIELDING),
            Input.OTHER: (_ignore, State.YIELDING),
            Input.PEER_CLOSED: (_release, State.IDLE),
            Input.TIMEOUT: (_release, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.INTERRUPTED: {
            Input.START: (_ignore, State.INTERRUPTED),
            Input.ACCEPTED: (_ignore, State.INTERRUPTED),
            Input.ACCEPTED_LAST: (_ignore, State.INTERRUPTED),
            Input.REFUSED: (_ignore, State.INTERRUPTED),
            Input.REFUSED_LAST: (_ignore, State.INTERRUPTED),
            Input.INTERRUPT: (_ignore, State.INTERRUPTED),
            Input.INTERRUPT_LAST: (_ignore, State.INTERRUPTED),
            Input.ENQUIRY: (_ignore, State.INTERRUPTED),
            Input.ENQUIRY_YIELDING: (_ignore, State.INTERRUPTED),
            Input.OTHER: (_ignore, State.INTERRUPTED),
            Input.PEER_CLOSED: (_release, State.IDLE),
            Input.TIMEOUT: (_release, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
    }
    """What the sender does and where it goes, for every input in every state."""
