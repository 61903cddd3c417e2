"""The receiving half of a link: establishment, transfer and termination (LIS01-A2 6.2 to 6.5).

The machine announces a good frame and holds; whoever stored it answers through `acknowledge`
or `refuse`. While that reply is owed nothing more is read, apart from what shows that the
sender has given up.

One table, in the order of the standard. Inputs are what has been decided about the line, so
that no action asks for the state it is in.
"""

from collections.abc import Callable
from enum import IntEnum, auto
from typing import ClassVar

from protocols.astm.boundary import Position, place
from protocols.astm.control import ACK, EOT, NAK
from protocols.astm.dialect import Dialect
from protocols.astm.events import (
    BytesIgnored,
    Cause,
    CommitTimedOut,
    EnquiryRefused,
    Event,
    FrameReceived,
    FrameRejected,
    FrameRepeated,
    FrameTolerated,
    TransferEnded,
    TransferStarted,
)
from protocols.astm.frame import Frame
from protocols.errors import LocalProtocolError, Reason


class State(IntEnum):
    """States of the receiver."""

    NEUTRAL = auto()
    """No transfer phase (6.2.5)."""
    WAITING = auto()
    """Transfer phase: the next frame or EOT is due (6.5.2.4)."""
    COMMITTING = auto()
    """A frame was announced and its reply is owed (6.5.2.5)."""
    OVERDUE = auto()
    """A frame was announced, answered with NAK for want of a commit, and may yet be stored."""


class Input(IntEnum):
    """What can happen to the receiver."""

    ENQUIRY = auto()
    ENQUIRY_UNWANTED = auto()
    """ENQ while the session cannot take messages."""
    NEXT_FRAME = auto()
    REPEATED_FRAME = auto()
    """The last stored frame, again."""
    DIFFERING_FRAME = auto()
    """Another text under the number of the last stored frame."""
    PENDING_FRAME = auto()
    """The frame whose commit is in flight, again."""
    BAD_FRAME = auto()
    START_OF_TEXT = auto()
    """STX that stands alone, in simplified framing."""
    NOISE = auto()
    END_OF_TRANSMISSION = auto()
    ACKNOWLEDGED = auto()
    """The announced frame is stored."""
    REFUSED = auto()
    """The announced frame could not be stored."""
    TIMEOUT = auto()
    LINE_LOST = auto()


Action = Callable[["Receiver", float], None]


