"""The simulated instrument on a real line: sends steps, waits for replies, tries again."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from protocols.astm.control import ENQ, EOT
from rerund.simulator import Playing, Reply, Step, corrupted, is_frame, reply_word, steps_of
from rerund.transports.connection import Connection, drop
from rerund.transports.dialer import dial
from rerund.transports.serial_port import open_serial
from rerund.transports.url import ConnectUrl, ListenUrl, SerialUrl, parse_url

Watcher = Callable[[Reply], None]


@dataclass(slots=True)
class Played:
    """What became of the files. `refused` are the steps that were never accepted."""

    replies: int = 0
    frames: int = 0
    refused: list[Reply] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether nothing was refused."""
        return not self.refused


class SimulatedInstrument(Connection):
    """A line with the instrument's end of the conversation.

    `watch` is told every reply as it comes.
    """

    def __init__(self, playing: Playing, watch: Watcher) -> None:
        super().__init__()
        self._playing = playing
        self._watch = watch
        self._rng = random.Random(playing.seed)
        self._heard = bytearray()
        self._news = asyncio.Event()
        self.connected = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to play."""
        super().connection_made(transport)
        self.connected.set()

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
        played = Played()
        at = 0
        while at < len(steps):
            group = self._group(steps, at)
            replies = await self._exchange(group, played, self._playing.corrupt)
            refused = [reply for reply in replies if not _is_accepted(reply)]
            if not refused or self._playing.raw:
                played.refused += refused
                at += len(group)
            else:
                # What followed the first refusal in one write was refused for its number.
                first = next(i for i, step in enumerate(group) if step is refused[0].step)
                at = await self._insist(steps, at + first, played)
        await self.drained()
        return played

    def _group(self, steps: Sequence[Step], at: int) -> Sequence[Step]:
        """Return the steps to put into one write: ENQ ends it, what is said again begins one."""
        end = at + 1
        while (
            end < len(steps)
            and end - at < self._playing.merge
            and steps[end - 1].data != ENQ
            and not steps[end].is_repeat
            and not (steps[end - 1].awaits_reply and steps[end].data == EOT)
        ):
            end += 1
        return steps[at:end]

    async def _insist(self, steps: Sequence[Step], at: int, played: Played) -> int:
        """Try the step at `at` again by itself; return where to go on.

        Six tries of a frame (LIS01-A2 6.5.1.2), then EOT and the next session; an ENQ is
        sent again after a pause (6.2.6).
        """
        step = steps[at]
        reply = None
        for _ in range(self._playing.frame_tries - 1):
            if step.data == ENQ:
                await asyncio.sleep(self._playing.busy_timeout)
            [reply] = await self._exchange([step], played, corrupt=0)
            if _is_accepted(reply):
                return at + 1
        assert reply is not None
        played.refused.append(reply)
        while at < len(steps) and steps[at].data != EOT:
            at += 1
        return at

    async def _exchange(self, group: Sequence[Step], played: Played, corrupt: float) -> list[Reply]:
        """Send the steps of one write and collect a reply for each that awaits one."""
        if self._transport is None:
            raise ConnectionResetError("the line was lost")
        del self._heard[:]
        sent_at = asyncio.get_running_loop().time()
        await self._send(b"".join(self._worsened(step, corrupt) for step in group))
        replies = []
        for step in group:
            if step.awaits_reply:
                replies.append(await self._reply(step, sent_at))
                played.frames += is_frame(step)
        played.replies += len(replies)
        return replies

    def _worsened(self, step: Step, corrupt: float) -> bytes:
        if is_frame(step) and not step.is_repeat and self._rng.random() < corrupt:
            return corrupted(step.data, self._rng)
        return step.data

    async def _send(self, data: bytes) -> None:
        assert self._transport is not None
        size = self._playing.read_size or len(data)
        for at in range(0, len(data), size):
            if at:
                await asyncio.sleep(self._playing.delay)
            self._transport.write(data[at : at + size])

    async def _reply(self, step: Step, sent_at: float) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._playing.reply_timeout):
                while not self._heard:
                    if self._transport is None:
                        raise ConnectionResetError(f"the line was lost after {step.label}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        heard = bytes(self._heard[:1])
        del self._heard[:1]
        reply = Reply(step, reply_word(heard), loop.time() - sent_at)
        self._watch(reply)
        return reply


async def simulate(
    to: str, files: Sequence[bytes], playing: Playing, watch: Watcher = lambda reply: None
) -> Played:
    """Play the contents of `files` to the host at `to`, a link address or host:port.

    Raises `ValueError` for a bad address, `OSError` or `TransportError` when the line can
    not be opened or is lost.
    """
    steps = steps_of(files, playing)
    async with opened(to, lambda: SimulatedInstrument(playing, watch)) as instrument:
        return await instrument.play(steps)


@asynccontextmanager
async def opened(
    to: str, connect: Callable[[], SimulatedInstrument]
) -> AsyncIterator[SimulatedInstrument]:
    """Open the line `to`, or wait for the host to call when it is a listen address."""
    url = parse_url(to if "://" in to else f"connect://{to}")
    made: list[SimulatedInstrument] = []

    def make() -> SimulatedInstrument:
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


async def _called(url: ListenUrl, make: Callable[[], SimulatedInstrument]) -> None:
    """Listen until the first caller has come."""
    loop = asyncio.get_running_loop()
    called = asyncio.Event()

    def answer() -> SimulatedInstrument:
        called.set()
        return make()

    server = await loop.create_server(answer, url.host, url.port)
    try:
        await called.wait()
    finally:
        server.close()


def _is_accepted(reply: Reply) -> bool:
    """ACK, or EOT as the reply to a frame: accepted, and the host wants the line (6.3.5)."""
    return reply.word == "ACK" or (reply.word == "EOT" and is_frame(reply.step))
