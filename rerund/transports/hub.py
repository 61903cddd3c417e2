"""All lines of a daemon: opened, kept open, suspended one by one, and closed together."""

import asyncio
import random
from collections.abc import Sequence

from rerund.transports.backoff import Backoff, Opener, keep_open
from rerund.transports.connection import Connection, Endpoint, drop
from rerund.transports.counters import LinkCounters
from rerund.transports.dialer import dial
from rerund.transports.listener import Listener
from rerund.transports.serial_port import open_serial
from rerund.transports.url import ConnectUrl, ListenUrl, SerialUrl


class Hub:
    """Opens the lines of `endpoints` and keeps each open for ever, apart from the others.

    `rng` shakes the pauses between attempts, which grow from `first_pause` to
    `longest_pause` seconds.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        rng: random.Random,
        *,
        first_pause: float = 0.5,
        longest_pause: float = 30.0,
    ) -> None:
        self._endpoints = endpoints
        self._rng = rng
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._listeners: dict[str, Listener] = {}
        self._openers: dict[str, tuple[Opener, LinkCounters]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._dialled: dict[str, Connection] = {}

    def start(self) -> None:
        """Begin to open every line; a line that fails is tried again and stops nobody."""
        shared: dict[tuple[str, int], list[Endpoint]] = {}
        for endpoint in self._endpoints:
            match endpoint.url:
                case ListenUrl(host, port) if port:
                    shared.setdefault((host, port), []).append(endpoint)
                case ListenUrl(host, port):
                    self._listen(host, port, [endpoint])
                case ConnectUrl() | SerialUrl():
                    opener = _Dialled(endpoint, self._dialled)
                    self._openers[endpoint.name] = opener, endpoint.counters
        for (host, port), endpoints in shared.items():
            self._listen(host, port, endpoints)
        for name in self._openers:
            self._keep_open(name)

    async def bound(self, *names: str) -> None:
        """Wait until the listening links `names`, or all of them, have their addresses."""
        for name in names or self._listeners:
            await self._listeners[name].bound.wait()

    def address(self, name: str) -> tuple[str, int]:
        """Return the host and port that the listening link `name` is bound to."""
        return self._listeners[name].address

    async def suspend(self, name: str) -> None:
        """Close the line of one endpoint until `resume`.

        An address that it shares with others stays open and refuses its instrument.
        """
        listener = self._listeners.get(name)
        if listener is not None and listener.is_shared:
            await listener.bar(name)
            return
        await self._stop(listener.name if listener else name)
        if listener is not None:
            await listener.close()
        elif name in self._dialled:
            await drop([self._dialled[name]])

    def resume(self, name: str) -> None:
        """Open the line of an endpoint again that was suspended; nothing to do for others."""
        listener = self._listeners.get(name)
        line = listener.name if listener else name
        if listener is not None and listener.is_shared:
            listener.admit_again(name)
        elif line not in self._tasks:
            self._keep_open(line)

    async def close(self) -> None:
        """Drop every connection and stop listening and dialling."""
        await self._stop(*self._tasks)
        for listener in set(self._listeners.values()):
            await listener.close()
        await drop(list(self._dialled.values()))

    def _listen(self, host: str, port: int, endpoints: Sequence[Endpoint]) -> None:
        listener = Listener(host, port, endpoints)
        for endpoint in endpoints:
            self._listeners[endpoint.name] = listener
        self._openers[listener.name] = listener.open, endpoints[0].counters

    def _keep_open(self, name: str) -> None:
        opener, counters = self._openers[name]
        backoff = Backoff(self._rng, first=self._first_pause, cap=self._longest_pause)
        self._tasks[name] = asyncio.create_task(keep_open(name, opener, backoff, counters))

    async def _stop(self, *names: str) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Dialled:
    """Opens one outgoing or serial line and remembers what is open, for closing."""

    def __init__(self, endpoint: Endpoint, opened: dict[str, Connection]) -> None:
        self._endpoint = endpoint
        self._opened = opened

    async def __call__(self) -> asyncio.Future[None]:
        connection = await self._open()
        name = self._endpoint.name
        self._opened[name] = connection
        connection.closed.add_done_callback(lambda _: self._opened.pop(name))
        return connection.closed

    async def _open(self) -> Connection:
        url = self._endpoint.url
        if isinstance(url, SerialUrl):
            return await open_serial(url, self._endpoint.connect)
        assert isinstance(url, ConnectUrl)
        return await dial(url, self._endpoint.connect)
