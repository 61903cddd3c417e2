"""A connection that remembers what it heard, and lines to hear it on."""

import asyncio
import os
import random
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rerund.transports.connection import Connection, ConnectionPolicy
from rerund.transports.counters import LinkCounters
from rerund.transports.hub import Hub
from rerund.transports.url import LinkUrl, parse_url


class Heard(Connection):
    """Remembers bytes and line errors; `until` waits for them."""

    def __init__(self, endpoint: "Instrument") -> None:
        super().__init__()
        self.endpoint = endpoint
        self.data = b""
        self.line_errors = 0
        self.losses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = transport
        self.endpoint.counters.connections += 1
        self.endpoint.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.losses += 1
        self.endpoint.counters.connections -= 1
        self.endpoint.changed.set()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.endpoint.counters.bytes_in += len(data)
        self.endpoint.changed.set()

    def line_error(self) -> None:
        self.line_errors += 1
        self.endpoint.changed.set()


class Instrument:
    """An endpoint whose connections only remember."""

    def __init__(self, name: str, url: LinkUrl, policy: ConnectionPolicy = "allow") -> None:
        self.name = name
        self.url = url
        self.policy: ConnectionPolicy = policy
        self.counters = LinkCounters()
        self.made: list[Heard] = []
        self.changed = asyncio.Event()

    def connect(self) -> Heard:
        self.made.append(Heard(self))
        return self.made[-1]

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until `happened()` is true, looking again after each change."""
        while not happened():
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture
def instrument() -> Callable[..., Instrument]:
    def make(url: str, *, name: str = "42", policy: ConnectionPolicy = "allow") -> Instrument:
        return Instrument(name, parse_url(url), policy)

    return make


@pytest.fixture
def serve() -> Callable[..., object]:
    """`async with serve(instrument, …) as hub`: their lines open, pauses of a millisecond."""

    @asynccontextmanager
    async def run(*instruments: Instrument, bound: bool = True) -> AsyncIterator[Hub]:
        hub = Hub(instruments, random.Random(1), first_pause=0.001, longest_pause=0.002)
        hub.start()
        try:
            if bound:
                await hub.bound()
            yield hub
        finally:
            await hub.close()

    return run


class PseudoTerminal:
    """A serial line made of a pty; `path` stays the same over unplug and replug."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path.symlink_to(os.ttyname(slave))
        os.set_blocking(self.master, False)
        os.close(slave)

    def unplug(self) -> None:
        os.close(self.master)
        self.master = -1
        self.path.unlink()

    async def read(self, size: int) -> bytes:
        """Read exactly `size` bytes that were written to the port."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        data = b""
        loop.add_reader(self.master, ready.set)
        try:
            while len(data) < size:
                await ready.wait()
                ready.clear()
                data += os.read(self.master, size - len(data))
        finally:
            loop.remove_reader(self.master)
        return data


@pytest.fixture
def serial_line(tmp_path: Path):
    line = PseudoTerminal(tmp_path / "analyzer")
    line.plug()
    yield line
    if line.master >= 0:
        line.unplug()
