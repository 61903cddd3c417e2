"""The receiving half of a link: messages announced, and answered when they are stored.

One message at a time. Its reply is *owed*: the machine announces the message and holds;
`acknowledge`, `accept` or `refuse` comes from outside. Nothing else can answer AA or CA, or
commit in release 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import ClassVar

from protocols.errors import LocalProtocolError, Reason
from protocols.hl7.acknowledgment import Condition, Stamp, acknowledge, due
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import (
    BlockRejected,
    BlockTolerated,
    Event,
    MessageReceived,
    MessageRefused,
    ReplyTimedOut,
)
from protocols.hl7.header import BLANK, Header, identify
from protocols.hl7.mllp import ACK, NAK, encode
from protocols.hl7.outbox import Outbox


class State(IntEnum):
    """States of the receiver."""

    IDLE = auto()
    """No reply is owed."""
    COMMITTING = auto()
    """A message was announced and its reply is owed."""
    ANSWERING = auto()
    """The message is stored and accepted; the answer of the application is owed."""
    CLOSED = auto()
    """The line is lost. What came before is still announced, and not answered."""


class Input(IntEnum):
    """What can happen to the receiver."""

    MESSAGE = auto()
    MESSAGE_UNWANTED = auto()
    """A message while the session cannot take any."""
    BAD_BLOCK = auto()
    ACCEPTED = auto()
    """The announced message is stored; its answer follows."""
    ACKNOWLEDGED = auto()
    """The announced message is stored, and this is its answer if it has one of its own."""
    REFUSED = auto()
    """The announced message could not be stored, or not be answered."""
    TIMEOUT = auto()
    LINE_LOST = auto()


@dataclass(slots=True)
class Arrival:
    """A message, or a block that holds none, waiting for its turn.

    `answered` is the header that replies are made from; None when no HL7 reply is due.
    `acknowledges` is the message of ours that it answers: then MSH-15 alone counts.
    """

    raw: bytes
    content: bytes
    header: Header | None
    answered: Header | None
    condition: Condition | None = None
    reason: Reason | None = None
    tolerated: tuple[str, ...] = ()
    acknowledges: str | None = None
    ends_block: bool = True


Action = Callable[["Receiver", float], None]


class Receiver:
    """The receiver of one connection. Appends to the events and the output it is given."""

    def __init__(
        self,
        dialect: Dialect,
        stamp: Callable[[], Stamp],
        events: list[Event],
        output: bytearray,
        outbox: Outbox,
    ):
        self._dialect = dialect
        self._stamp = stamp
        self._events = events
        self._output = output
        self._outbox = outbox
        self.state = State.IDLE
        self.deadline: float | None = None
        self.ready = True
        self._ticket = 0
        self._block_failed = False
        self._answer: bytes | None = None
        self._condition: Condition | None = None

    @property
    def is_free(self) -> bool:
        """Whether the next message can be taken."""
        return self.state is State.IDLE or self.state is State.CLOSED

    # What happens, sorted into inputs.

    def receive(self, arrival: Arrival, now: float) -> None:
        """Take a message, or a bad block."""
        self._arrival = arrival
        if arrival.reason is not None:
            self._step(Input.BAD_BLOCK, now)
        else:
            self._step(Input.MESSAGE if self.ready else Input.MESSAGE_UNWANTED, now)

    def accept(self, now: float, ticket: int) -> None:
        """The message is stored and its answer follows. A late call has no effect."""
        if self._is_owed(ticket):
            self._step(Input.ACKNOWLEDGED if self._arrival.condition else Input.ACCEPTED, now)

    def acknowledge(
        self, now: float, ticket: int, answer: bytes | None, condition: Condition | None
    ) -> None:
        """The message is stored. A late call has no effect."""
        if self._is_owed(ticket):
            self._answer, self._condition = answer, condition
            self._step(Input.ACKNOWLEDGED, now)

    def refuse(self, now: float, ticket: int) -> None:
        """The message is not stored, or has no answer. A late call has no effect."""
        if self._is_owed(ticket):
            self._step(Input.REFUSED, now)

    def handle_timer(self, now: float) -> None:
        """Act on the deadline if it has passed."""
        if self.deadline is not None and self.deadline <= now:
            self._step(Input.TIMEOUT, now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""
        self._step(Input.LINE_LOST, now)

    def _is_owed(self, ticket: int) -> bool:
        return not self.is_free and self._ticket == ticket

    def _step(self, event: Input, now: float) -> None:
        action, self.state = self.transitions[self.state][event]
        action(self, now)

    # Actions. None of them asks for the state.

    def _ignore(self, now: float) -> None:
        """Do nothing."""

    def _never(self, now: float) -> None:
        """Fail: nothing is taken while a reply is owed."""
        raise LocalProtocolError("the receiver was given what it cannot take in this state")

    def _announce(self, now: float) -> None:
        """Announce the message; its reply is owed."""
        self._tell()
        self.deadline = now + self._dialect.commit_timeout

    def _announce_unanswered(self, now: float) -> None:
        """Announce the message: nobody is there to hear a reply."""
        self._tell()

    def _tell(self) -> None:
        arrival = self._arrival
        self._ticket += 1
        self._answer = self._condition = None
        if arrival.tolerated:
            self._events.append(BlockTolerated(arrival.tolerated))
        self._events.append(
            MessageReceived(
                arrival.raw,
                arrival.content,
                arrival.header,
                identify(arrival.header, arrival.content),
                arrival.condition,
                arrival.acknowledges,
                self._ticket,
            )
        )

    def _refuse_unwanted(self, now: float) -> None:
        """Answer that the message is not stored: the session is not ready."""
        self._events.append(MessageRefused(self._arrival.raw))
        self._deny(now)

    def _reject(self, now: float) -> None:
        """Answer that the block is not stored."""
        self._report(now)
        self._deny(now)

    def _report(self, now: float) -> None:
        """Tell of the block: nobody is there to hear a reply."""
        assert self._arrival.reason is not None
        self._events.append(BlockRejected(self._arrival.raw, self._arrival.reason))

    def _accept(self, now: float) -> None:
        """Answer that the message is stored (ACK block, CA) and wait for its answer."""
        self._commit(True)
        self._send(due(self._required(), self._dialect).accept, now, None)
        self.deadline = now + self._dialect.answer_timeout

    def _acknowledge(self, now: float) -> None:
        """Answer that the message is stored (ACK block, CA) and how it was taken (AA)."""
        self.deadline = None
        self._commit(True)
        self._reply(now, with_accept=True)

    def _answer_accepted(self, now: float) -> None:
        """Answer how the accepted message was taken (AA)."""
        self.deadline = None
        self._reply(now, with_accept=False)

    def _decline(self, now: float) -> None:
        """Answer that the message is not stored (NAK block, CE, AE)."""
        self.deadline = None
        self._deny(now)

    def _give_up(self, now: float) -> None:
        """Answer that the message is not stored, rather than nothing; a later commit is silent."""
        self._events.append(ReplyTimedOut(self._ticket, stored=False))
        self._decline(now)

    def _fail_answer(self, now: float) -> None:
        """Answer that the accepted message could not be used (AE)."""
        self._condition = Condition.INTERNAL
        self._answer_accepted(now)

    def _give_up_answer(self, now: float) -> None:
        """Answer that the accepted message could not be used in time (AE)."""
        self._events.append(ReplyTimedOut(self._ticket, stored=True))
        self._fail_answer(now)

    def _close(self, now: float) -> None:
        """Answer nothing any more."""
        self.deadline = None

    # Replies.

    def _required(self) -> Header:
        return self._arrival.answered or BLANK

    def _reply(self, now: float, *, with_accept: bool) -> None:
        arrival = self._arrival
        codes = due(
            self._required(), self._dialect, accept=arrival.condition, application=self._condition
        )
        if with_accept:
            self._send(codes.accept, now, arrival.condition)
        if arrival.acknowledges is not None:
            return
        failure = arrival.condition or self._condition
        if self._answer is not None and failure is None:
            self._outbox.send(self._answer, now)
        else:
            self._send(codes.application, now, failure)

    def _deny(self, now: float) -> None:
        self._commit(False)
        if self._dialect.release == 2:
            return
        codes = due(self._required(), self._dialect, accept=Condition.INTERNAL)
        self._send(codes.accept, now, Condition.INTERNAL)
        if self._arrival.acknowledges is None:
            self._send(codes.application, now, Condition.INTERNAL)

    def _send(self, code: str, now: float, condition: Condition | None) -> None:
        header = self._arrival.answered
        if code and header is not None:
            content = acknowledge(header, code, self._stamp(), self._dialect, condition)
            self._outbox.send(content, now)

    def _commit(self, stored: bool) -> None:
        """Write the commit block of release 2, once for all messages of a block."""
        self._block_failed |= not stored
        if self._arrival.ends_block:
            if self._dialect.release == 2:
                self._output += encode(NAK if self._block_failed else ACK)
            self._block_failed = False

    transitions: ClassVar[dict[State, dict[Input, tuple[Action, State]]]] = {
        State.IDLE: {
            Input.MESSAGE: (_announce, State.COMMITTING),
            Input.MESSAGE_UNWANTED: (_refuse_unwanted, State.IDLE),
            Input.BAD_BLOCK: (_reject, State.IDLE),
            Input.ACCEPTED: (_ignore, State.IDLE),
            Input.ACKNOWLEDGED: (_ignore, State.IDLE),
            Input.REFUSED: (_ignore, State.IDLE),
            Input.TIMEOUT: (_ignore, State.IDLE),
            Input.LINE_LOST: (_close, State.CLOSED),
        },
        State.COMMITTING: {
            Input.MESSAGE: (_never, State.COMMITTING),
            Input.MESSAGE_UNWANTED: (_never, State.COMMITTING),
            Input.BAD_BLOCK: (_never, State.COMMITTING),
            Input.ACCEPTED: (_accept, State.ANSWERING),
            Input.ACKNOWLEDGED: (_acknowledge, State.IDLE),
            Input.REFUSED: (_decline, State.IDLE),
            Input.TIMEOUT: (_give_up, State.IDLE),
            Input.LINE_LOST: (_close, State.CLOSED),
        },
        State.ANSWERING: {
            Input.MESSAGE: (_never, State.ANSWERING),
            Input.MESSAGE_UNWANTED: (_never, State.ANSWERING),
            Input.BAD_BLOCK: (_never, State.ANSWERING),
            Input.ACCEPTED: (_ignore, State.ANSWERING),
            Input.ACKNOWLEDGED: (_answer_accepted, State.IDLE),
            Input.REFUSED: (_fail_answer, State.IDLE),
            Input.TIMEOUT: (_give_up_answer, State.IDLE),
            Input.LINE_LOST: (_close, State.CLOSED),
        },
        State.CLOSED: {
            Input.MESSAGE: (_announce_unanswered, State.CLOSED),
            Input.MESSAGE_UNWANTED: (_announce_unanswered, State.CLOSED),
            Input.BAD_BLOCK: (_report, State.CLOSED),
            Input.ACCEPTED: (_ignore, State.CLOSED),
            Input.ACKNOWLEDGED: (_ignore, State.CLOSED),
            Input.REFUSED: (_ignore, State.CLOSED),
            Input.TIMEOUT: (_ignore, State.CLOSED),
            Input.LINE_LOST: (_ignore, State.CLOSED),
        },
    }
    """What the receiver does and where it goes, for every input in every state."""
