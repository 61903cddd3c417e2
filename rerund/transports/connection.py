"""What transports open and links answer: one connection, and the endpoint that makes it."""

import asyncio
from collections.abc import Iterable
from typing import Literal, Protocol

from rerund.transports.counters import LinkCounters
from rerund.transports.url import LinkUrl

ConnectionPolicy = Literal["allow", "newest_wins", "refuse"]
"""What becomes of a second connection of the same instrument (seen: Maglumi opens fresh ones)."""


DRAIN_INTERVAL = 0.002
"""Seconds between two looks at what is still to be sent."""


class TransportError(Exception):
    """A line could not be opened as configured; tried again for ever."""


class Connection(asyncio.Protocol):
    """One open line, TCP or serial. `closed` is done once the line is gone.

    Make it inside a running event loop.
    """

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; serial transports are no `asyncio.Transport` by type only."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits on `closed`; why it was lost is of no consequence."""
        del exc
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    def line_error(self) -> None:
        """The UART met a parity or framing error, or a break, before the bytes that follow."""

    async def drained(self) -> None:
        """Wait until what was written has left: a serial port takes its time, 1 ms a byte."""
        while (transport := self._transport) is not None and not transport.is_closing():
            port = transport.get_extra_info("serial")
            if not transport.get_write_buffer_size() and (port is None or not port.out_waiting):
                return
            await asyncio.sleep(DRAIN_INTERVAL)

    def abort(self) -> None:
        """Drop the line now, unsent bytes too.

        A transport that is closing is left alone: pyserial-asyncio 0.6 fails with
        AttributeError when aborted while its connection_lost is on the way.
        """
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()


async def drop(connections: Iterable[Connection]) -> None:
    """Abort `connections` and wait until all are gone."""
    gone = []
    for connection in connections:
        connection.abort()
        gone.append(connection.closed)
    if gone:
        await asyncio.wait(gone)


class Endpoint(Protocol):
    """An instrument's link as transports see it: an address and a maker of connections."""

    @property
    def name(self) -> str:
        """The instrument's id, for logs."""

    @property
    def url(self) -> LinkUrl:
        """Where the instrument is reached."""

    @property
    def policy(self) -> ConnectionPolicy:
        """What becomes of a second connection."""

    @property
    def counters(self) -> LinkCounters:
        """Where to count."""

    def connect(self) -> Connection:
        """Return a new connection with a session of its own."""
