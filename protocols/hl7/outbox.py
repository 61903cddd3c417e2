"""Blocks on their way out. In release 2 one at a time, each until the peer has committed it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import ClassVar

from protocols.hl7.dialect import Dialect
from protocols.hl7.events import Event, ReplyNotCommitted
from protocols.hl7.mllp import encode


class State(IntEnum):
    """States of the outbox."""

    FREE = auto()
    """Nothing is on its way."""
    COMMIT_DUE = auto()
    """A block was sent, and the peer's ACK or NAK block is due."""


class Input(IntEnum):
    """What can happen to the outbox."""

    QUEUED = auto()
    COMMITTED = auto()
    """The peer's ACK block."""
    NOT_COMMITTED = auto()
    """Its NAK block, or none in time."""
    NOT_COMMITTED_LAST = auto()
    """The same after the last try."""
    LINE_LOST = auto()


@dataclass(slots=True)
class Parcel:
    """A block waiting to be sent; `is_message` when it is a message of ours, not a reply."""

    block: bytes
    is_message: bool
    tries: int = 0


Action = Callable[["Outbox", float], None]


class Outbox:
    """The way out of one connection. Tells the sender, by `report`, how its message fared."""

    def __init__(
        self,
        dialect: Dialect,
        events: list[Event],
        output: bytearray,
        report: Callable[[bool, float], None],
    ):
        self._dialect = dialect
        self._events = events
        self._output = output
        self._report = report
        self._queue: deque[Parcel] = deque()
        self.state = State.FREE
        self.deadline: float | None = None

    def send(self, content: bytes, now: float, *, is_message: bool = False) -> None:
        """Send `content` in a block, after those before it."""
        block = encode(content)
        if self._dialect.release == 1:
            self._output += block
            if is_message:
                self._report(True, now)
            return
        self._queue.append(Parcel(block, is_message))
        self._step(Input.QUEUED, now)

    def receive_commit(self, committed: bool, now: float) -> None:
        """Take the peer's commit block."""
        self._step(Input.COMMITTED if committed else self._failed(), now)

    def receive_acknowledgment(self, now: float) -> None:
        """Take an acknowledgment of the message on its way as the commit block that it implies."""
        if self._queue and self._queue[0].is_message:
            self._step(Input.COMMITTED, now)

    def handle_timer(self, now: float) -> None:
        """Act on the deadline if it has passed."""
        if self.deadline is not None and self.deadline <= now:
            self._step(self._failed(), now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""
        self._step(Input.LINE_LOST, now)

    def _failed(self) -> Input:
        is_last = bool(self._queue) and self._queue[0].tries >= self._dialect.block_tries
        return Input.NOT_COMMITTED_LAST if is_last else Input.NOT_COMMITTED

    def _step(self, event: Input, now: float) -> None:
        action, self.state = self.transitions[self.state][event]
        action(self, now)

    # Actions. None of them asks for the state.

    def _ignore(self, now: float) -> None:
        """Do nothing."""

    def _send(self, now: float) -> None:
        """Send the first block that waits, for the first time or again."""
        parcel = self._queue[0]
        parcel.tries += 1
        self._output += parcel.block
        self.deadline = now + self._dialect.commit_reply_timeout

    def _confirm(self, now: float) -> None:
        """The block has arrived: go on with the next."""
        self._finish(True, now)

    def _give_up(self, now: float) -> None:
        """The block will not be taken: go on with the next."""
        self._finish(False, now)

    def _finish(self, carried: bool, now: float) -> None:
        parcel = self._queue.popleft()
        self.deadline = None
        if parcel.is_message:
            self._report(carried, now)
        elif not carried:
            self._events.append(ReplyNotCommitted())
        if self._queue:
            self._step(Input.QUEUED, now)

    def _clear(self, now: float) -> None:
        """Forget everything: who queued a message is told of the line."""
        self._queue.clear()
        self.deadline = None

    transitions: ClassVar[dict[State, dict[Input, tuple[Action, State]]]] = {
        State.FREE: {
            Input.QUEUED: (_send, State.COMMIT_DUE),
            Input.COMMITTED: (_ignore, State.FREE),
            Input.NOT_COMMITTED: (_ignore, State.FREE),
            Input.NOT_COMMITTED_LAST: (_ignore, State.FREE),
            Input.LINE_LOST: (_clear, State.FREE),
        },
        State.COMMIT_DUE: {
            Input.QUEUED: (_ignore, State.COMMIT_DUE),
            Input.COMMITTED: (_confirm, State.FREE),
            Input.NOT_COMMITTED: (_send, State.COMMIT_DUE),
            Input.NOT_COMMITTED_LAST: (_give_up, State.FREE),
            Input.LINE_LOST: (_clear, State.FREE),
        },
    }
    """What the outbox does and where it goes, for every input in every state."""