class Receiver:
    """The receiver of one link. Appends to the events and the output it is given."""

    def __init__(self, dialect: Dialect, events: list[Event], output: bytearray):
        self._dialect = dialect
        self._events = events
        self._output = output
        self.state = State.NEUTRAL
        self.deadline: float | None = None
        self.ready = True
        self.interrupt_requested = False
        self.announced_at = 0.0
        self._ticket = 0
        self._reset()

    def _reset(self) -> None:
        self._stored: Frame | None = None
        self._position = Position()
        self._pending: Frame | None = None
        self._pending_position = self._position
        self._stored_next: Frame | None = None
        # The last frame that came was answered with NAK: EOT after it means that it was given up.
        self._declined = False

    # What happens, sorted into inputs.

    def receive_enquiry(self, now: float) -> None:
        """Take an ENQ."""
        willing = self.ready and self._dialect.direction != "send_only"
        self._step(Input.ENQUIRY if willing else Input.ENQUIRY_UNWANTED, now)

    def receive_frame(self, frame: Frame, now: float) -> None:
        """Take a frame, good or bad."""
        self._frame = frame
        self._step(self._sort(frame), now)

    def receive_start(self, now: float) -> None:
        """Take an STX that is acknowledged by itself (simplified framing)."""
        self._step(Input.START_OF_TEXT, now)

    def receive_noise(self, raw: bytes, reason: Reason, now: float) -> None:
        """Take bytes that are no frame."""
        self._noise = BytesIgnored(raw, reason)
        self._step(Input.NOISE, now)

    def receive_eot(self, now: float) -> None:
        """Take an EOT."""
        self._step(Input.END_OF_TRANSMISSION, now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""
        self._step(Input.LINE_LOST, now)

    def acknowledge(self, now: float, ticket: int) -> None:
        """The frame announced under `ticket` is stored. A late call has no effect."""
        if self._pending is not None and self._ticket == ticket:
            self._step(Input.ACKNOWLEDGED, now)

    def refuse(self, now: float, ticket: int) -> None:
        """The frame announced under `ticket` was not stored. A late call has no effect."""
        if self._pending is not None and self._ticket == ticket:
            self._step(Input.REFUSED, now)

    def time_out(self, now: float) -> None:
        """Take the passing of the deadline."""
        self._step(Input.TIMEOUT, now)

    def expect_more(self, now: float) -> None:
        """Push the deadline back: a frame is still coming in, or was answered."""
        self.deadline = now + self._dialect.receive_timeout

    def _sort(self, frame: Frame) -> Input:
        """Compare a frame with the last *stored* one (6.5.1.1), or with the one in flight."""
        if frame.reason is not None:
            return Input.BAD_FRAME
        if self._pending is not None:
            same = frame.number == self._pending.number and frame.text == self._pending.text
            return Input.PENDING_FRAME if same else self._bad(Reason.BAD_FRAME_NUMBER)
        stored = self._stored
        if self._dialect.framing == "simplified":
            return self._next_frame(frame)
        if stored is None:
            in_order = frame.number == 1 or self._dialect.first_frame_number_any
        elif frame.number == stored.number:
            same = frame.text == stored.text and frame.is_end == stored.is_end
            return Input.REPEATED_FRAME if same else Input.DIFFERING_FRAME
        else:
            in_order = frame.number == (stored.number + 1) & 7
        return self._next_frame(frame) if in_order else self._bad(Reason.BAD_FRAME_NUMBER)

    def _next_frame(self, frame: Frame) -> Input:
        position = place(self._position, frame.text, frame.is_end)
        if (
            position.size > self._dialect.max_message
            or position.records > self._dialect.max_records
        ):
            return self._bad(Reason.MESSAGE_TOO_LONG)
        self._pending_position = position
        return Input.NEXT_FRAME

    def _bad(self, reason: Reason) -> Input:
        self._frame.reason = reason
        return Input.BAD_FRAME

    def _step(self, event: Input, now: float) -> None:
        action, self.state = self.transitions[self.state][event]
        action(self, now)

    # Actions. None of them asks for the state.

    def _ignore(self, now: float) -> None:
        """Do nothing."""

    def _never(self, now: float) -> None:
        """Fail: nothing is read while a reply is owed, and none is in flight otherwise."""
        raise LocalProtocolError("the receiver was given what it cannot take in this state")

    def _report(self, now: float) -> None:
        """Count the bytes, answer nothing."""
        self._events.append(self._noise)

    def _refuse_enquiry(self, now: float) -> None:
        """Answer NAK (6.2.6, 6.2.7)."""
        self._output += NAK
        self._events.append(EnquiryRefused())

    def _start(self, now: float) -> None:
        """Answer ACK and expect frame 1 (6.2.5)."""
        self._reset()
        self.interrupt_requested = False
        self._events.append(TransferStarted())
        self._output += ACK
        self.expect_more(now)

    def _restart(self, now: float) -> None:
        """Drop the unfinished message, answer ACK and expect frame 1."""
        self._end(Cause.RESTART)
        self._start(now)

    def _restart_refused(self, now: float) -> None:
        """Drop the unfinished message and answer NAK."""
        self._end(Cause.RESTART)
        self._refuse_enquiry(now)

    def _announce(self, now: float) -> None:
        """Announce the frame; its reply is owed."""
        frame, position = self._frame, self._pending_position
        self._pending = self._stored_next = frame
        self._ticket += 1
        if frame.tolerated:
            self._events.append(FrameTolerated(frame.number, frame.tolerated))
        self._events.append(
            FrameReceived(
                frame.raw,
                frame.number,
                frame.text,
                frame.is_end,
                position.starts,
                position.completes,
                self._ticket,
            )
        )
        self._owe(now)

    def _announce_repeat(self, now: float) -> None:
        """Announce what came in place of the last frame, which stays; its reply is owed."""
        frame = self._frame
        self._pending, self._stored_next = frame, self._stored
        self._pending_position = self._position
        self._ticket += 1
        self._events.append(FrameRepeated(frame.raw, frame.number, True, self._ticket))
        self._owe(now)

    def _owe(self, now: float) -> None:
        """Wait for the commit that is in flight."""
        self._declined = False
        self.announced_at = now
        self.deadline = now + self._dialect.commit_timeout

    def _store(self, now: float) -> None:
        """Count the frame as stored; its sender has been told otherwise and will repeat it."""
        self._stored = self._stored_next
        self._position = self._pending_position
        self._pending = None
        self.expect_more(now)

    def _accept(self, now: float) -> None:
        """Count the frame as stored and answer ACK, or EOT to ask for the line (6.3.5)."""
        self._store(now)
        self._output += EOT if self.interrupt_requested else ACK

    def _forget(self, now: float) -> None:
        """Forget the frame: it is not stored, and its sender has been told so."""
        self._pending = None

    def _decline(self, now: float) -> None:
        """Forget the frame and answer NAK."""
        self._pending = None
        self._declined = True
        self._output += NAK
        self.expect_more(now)

    def _overdue(self, now: float) -> None:
        """Answer NAK rather than nothing (6.5.2.5)."""
        assert self._pending is not None
        self._declined = True
        self._events.append(CommitTimedOut(self._pending.number))
        self._output += NAK
        self.expect_more(now)

    def _accept_again(self, now: float) -> None:
        """Answer ACK again and store nothing: our reply was lost (6.5.1.1)."""
        self._declined = False
        self._events.append(FrameRepeated(self._frame.raw, self._frame.number, False))
        self._output += EOT if self.interrupt_requested else ACK
        self.expect_more(now)

    def _reject(self, now: float) -> None:
        """Answer NAK; what is expected does not change (6.5.1.1)."""
        frame = self._frame
        assert frame.reason is not None
        self._declined = True
        self._events.append(FrameRejected(frame.raw, frame.number, frame.reason))
        self._output += NAK
        self.expect_more(now)

    def _greet(self, now: float) -> None:
        """Answer ACK to the STX of simplified framing."""
        self._output += ACK
        self.expect_more(now)

    def _end_by_eot(self, now: float) -> None:
        """Return to neutral without a reply (6.4.1)."""
        # Simplified framing has one, but none that could be taken for a frame not yet stored.
        if self._dialect.framing == "simplified" and self._pending is None:
            self._output += ACK
        self._end(Cause.EOT)

    def _end_by_timeout(self, now: float) -> None:
        """Drop the unfinished message and return to neutral (6.5.2.4)."""
        self._end(Cause.TIMEOUT)

    def _end_by_eof(self, now: float) -> None:
        """Drop the unfinished message: the line is gone."""
        self._end(Cause.EOF)

    def _end(self, cause: Cause) -> None:
        pending = self._pending
        position = self._position if pending is None else self._pending_position
        frame = pending or self._stored
        was_end = frame is not None and frame.is_end and not self._declined
        self._events.append(TransferEnded(cause, position.is_open, was_end))
        self._reset()
        self.deadline = None

    transitions: ClassVar[dict[State, dict[Input, tuple[Action, State]]]] = {
        State.NEUTRAL: {
            Input.ENQUIRY: (_start, State.WAITING),
            Input.ENQUIRY_UNWANTED: (_refuse_enquiry, State.NEUTRAL),
            Input.NEXT_FRAME: (_never, State.NEUTRAL),
            Input.REPEATED_FRAME: (_never, State.NEUTRAL),
            Input.DIFFERING_FRAME: (_never, State.NEUTRAL),
            Input.PENDING_FRAME: (_never, State.NEUTRAL),
            Input.BAD_FRAME: (_never, State.NEUTRAL),
            Input.START_OF_TEXT: (_never, State.NEUTRAL),
            Input.NOISE: (_report, State.NEUTRAL),
            Input.END_OF_TRANSMISSION: (_ignore, State.NEUTRAL),
            Input.ACKNOWLEDGED: (_ignore, State.NEUTRAL),
            Input.REFUSED: (_ignore, State.NEUTRAL),
            Input.TIMEOUT: (_ignore, State.NEUTRAL),
            Input.LINE_LOST: (_ignore, State.NEUTRAL),
        },
        State.WAITING: {
            Input.ENQUIRY: (_restart, State.WAITING),
            Input.ENQUIRY_UNWANTED: (_restart_refused, State.NEUTRAL),
            Input.NEXT_FRAME: (_announce, State.COMMITTING),
            Input.REPEATED_FRAME: (_accept_again, State.WAITING),
            Input.DIFFERING_FRAME: (_announce_repeat, State.COMMITTING),
            Input.PENDING_FRAME: (_never, State.WAITING),
            Input.BAD_FRAME: (_reject, State.WAITING),
            Input.START_OF_TEXT: (_greet, State.WAITING),
            Input.NOISE: (_report, State.WAITING),
            Input.END_OF_TRANSMISSION: (_end_by_eot, State.NEUTRAL),
            Input.ACKNOWLEDGED: (_ignore, State.WAITING),
            Input.REFUSED: (_ignore, State.WAITING),
            Input.TIMEOUT: (_end_by_timeout, State.NEUTRAL),
            Input.LINE_LOST: (_end_by_eof, State.NEUTRAL),
        },
        State.COMMITTING: {
            Input.ENQUIRY: (_restart, State.WAITING),
            Input.ENQUIRY_UNWANTED: (_restart_refused, State.NEUTRAL),
            Input.NEXT_FRAME: (_never, State.COMMITTING),
            Input.REPEATED_FRAME: (_never, State.COMMITTING),
            Input.DIFFERING_FRAME: (_never, State.COMMITTING),
            Input.PENDING_FRAME: (_never, State.COMMITTING),
            Input.BAD_FRAME: (_never, State.COMMITTING),
            Input.START_OF_TEXT: (_never, State.COMMITTING),
            Input.NOISE: (_report, State.COMMITTING),
            Input.END_OF_TRANSMISSION: (_end_by_eot, State.NEUTRAL),
            Input.ACKNOWLEDGED: (_accept, State.WAITING),
            Input.REFUSED: (_decline, State.WAITING),
            Input.TIMEOUT: (_overdue, State.OVERDUE),
            Input.LINE_LOST: (_end_by_eof, State.NEUTRAL),
        },
        State.OVERDUE: {
            Input.ENQUIRY: (_restart, State.WAITING),
            Input.ENQUIRY_UNWANTED: (_restart_refused, State.NEUTRAL),
            Input.NEXT_FRAME: (_never, State.OVERDUE),
            Input.REPEATED_FRAME: (_never, State.OVERDUE),
            Input.DIFFERING_FRAME: (_never, State.OVERDUE),
            Input.PENDING_FRAME: (_owe, State.COMMITTING),
            Input.BAD_FRAME: (_reject, State.OVERDUE),
            Input.START_OF_TEXT: (_greet, State.OVERDUE),
            Input.NOISE: (_report, State.OVERDUE),
            Input.END_OF_TRANSMISSION: (_end_by_eot, State.NEUTRAL),
            Input.ACKNOWLEDGED: (_store, State.WAITING),
            Input.REFUSED: (_forget, State.WAITING),
            Input.TIMEOUT: (_end_by_timeout, State.NEUTRAL),
            Input.LINE_LOST: (_end_by_eof, State.NEUTRAL),
        },
    }
    """What the receiver does and where it goes, for every input in every state."""
