"""A link on real sockets with a real journal, and an instrument that follows a script."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from protocols.astm.control import ACK, ENQ
from protocols.astm.dialect import STANDARD
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.link import Dialect, Link
from rerund.order_desk import OrderDesk
from rerund.transports.connection import ConnectionPolicy
from rerund.transports.hub import Hub
from rerund.transports.url import parse_url


class Bench:
    """A journal and the links that write to it; `entries` reads it when all is over."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self._addresses: dict[str, tuple[str, int]] = {}
        self.received: list[bytes] = []

    async def __aenter__(self) -> "Bench":
        self.journal = Journal.open(self.path)
        self.journal.on_received = lambda entry: self.received.append(entry.text)
        self.journal.start(asyncio.get_running_loop())
        self._hubs: list[Hub] = []
        self._writers: list[asyncio.StreamWriter] = []
        return self

    async def __aexit__(self, *exc: object) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for hub in self._hubs:
            await hub.close()
        await self.journal.close()

    async def serve(
        self,
        name: str = "42",
        *,
        dialect: Dialect = STANDARD,
        policy: ConnectionPolicy = "allow",
        desk: OrderDesk | None = None,
    ) -> Link:
        """Return a link that listens; `call` reaches it by its name."""
        url = parse_url("listen://127.0.0.1:0")
        link = Link(name, url, dialect, self.journal, policy=policy, desk=desk)
        hub = self._open(link)
        await hub.bound()
        self._addresses[name] = hub.address(name)
        return link

    def open(self, url: str, *, dialect: Dialect = STANDARD) -> Link:
        """Return a link that connects out or uses a serial port."""
        link = Link("42", parse_url(url), dialect, self.journal)
        self._open(link)
        return link

    async def flush(self) -> None:
        """Wait until all that the journal was asked for is on disk."""
        done = asyncio.get_running_loop().create_future()
        # Not by `mark_payloads`, which is handed over at once and may overtake the others.
        self.journal.note_orders([], done.set_result)
        assert await done is None

    def read(self) -> JournalReader:
        """Return a reader of the journal."""
        return JournalReader(self.path)

    def port(self, link: Link) -> int:
        """Return the port where a link listens."""
        return self._addresses[link.name][1]

    def address(self, link: Link) -> str:
        """Return where a link listens, as host:port."""
        return "{}:{}".format(*self._addresses[link.name])

    async def call(self, link: Link) -> "Script":
        """Connect to a link as its instrument."""
        reader, writer = await asyncio.open_connection(*self._addresses[link.name])
        self._writers.append(writer)
        return Script(reader, writer)

    def entries(self, *states: str) -> list[tuple[str, bytes]]:
        """Return (state, text) of the entries, oldest first, of the given states or all."""
        with JournalReader(self.path) as reader:
            return [
                (entry.state, reader.text(entry.entry_id))
                for entry in reader.entries(ascending=True)
                if not states or entry.state in states
            ]

    def _open(self, link: Link) -> Hub:
        hub = Hub([link], random.Random(1), first_pause=0.001, longest_pause=0.002)
        hub.start()
        self._hubs.append(hub)
        return hub


class Script:
    """The instrument's end of a line: says what it is told to, and checks what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def hears(self, expected: bytes) -> None:
        """Wait for the next bytes, which must be those."""
        heard = await self._reader.readexactly(len(expected))
        assert heard == expected, f"expected {expected!r}, heard {heard!r}"

    async def hears_until(self, end: bytes) -> bytes:
        """Wait for the next bytes up to `end`; returns them."""
        return await self._reader.readuntil(end)

    async def sends(self, *frames: bytes) -> None:
        """Send ENQ and each frame, waiting for an ACK each time."""
        for data in (ENQ, *frames):
            self.say(data)
            await self.hears(ACK)

    async def hangs_up(self) -> bytes:
        """Close the line, and return what was still heard on it."""
        self.writer.write_eof()
        rest = await self._reader.read()
        self.writer.close()
        await self.writer.wait_closed()
        return rest


def on_hold(entry_id: int, reason: str) -> dict[str, object]:
    """The alert that an entry of instrument 42 waits for a person."""
    return {
        "event": "entry_on_hold",
        "log_level": "error",
        "alert": True,
        "reason": reason,
        "entry_id": entry_id,
        "instrument": "42",
    }


async def until(happened: Callable[[], object]) -> None:
    """Let the loop turn until `happened()`."""
    while not happened():
        await asyncio.sleep(0)


class SlowDisk:
    """Holds the journal's write lock from outside, so that no commit comes through."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)

    def stall(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def go_on(self) -> None:
        self._db.execute("ROLLBACK")
        self._db.close()


class FullDisk:
    """Gives SQLite no page more than the journal has, which it takes for a full disk."""

    def __init__(self, journal: Journal) -> None:
        self._db = journal._writer._db

    def fill(self) -> None:
        self._limit(self._db.execute("PRAGMA page_count").fetchone()[0])

    def free(self) -> None:
        self._limit(1_000_000)

    def _limit(self, pages: int) -> None:
        self._db.execute(f"PRAGMA max_page_count = {pages}")
