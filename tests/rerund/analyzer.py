"""Analyzers that talk both ways: they ask, take orders, and send results, each on one line."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any, Self

from protocols.astm.dialect import STANDARD
from protocols.astm.dialect import Dialect as AstmDialect
from protocols.astm.events import FrameReceived, MessageFailed, MessageSent, TransferEnded
from protocols.astm.message import Message, parse
from protocols.astm.session import Session as AstmSession
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect as Hl7Dialect
from protocols.hl7.events import AcknowledgmentReceived, MessageReceived
from protocols.hl7.message import Message as Hl7Message
from protocols.hl7.message import parse as parse_hl7
from protocols.hl7.mllp import encode
from protocols.hl7.session import Session as Hl7Session


class Analyzer:
    """One line to a daemon and the session at its other end."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._ids = count(1)
        self._sent: dict[str, asyncio.Future[str]] = {}
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._tasks: list[asyncio.Task[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def connect(self, port: int) -> Self:
        self.attach(*await asyncio.open_connection("127.0.0.1", port))
        return self

    def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use a line that is open."""
        self._reader, self._writer = reader, writer
        self._tasks = [self._loop.create_task(self._read())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def act(self) -> None:
        """Do what the session says, and look again when it wants to."""
        for event in self.session.events_received():
            self.happened(event)
        self._writer.write(self.session.data_to_send())
        if self._timer is not None:
            self._timer.cancel()
        if self.session.deadline is not None:
            self._timer = self._loop.call_at(self.session.deadline, self._time_out)

    def happened(self, event: object) -> None:
        raise NotImplementedError

    def _time_out(self) -> None:
        self.session.handle_timer(self._loop.time())
        self.act()

    async def _read(self) -> None:
        while data := await self._reader.read(4096):
            self.session.receive_data(data, self._loop.time())
            self.act()
            self.act()


class AstmAnalyzer(Analyzer):
    """Sends records and takes messages."""

    def __init__(self, dialect: AstmDialect = STANDARD) -> None:
        super().__init__(AstmSession(dialect))
        self._dialect = dialect
        self._text = b""
        self.messages: asyncio.Queue[Message | None] = asyncio.Queue()

    def happened(self, event: object) -> None:
        match event:
            case FrameReceived():
                self._text += event.text
                self.session.acknowledge(self._loop.time(), event.ticket)
            case TransferEnded():
                for message in parse(self._text, self._dialect) or [None]:
                    self.messages.put_nowait(message)
                self._text = b""
            case MessageSent() | MessageFailed():
                self._sent.pop(event.message_id).set_result(type(event).__name__)

    async def send(self, *records: str) -> None:
        """Send a message; it must be acknowledged."""
        message_id = f"{next(self._ids)}"
        sent = self._sent[message_id] = self._loop.create_future()
        text = "".join(f"{record}\r" for record in records).encode()
        self.session.send_message([text], self._loop.time(), message_id)
        self.act()
        assert await sent == "MessageSent"

    async def takes(self) -> list[list[str]]:
        """Wait for the next message; returns its records as fields, from O.1 at index 1."""
        message = await self.messages.get()
        return [] if message is None else [["", *record.fields] for record in message.records]

    async def takes_orders(self) -> list[tuple[str, list[str]]]:
        """Wait for the next message; returns sample and codes of each order in it."""
        return [
            (fields[3].strip("^ "), [test.strip("^") for test in fields[5].split("\\") if test])
            for fields in await self.takes()
            if fields[1] == "O"
        ]


class Hl7Analyzer(Analyzer):
    """Sends messages, takes replies and messages, and answers these as it is told."""

    def __init__(self, dialect: Hl7Dialect | None = None) -> None:
        ids = count(1)
        self._dialect = dialect or Hl7Dialect()
        super().__init__(
            Hl7Session(lambda: Stamp(f"A{next(ids)}", "20260102030405"), self._dialect)
        )
        self.messages: asyncio.Queue[Hl7Message] = asyncio.Queue()
        self.replies: asyncio.Queue[Hl7Message] = asyncio.Queue()
        self.answer: Any = lambda message: None

    def happened(self, event: object) -> None:
        match event:
            case MessageReceived():
                message = parse_hl7(event.content, self._dialect)
                answer = self.answer(message)
                self.session.acknowledge(self._loop.time(), event.ticket, answer)
                self.messages.put_nowait(message)
            case AcknowledgmentReceived():
                self.replies.put_nowait(parse_hl7(event.content, self._dialect))

    async def asks(self, content: str) -> Hl7Message:
        """Send a message; returns what it is answered."""
        self.session.send_message(content.encode(), self._loop.time(), f"{next(self._ids)}")
        self.act()
        return await self.replies.get()

    def says(self, content: str) -> None:
        """Send a message that no acknowledgment is awaited of."""
        self._writer.write(encode(content.encode()))

    async def takes(self) -> Hl7Message:
        """Wait for the next message that is no reply."""
        return await self.messages.get()


def codes_of(orders: Sequence[tuple[str, list[str]]]) -> list[str]:
    """Return every code of some orders."""
    return [code for _, codes in orders for code in codes]
