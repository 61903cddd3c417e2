"""One link: a receiver and a sender on a half-duplex line, and the bytes between them.

Sans I/O: bytes and the monotonic time go in, bytes and events come out, and `deadline` says
when to call `handle_timer`. While a reply is owed nothing more is read; what arrives is kept.
"""

from collections.abc import Sequence

from protocols.astm.control import ENQ, EOT, RESTRICTED
from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.events import Event
from protocols.astm.frame import Frame, e1381_frames
from protocols.astm.parser import Awaiting, Fragment, FrameParser
from protocols.astm.receiver import Receiver
from protocols.astm.receiver import State as Receiving
from protocols.astm.sender import Message, Sender
from protocols.astm.simplified import SimplifiedParser, simplified_frames
from protocols.errors import LocalProtocolError, Reason
from protocols.stream import Stream

_PARSERS = {"e1381": FrameParser, "simplified": SimplifiedParser}


class Session:
    """The state of one link from its opening to the loss of the line."""

    def __init__(self, dialect: Dialect = STANDARD):
        self._dialect = dialect
        self._events: list[Event] = []
        self._output = bytearray()
        self._stream = Stream()
        self._receiver = Receiver(dialect, self._events, self._output)
        self._sender = Sender(dialect, self._events, self._output)
        self._trailer_deadline: float | None = None
        self._new_parser()

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` wants to be called, in the clock of `now`; None for never."""
        deadlines = (self._receiver.deadline, self._sender.deadline, self._trailer_deadline)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def is_neutral(self) -> bool:
        """Whether neither side holds the line."""
        return self._receiver.state is Receiving.NEUTRAL and not self._sender.owns_line

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
        if self._receiver.state is Receiving.COMMITTING and self._gave_up(data, now):
            self._stream.feed(data)
            self._control(self._stream.take(1), now)
        else:
            self._stream.feed(data)
        self._advance(now)
        if self._awaiting is Awaiting.TEXT or self._awaiting is Awaiting.TRAILER:
            self._receiver.expect_more(now)
            self._await_trailer(now)

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line: what was unfinished is dropped on both sides."""
        self._take_held_eot(now)
        self._drop_unread(now)
        self._receiver.receive_eof(now)
        self._sender.receive_eof(now)

    def line_error(self, now: float) -> None:
        """Take a parity or framing error reported by the UART, before the bytes around it."""
        if self._awaiting is Awaiting.FRAME:
            self._receiver.receive_noise(b"", Reason.LINE_ERROR, now)
        else:
            self._parser.line_error()

    def handle_timer(self, now: float) -> None:
        """Act on every deadline that has passed."""
        if self._trailer_deadline is not None and self._trailer_deadline <= now:
            self._stream.pause()
            self._read(now)
        self._time_out_receiver(now)
        self._sender.handle_timer(now)
        self._advance(now)

    # From those who store frames.

    def acknowledge(self, now: float, ticket: int) -> None:
        """The frame announced under `ticket` is stored: answer ACK, if that is still awaited."""
        self._receiver.acknowledge(now, ticket)
        self._advance(now)

    def refuse(self, now: float, ticket: int) -> None:
        """The frame announced under `ticket` could not be stored: answer NAK, as above."""
        self._receiver.refuse(now, ticket)
        self._advance(now)

    def set_ready(self, ready: bool) -> None:
        """Say whether messages can be taken: ENQ is answered with ACK, or with NAK (6.2.6)."""
        self._receiver.ready = ready

    # From those who have something to send.

    def send_message(self, texts: Sequence[bytes], now: float, message_id: str) -> None:
        """Queue a message of one end frame per text, more where a text is too long for one.

        Without a text the session is opened and closed again, with nothing between: some
        instruments are told so that there is no order (Siemens Immulite 2000).
        """
        if self._dialect.direction == "receive_only":
            raise LocalProtocolError("the link is configured to receive only")
        if any(len(text.translate(None, RESTRICTED)) != len(text) for text in texts):
            raise LocalProtocolError("a restricted character in a message to send")
        if self._dialect.framing == "simplified":
            frames = simplified_frames(texts)
        else:
            frames = e1381_frames(texts, self._dialect.max_text)
        self._sender.queue(Message(message_id, frames))
        self._advance(now)

    def request_interrupt(self) -> None:
        """Ask for the line: the frames to come are accepted with EOT in place of ACK (6.3.5)."""
        if not self._dialect.receiver_interrupt:
            raise LocalProtocolError("the link does not allow a receiver interrupt")
        self._receiver.interrupt_requested = True

    # In between.

    def _advance(self, now: float) -> None:
        """Read as far as the bytes, the owed reply and the half-duplex line allow."""
        stream, receiver = self._stream, self._receiver
        while stream.buffer:
            if self._sender.owns_line:
                self._take_reply(now)
            elif receiver.state is Receiving.NEUTRAL:
                self._listen(now)
            elif receiver.state is Receiving.COMMITTING or not self._read(now):
                break
        if receiver.state is Receiving.NEUTRAL:
            self._sender.start(now)

    def _take_reply(self, now: float) -> None:
        written = len(self._output)
        self._sender.receive_reply(self._stream.take(1), now)
        if len(self._output) > written and self._sender.owns_line:
            # What came before a frame went out is no reply to it.
            self._stream.take_all()

    def _listen(self, now: float) -> None:
        """Look for an ENQ while neutral: everything else is ignored, and EOT means nothing."""
        stream = self._stream
        enquiry = stream.buffer.find(ENQ)
        noise = stream.take(enquiry) if enquiry >= 0 else stream.take_all()
        noise = noise.replace(EOT, b"")
        if noise:
            self._receiver.receive_noise(noise, Reason.UNEXPECTED_BYTE, now)
        if enquiry >= 0:
            self._control(stream.take(1), now)

    def _read(self, now: float) -> bool:
        """Take one token of the transfer phase; false when it is not whole yet."""
        token = self._parser.next_token()
        if isinstance(token, Frame):
            self._awaiting = Awaiting.FRAME
            self._trailer_deadline = None
            self._receiver.receive_frame(token, now)
        elif isinstance(token, Awaiting):
            self._awaiting = token
            if self._trailer_deadline is None:
                self._await_trailer(now)
            return False
        elif isinstance(token, Fragment):
            self._awaiting = Awaiting.FRAME
            self._receiver.receive_noise(token.raw, token.reason, now)
        else:
            self._control(token, now)
        return True

    def _control(self, byte: bytes, now: float) -> None:
        """Take a control character that begins or ends something."""
        if byte == ENQ:
            self._receiver.receive_enquiry(now)
            self._new_parser()
        elif byte == EOT:
            self._receiver.receive_eot(now)
            self._sender.peer_closed(now)
        else:
            self._receiver.receive_start(now)

    def _new_parser(self) -> None:
        self._parser = _PARSERS[self._dialect.framing](self._stream, self._dialect)
        self._awaiting = Awaiting.FRAME
        self._trailer_deadline = None

    def _await_trailer(self, now: float) -> None:
        timeout = self._dialect.trailer_timeout
        if self._awaiting is Awaiting.TRAILER and timeout is not None:
            self._trailer_deadline = now + timeout

    def _time_out_receiver(self, now: float) -> None:
        receiver = self._receiver
        if receiver.deadline is None or receiver.deadline > now:
            return
        if receiver.state is Receiving.COMMITTING:
            if not self._take_held_eot(now):
                receiver.time_out(now)
        else:
            self._drop_unread(now)
            receiver.time_out(now)
            self._sender.peer_closed(now)

    def _take_held_eot(self, now: float) -> bool:
        """End the transfer whose EOT has come while a reply was owed: nobody waits for it."""
        if not self._stream.buffer.startswith(EOT):
            return False
        self._control(self._stream.take(1), now)
        return True

    def _drop_unread(self, now: float) -> None:
        """Set aside what is left of a frame that will not be finished."""
        unread = self._stream.take_all()
        self._new_parser()
        if unread:
            self._receiver.receive_noise(unread, Reason.TRUNCATED_FRAME, now)

    def _gave_up(self, data: bytes, now: float) -> bool:
        """Whether the sender, a reply being owed, has stopped waiting for it."""
        waited = now - self._receiver.announced_at
        return (
            not self._stream.buffer
            and data[:1] in (EOT, ENQ)
            and waited >= self._dialect.pipelining_window
        )
