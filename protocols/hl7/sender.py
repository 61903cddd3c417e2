"""The sending half of a link: one message of ours at a time, until it is acknowledged.

A message that got no acknowledgment, or an error, is sent again under the same control id;
after `message_tries` it is given back as failed. A rejected one is given back at once.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import ClassVar

from protocols.hl7.dialect import Dialect
from protocols.hl7.events import Event, Failure, MessageFailed, MessageSent
from protocols.hl7.header import Header


class State(IntEnum):
    """States of the sender."""

    IDLE = auto()
    """No message waits for anything."""
    SENDING = auto()
    """The message is on its way (release 2: not committed by the peer yet)."""
    WAITING = auto()
    """The message was sent and its acknowledgment is due."""
    ACCEPTED = auto()
    """CA came, and the acknowledgment of the application is due."""
    PAUSED = auto()
    """A message may be sent again when the time has passed."""


class Input(IntEnum):
    """What can happen to the sender."""

    START = auto()
    """A message waits."""
    CARRIED = auto()
    """The block has left, or arrived (release 2), and an acknowledgment is due."""
    CARRIED_LAST = auto()
    """The same, and no acknowledgment is due."""
    NOT_CARRIED = auto()
    """The peer has not committed the block (release 2)."""
    ACCEPT = auto()
    """CA, and another acknowledgment is due."""
    POSITIVE = auto()
    """AA, or CA when nothing else is due."""
    ERROR = auto()
    """AE or CE."""
    ERROR_LAST = auto()
    """The same after the last try."""
    REJECT = auto()
    """AR or CR."""
    TIMEOUT = auto()
    TIMEOUT_LAST = auto()
    """The same after the last try."""
    SILENCE = auto()
    """The same, when silence means success (ER)."""
    LINE_LOST = auto()


@dataclass(slots=True)
class Outgoing:
    """A message waiting to be sent or acknowledged."""

    message_id: str
    content: bytes
    header: Header
    tries: int = 0

    @property
    def is_acknowledged(self) -> bool:
        """Whether it asks for any acknowledgment."""
        return not self.header.is_enhanced or not self._selectors <= {"", "NE"}

    @property
    def is_quiet(self) -> bool:
        """Whether it asks for acknowledgments on error only."""
        return self.header.is_enhanced and self._selectors <= {"", "NE", "ER"}

    @property
    def is_answered_twice(self) -> bool:
        """Whether CA is not the last acknowledgment."""
        return self.header.application_selector in ("AL", "SU")

    @property
    def _selectors(self) -> set[str]:
        return {self.header.accept_selector, self.header.application_selector}


Action = Callable[["Sender", float], None]
Send = Callable[[bytes, float], None]


class Sender:
    """The sender of one connection. Gives its messages to `send` and tells what became of them."""

    def __init__(self, dialect: Dialect, events: list[Event], send: Send):
        self._dialect = dialect
        self._events = events
        self._send_content = send
        self._queue: deque[Outgoing] = deque()
        self.state = State.IDLE
        self.deadline: float | None = None

    # What happens, sorted into inputs.

    def queue(self, message: Outgoing) -> None:
        """Put a message at the end of the queue."""
        self._queue.append(message)

    def start(self, now: float) -> None:
        """Send the next message if nothing else is under way."""
        while self._queue and self.state is State.IDLE:
            self._step(Input.START, now)

    def carried(self, carried: bool, now: float) -> None:
        """Take the news of the message that was given to `send`."""
        if not carried:
            self._step(Input.NOT_CARRIED, now)
        else:
            is_due = self._queue[0].is_acknowledged
            self._step(Input.CARRIED if is_due else Input.CARRIED_LAST, now)

    def awaited(self, control_id: str) -> str | None:
        """Return the message that an acknowledgment of `control_id` answers, if any does."""
        if not self._queue or not self._queue[0].tries:
            return None
        head = self._queue[0]
        return head.message_id if head.header.control_id == control_id else None

    def receive_acknowledgment(self, code: str, now: float) -> None:
        """Take the acknowledgment of the first message; a code of no table is an error."""
        if code == "CA":
            twice = self._queue[0].is_answered_twice
            self._step(Input.ACCEPT if twice else Input.POSITIVE, now)
        elif code == "AA":
            self._step(Input.POSITIVE, now)
        elif code in ("AR", "CR"):
            self._step(Input.REJECT, now)
        else:
            self._step(self._or_last(Input.ERROR, Input.ERROR_LAST), now)

    def handle_timer(self, now: float) -> None:
        """Act on the deadline if it has passed."""
        if self.deadline is None or self.deadline > now:
            return
        if self._queue and self._queue[0].is_quiet:
            self._step(Input.SILENCE, now)
        else:
            self._step(self._or_last(Input.TIMEOUT, Input.TIMEOUT_LAST), now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""
        self._step(Input.LINE_LOST, now)

    def _or_last(self, event: Input, last: Input) -> Input:
        is_last = bool(self._queue) and self._queue[0].tries >= self._dialect.message_tries
        return last if is_last else event

    def _step(self, event: Input, now: float) -> None:
        action, self.state = self.transitions[self.state][event]
        action(self, now)

    # Actions. None of them asks for the state.

    def _ignore(self, now: float) -> None:
        """Do nothing."""

    def _send(self, now: float) -> None:
        """Send the message, for the first time or again under the same control id."""
        message = self._queue[0]
        message.tries += 1
        self.deadline = None
        self._send_content(message.content, now)

    def _await(self, now: float) -> None:
        """Wait for an acknowledgment."""
        self.deadline = now + self._dialect.reply_timeout

    def _finish(self, now: float) -> None:
        """The message has been taken."""
        self._events.append(MessageSent(self._queue.popleft().message_id))
        self.deadline = None

    def _pause(self, now: float) -> None:
        """Wait before the message is sent again."""
        self.deadline = now + self._dialect.busy_timeout

    def _reject(self, now: float) -> None:
        """Give the message back: it will not be taken."""
        self._give_back(Failure.REJECTED)
        self.deadline = None

    def _fail(self, now: float) -> None:
        """Give the message back: it was answered with an error as often as it was tried."""
        self._give_back(Failure.ERROR)
        self._pause(now)

    def _fail_unanswered(self, now: float) -> None:
        """Give the message back: nobody has answered."""
        self._give_back(Failure.NO_REPLY)
        self._pause(now)

    def _fail_accepted(self, now: float) -> None:
        """Give the message back: it was accepted, and sending it again could double it."""
        self._give_back(Failure.NO_ANSWER)
        self.deadline = None

    def _fail_accepted_error(self, now: float) -> None:
        """Give the message back: it was accepted, and then answered with an error."""
        self._give_back(Failure.ERROR)
        self.deadline = None

    def _release(self, now: float) -> None:
        """The next message may be sent."""
        self.deadline = None

    def _fail_all(self, now: float) -> None:
        """Give every message back."""
        while self._queue:
            self._give_back(Failure.LINE_LOST)
        self.deadline = None

    def _give_back(self, failure: Failure) -> None:
        self._events.append(MessageFailed(self._queue.popleft().message_id, failure))

    transitions: ClassVar[dict[State, dict[Input, tuple[Action, State]]]] = {
        State.IDLE: {
            Input.START: (_send, State.SENDING),
            Input.CARRIED: (_ignore, State.IDLE),
            Input.CARRIED_LAST: (_ignore, State.IDLE),
            Input.NOT_CARRIED: (_ignore, State.IDLE),
            Input.ACCEPT: (_ignore, State.IDLE),
            Input.POSITIVE: (_ignore, State.IDLE),
            Input.ERROR: (_ignore, State.IDLE),
            Input.ERROR_LAST: (_ignore, State.IDLE),
            Input.REJECT: (_ignore, State.IDLE),
            Input.TIMEOUT: (_ignore, State.IDLE),
            Input.TIMEOUT_LAST: (_ignore, State.IDLE),
            Input.SILENCE: (_ignore, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.SENDING: {
            Input.START: (_ignore, State.SENDING),
            Input.CARRIED: (_await, State.WAITING),
            Input.CARRIED_LAST: (_finish, State.IDLE),
            Input.NOT_CARRIED: (_fail_unanswered, State.PAUSED),
            Input.ACCEPT: (_ignore, State.SENDING),
            Input.POSITIVE: (_ignore, State.SENDING),
            Input.ERROR: (_ignore, State.SENDING),
            Input.ERROR_LAST: (_ignore, State.SENDING),
            Input.REJECT: (_ignore, State.SENDING),
            Input.TIMEOUT: (_ignore, State.SENDING),
            Input.TIMEOUT_LAST: (_ignore, State.SENDING),
            Input.SILENCE: (_ignore, State.SENDING),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.WAITING: {
            Input.START: (_ignore, State.WAITING),
            Input.CARRIED: (_ignore, State.WAITING),
            Input.CARRIED_LAST: (_ignore, State.WAITING),
            Input.NOT_CARRIED: (_ignore, State.WAITING),
            Input.ACCEPT: (_await, State.ACCEPTED),
            Input.POSITIVE: (_finish, State.IDLE),
            Input.ERROR: (_pause, State.PAUSED),
            Input.ERROR_LAST: (_fail, State.PAUSED),
            Input.REJECT: (_reject, State.IDLE),
            Input.TIMEOUT: (_send, State.SENDING),
            Input.TIMEOUT_LAST: (_fail_unanswered, State.PAUSED),
            Input.SILENCE: (_finish, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.ACCEPTED: {
            Input.START: (_ignore, State.ACCEPTED),
            Input.CARRIED: (_ignore, State.ACCEPTED),
            Input.CARRIED_LAST: (_ignore, State.ACCEPTED),
            Input.NOT_CARRIED: (_ignore, State.ACCEPTED),
            Input.ACCEPT: (_ignore, State.ACCEPTED),
            Input.POSITIVE: (_finish, State.IDLE),
            Input.ERROR: (_fail_accepted_error, State.IDLE),
            Input.ERROR_LAST: (_fail_accepted_error, State.IDLE),
            Input.REJECT: (_reject, State.IDLE),
            Input.TIMEOUT: (_fail_accepted, State.IDLE),
            Input.TIMEOUT_LAST: (_fail_accepted, State.IDLE),
            Input.SILENCE: (_finish, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
        State.PAUSED: {
            Input.START: (_ignore, State.PAUSED),
            Input.CARRIED: (_ignore, State.PAUSED),
            Input.CARRIED_LAST: (_ignore, State.PAUSED),
            Input.NOT_CARRIED: (_ignore, State.PAUSED),
            Input.ACCEPT: (_await, State.ACCEPTED),
            Input.POSITIVE: (_finish, State.IDLE),
            Input.ERROR: (_ignore, State.PAUSED),
            Input.ERROR_LAST: (_ignore, State.PAUSED),
            Input.REJECT: (_reject, State.IDLE),
            Input.TIMEOUT: (_release, State.IDLE),
            Input.TIMEOUT_LAST: (_release, State.IDLE),
            Input.SILENCE: (_release, State.IDLE),
            Input.LINE_LOST: (_fail_all, State.IDLE),
        },
    }
    """What the sender does and where it goes, for every input in every state."""
