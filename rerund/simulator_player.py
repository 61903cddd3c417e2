"""The instrument's end of a real line: opened, written to, listened to."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rerund.simulator import Playing, Reply, Step
from rerund.transports.connection import Connection, drop
from rerund.transports.dialer import dial
from rerund.transports.serial_port import open_serial
from rerund.transports.url import ConnectUrl, ListenUrl, SerialUrl, parse_url

Watcher = Callable[[Reply], None]


@dataclass(slots=True)
class Played:
    """What became of the files. `refused` are the steps that were never accepted.

    `frames` counts what was sent of `what`.
    """

    replies: int = 0
    frames: int = 0
    refused: list[Reply] = field(default_factory=list)
    what: str = "frames"

    @property
    def accepted(self) -> bool:
        """Whether nothing was refused."""
        return not self.refused


class InstrumentEnd(Connection):
    """An instrument's end of a line. `connected` is set once it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        super().connection_made(transport)
        self.connected.set()


class Player(InstrumentEnd):
    """A line with an instrument's end of a conversation. `watch` is told every reply."""

    def __init__(self, playing: Playing, watch: Watcher) -> None:
        super().__init__()
        self._playing = playing
        self._watch = watch
        self._rng = random.Random(playing.seed)
        self._heard = bytearray()
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Keep replies until somebody waits for them."""
        self._heard += data
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake up whoever waits for a reply that will not come."""
        super().connection_lost(exc)
        self._news.set()

    async def play(self, steps: Sequence[Step]) -> Played:
        """Send `steps` and return what became of them. Raises `ConnectionError` on line loss."""
        raise NotImplementedError

    async def _send(self, data: bytes) -> None:
        """Write bytes as `read_size` and `delay` say. The line may be lost between two writes."""
        size = self._playing.read_size or len(data)
        for at in range(0, len(data), size):
            if at:
                await asyncio.sleep(self._playing.delay)
            if self._transport is None:
                raise ConnectionResetError("line lost")
            self._transport.write(data[at : at + size])

    async def _hear(self, take: Callable[[bytearray], bytes], step: Step) -> bytes:
        """Return what `take` removes from what was heard; nothing when it does not come in time."""
        try:
            async with asyncio.timeout(self._playing.reply_timeout):
                while not (found := take(self._heard)):
                    if self._transport is None:
                        raise ConnectionResetError(f"line lost after {step.label}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return b""
        return found


P = TypeVar("P", bound=InstrumentEnd)


@asynccontextmanager
async def opened(to: str, connect: Callable[[], P]) -> AsyncIterator[P]:
    """Open the line `to`, or wait for the host to call when it is a listen address."""
    url = parse_url(to if "://" in to else f"connect://{to}")
    made: list[P] = []

    def make() -> P:
        made.append(connect())
        return made[-1]

    match url:
        case ConnectUrl():
            await dial(url, make)
        case SerialUrl():
            await open_serial(url, make)
        case ListenUrl():
            await _called(url, make)
    try:
        await made[0].connected.wait()
        yield made[0]
    finally:
        await drop(made)


async def _called(url: ListenUrl, make: Callable[[], InstrumentEnd]) -> None:
    """Listen until the first caller has come."""
    loop = asyncio.get_running_loop()
    called = asyncio.Event()

    def answer() -> InstrumentEnd:
        called.set()
        return make()

    server = await loop.create_server(answer, url.host, url.port)
    try:
        await called.wait()
    finally:
        server.close()
