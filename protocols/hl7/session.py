"""One connection: a receiver and a sender on a full-duplex line, and the bytes between them.

Sans I/O: bytes and the monotonic time go in, bytes and events come out, and `deadline` says
when to call `handle_timer`. While a reply is owed the messages behind it wait, up to
`max_backlog`; acknowledgments of our own messages do not.
"""

from collections import deque
from collections.abc import Callable

from protocols.errors import LocalProtocolError, Reason
from protocols.events import BytesIgnored
from protocols.hl7.acknowledgment import Condition, Stamp, judge
from protocols.hl7.boundary import split_messages
from protocols.hl7.dialect import STANDARD, Dialect
from protocols.hl7.events import AcknowledgmentIgnored, AcknowledgmentReceived, Event
from protocols.hl7.header import BLANK, read_header
from protocols.hl7.mllp import ACK, FS, NAK, VT, Awaiting, Block, BlockParser, Fragment
from protocols.hl7.outbox import Outbox
from protocols.hl7.receiver import Arrival, Receiver
from protocols.hl7.receiver import State as Receiving
from protocols.hl7.sender import Outgoing, Sender
from protocols.hl7.sender import State as Sending
from protocols.stream import Stream


class Session:
    """The state of one connection from its opening to its loss.

    `stamp` gives the control id and the time of each acknowledgment that the session writes.
    """

    def __init__(self, stamp: Callable[[], Stamp], dialect: Dialect = STANDARD):
        self._dialect = dialect
        self._events: list[Event] = []
        self._output = bytearray()
        self._stream = Stream()
        self._sender = Sender(dialect, self._events, self._send)
        self._outbox = Outbox(dialect, self._events, self._output, self._sender.carried)
        self._receiver = Receiver(dialect, stamp, self._events, self._output, self._outbox)
        self._waiting: deque[Arrival] = deque()
        self._backlog = 0
        self._block_deadline: float | None = None
        self._new_parser()

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` wants to be called, in the clock of `now`; None for never."""
        deadlines = (
            self._receiver.deadline,
            self._sender.deadline,
            self._outbox.deadline,
            self._block_deadline,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is under way in either direction."""
        return (
            self._receiver.is_free
            and self._sender.state is Sending.IDLE
            and self._awaiting is Awaiting.BLOCK
            and self._outbox.deadline is None
            and not self._waiting
        )

    @property
    def is_congested(self) -> bool:
        """Whether nothing more is read until replies are given that are owed."""
        return self._backlog > self._dialect.max_backlog and not self._receiver.is_free

    def data_to_send(self) -> bytes:
        """Return the bytes to write, once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def events_received(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events = self._events.copy()
        self._events.clear()
        return events

    # From the line.

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the line, however they were cut."""
        self._stream.feed(data)
        self._advance(now)
        self._watch(now, alive=True)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line.

        Whole messages that waited are announced, because some instruments hang up at once.
        What was unfinished is dropped.
        """
        self._receiver.receive_eof(now)
        self._stream.pause()
        self._read(now)
        self._drop_unread(now)
        self._outbox.receive_eof(now)
        self._sender.receive_eof(now)
        self._output.clear()

    def line_error(self, now: float) -> None:
        """Take a parity or framing error reported by the UART, before the bytes around it."""
        if self._awaiting is Awaiting.BLOCK:
            self._events.append(BytesIgnored(b"", Reason.LINE_ERROR))
        else:
            self._parser.line_error()

    def handle_timer(self, now: float) -> None:
        """Act on every deadline that has passed."""
        if self._block_deadline is not None and self._block_deadline <= now:
            self._time_out_block(now)
        self._receiver.handle_timer(now)
        self._outbox.handle_timer(now)
        self._sender.handle_timer(now)
        self._advance(now)

    # From those who store messages.

    def acknowledge(
        self,
        now: float,
        ticket: int,
        answer: bytes | None = None,
        condition: Condition | None = None,
    ) -> None:
        """The message announced under `ticket` is stored: give the replies that it asks for.

        `answer` is the message that takes the place of the general acknowledgment (the response
        to a query); `condition` is why a message that is stored could not be used. Without
        effect when the reply is not awaited any more.
        """
        self._receiver.acknowledge(now, ticket, answer, condition)
        self._advance(now)

    def accept(self, now: float, ticket: int) -> None:
        """The message is stored, as above; `acknowledge` or `refuse` follows with its answer."""
        self._receiver.accept(now, ticket)
        self._advance(now)

    def refuse(self, now: float, ticket: int) -> None:
        """The message could not be stored, or an accepted one not be answered: tell the peer."""
        self._receiver.refuse(now, ticket)
        self._advance(now)

    def set_ready(self, ready: bool) -> None:
        """Say whether messages can be taken; otherwise they are answered as not stored."""
        self._receiver.ready = ready

    # From those who have something to send.

    def send_message(self, content: bytes, now: float, message_id: str) -> None:
        """Queue a message. MSH-10 must be its own; MSH-15 and MSH-16 say what is awaited."""
        if self._dialect.direction == "receive_only":
            raise LocalProtocolError("the link is configured to receive only")
        if self._receiver.state is Receiving.CLOSED:
            raise LocalProtocolError("the line is lost")
        header = read_header(content, self._dialect)
        if header is None or not header.control_id:
            raise LocalProtocolError("a message to send without control id")
        if VT in content or FS in content:
            raise LocalProtocolError("a block character in a message to send")
        self._sender.queue(Outgoing(message_id, content, header))
        self._advance(now)

    # In between.

    def _send(self, content: bytes, now: float) -> None:
        self._outbox.send(content, now, is_message=True)

    def _advance(self, now: float) -> None:
        """Go on as far as the bytes and the owed reply allow."""
        self._read(now)
        self._watch(now, alive=False)
        if self._receiver.state is not Receiving.CLOSED:
            self._sender.start(now)

    def _read(self, now: float) -> None:
        while True:
            if self._waiting and self._receiver.is_free:
                arrival = self._waiting.popleft()
                self._backlog -= len(arrival.raw)
                self._receiver.receive(arrival, now)
            elif self.is_congested or not self._read_token(now):
                return

    def _read_token(self, now: float) -> bool:
        """Take one token; false when it is not whole yet."""
        token = self._parser.next_token()
        if isinstance(token, Awaiting):
            self._awaiting = token
            return False
        self._awaiting = Awaiting.BLOCK
        self._block_deadline = None
        if isinstance(token, Fragment):
            self._events.append(BytesIgnored(token.raw, token.reason))
        else:
            self._take_block(token, now)
        return True

    def _take_block(self, block: Block, now: float) -> None:
        content = block.content
        if block.reason is not None:
            header = read_header(content, self._dialect)
            answered = None if header and header.acknowledges else header
            self._await_turn(Arrival(block.raw, content, header, answered, reason=block.reason))
        elif content in (ACK, NAK) and self._dialect.release == 2:
            self._outbox.receive_commit(content == ACK, now)
        elif content in (ACK, NAK) or not content.strip():
            self._events.append(BytesIgnored(block.raw, Reason.UNEXPECTED_BYTE))
        else:
            self._take_messages(block, now)

    def _take_messages(self, block: Block, now: float) -> None:
        """Take the messages of a block, of which there are several in a batch."""
        contents = split_messages(block.content)
        end = len(block.raw)
        start = 0
        for number, content in enumerate(contents, 1):
            is_last = number == len(contents)
            stop = end if is_last else start + len(content) + (number == 1)
            arrival = self._arrival(block.raw[start:stop], content, block.tolerated)
            arrival.ends_block = is_last
            start = stop
            self._take_message(arrival, now)

    def _arrival(self, raw: bytes, content: bytes, tolerated: tuple[str, ...]) -> Arrival:
        header = read_header(content, self._dialect)
        answered = header
        if header is None and b"MSA" not in content[:4096]:
            # Never in answer to what may be an acknowledgment itself: that would go on for ever.
            answered = BLANK
        condition = judge(header, self._dialect)
        return Arrival(raw, content, header, answered, condition, tolerated=tolerated)

    def _take_message(self, arrival: Arrival, now: float) -> None:
        header = arrival.header
        if header is None or header.acknowledges is None:
            self._await_turn(arrival)
            return
        message_id = self._sender.awaited(header.acknowledges.control_id)
        if message_id is not None:
            self._take_acknowledgment(arrival, message_id, header.acknowledges.code, now)
        elif header.code == "ACK":
            self._events.append(AcknowledgmentIgnored(arrival.raw))
        else:
            # A response that nobody waits for, or a message that refers to one (DSR^Q03).
            self._await_turn(arrival)
            return
        if self._dialect.release == 2 or header.accept_selector not in ("", "NE"):
            arrival.acknowledges = message_id or ""
            arrival.condition = None
            self._await_turn(arrival)

    def _take_acknowledgment(
        self, arrival: Arrival, message_id: str, code: str, now: float
    ) -> None:
        self._events.append(AcknowledgmentReceived(arrival.raw, arrival.content, message_id, code))
        if self._sender.state is Sending.SENDING:
            self._outbox.receive_acknowledgment(now)
        self._sender.receive_acknowledgment(code, now)

    def _await_turn(self, arrival: Arrival) -> None:
        self._waiting.append(arrival)
        self._backlog += len(arrival.raw)

    def _new_parser(self) -> None:
        self._parser = BlockParser(self._stream, self._dialect)
        self._awaiting = Awaiting.BLOCK
        self._block_deadline = None

    def _watch(self, now: float, *, alive: bool) -> None:
        """Set the deadline of a block that has begun; what arrives is a sign of life."""
        if self._awaiting is Awaiting.BLOCK or self.is_congested:
            self._block_deadline = None
        elif self._block_deadline is None or (alive and self._awaiting is not Awaiting.END):
            timeout = self._dialect.receive_timeout
            if self._awaiting is Awaiting.TRAILER and self._dialect.block_end == "tolerant":
                timeout = self._dialect.trailer_timeout
            self._block_deadline = now + timeout

    def _time_out_block(self, now: float) -> None:
        if self._awaiting is Awaiting.TRAILER and self._dialect.block_end == "tolerant":
            self._stream.pause()
            self._read(now)
        else:
            self._drop_unread(now)

    def _drop_unread(self, now: float) -> None:
        """Set aside what is left of a block that will not be finished."""
        was_overlong = self._awaiting is Awaiting.END
        unread = self._stream.take_all()
        self._new_parser()
        if unread or was_overlong:
            reason = Reason.MESSAGE_TOO_LONG if was_overlong else Reason.TRUNCATED_FRAME
            self._events.append(BytesIgnored(unread, reason))
