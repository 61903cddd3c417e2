"""TCP listening: one address, one or several instruments told apart by where they come from."""

import asyncio
import socket
from collections.abc import Sequence

import structlog

from rerund.transports.connection import Connection, Endpoint, drop
from rerund.transports.url import ListenUrl, normal_address

log = structlog.get_logger(__name__)

KEEPALIVE_IDLE = 60
"""Seconds of silence before the kernel asks whether the peer is still there."""
KEEPALIVE_INTERVAL = 15
KEEPALIVE_PROBES = 4


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel find a dead peer; an idle line is never closed by us."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


class Listener:
    """One listening address and the endpoints behind it, which all have `ListenUrl`s.

    A connection from an address that no endpoint names is refused, unless the only
    endpoint names none.
    """

    def __init__(self, host: str, port: int, endpoints: Sequence[Endpoint]) -> None:
        self._host = host
        self._port = port
        self._endpoints = endpoints
        self._by_peer = {
            peer: endpoint
            for endpoint in endpoints
            if isinstance(endpoint.url, ListenUrl)
            for peer in endpoint.url.peers
        }
        self._open: dict[str, list[Connection]] = {endpoint.name: [] for endpoint in endpoints}
        self._barred: set[str] = set()
        self._server: asyncio.Server | None = None
        self.bound = asyncio.Event()

    @property
    def name(self) -> str:
        """What its line is called in logs: the address, and whose it is when no port is named."""
        return f"{self._host}:{self._port or self._endpoints[0].name}"

    @property
    def is_shared(self) -> bool:
        """Whether several instruments call at this address."""
        return len(self._endpoints) > 1

    @property
    def address(self) -> tuple[str, int]:
        """The host and port in use; the port is the real one when 0 was asked for.

        Raises `RuntimeError` while the address is not bound.
        """
        if self._server is None:
            raise RuntimeError(f"{self._host}:{self._port} is not bound")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def open(self) -> asyncio.Future[None]:
        """Bind the address; the future returned is never done. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Door(self), self._host, self._port)
        for endpoint in self._endpoints:
            endpoint.counters.listening = True
        self.bound.set()
        return loop.create_future()

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.bound.clear()
        for endpoint in self._endpoints:
            endpoint.counters.listening = False
        await drop([connection for opened in self._open.values() for connection in opened])

    async def bar(self, name: str) -> None:
        """Drop the connections of one endpoint and refuse its callers, the others go on."""
        self._barred.add(name)
        await drop(list(self._open[name]))

    def admit_again(self, name: str) -> None:
        """Take the callers of an endpoint again that was barred."""
        self._barred.discard(name)

    def admit(self, transport: asyncio.Transport) -> Connection | None:
        """Return the connection for a caller, or None when it is not welcome."""
        peer = normal_address(transport.get_extra_info("peername")[0])
        endpoint = self._endpoint_of(peer)
        if endpoint is None:
            for known in self._endpoints:
                known.counters.refused += 1
            log.warning("peer_unknown", peer=peer, port=self._port)
            return None
        if endpoint.name in self._barred:
            endpoint.counters.refused += 1
            log.info("connection_barred", link=endpoint.name, peer=peer)
            return None
        opened = self._open[endpoint.name]
        if opened and endpoint.policy == "refuse":
            endpoint.counters.refused += 1
            log.warning("connection_refused", link=endpoint.name, peer=peer, open=len(opened))
            return None
        if endpoint.policy == "newest_wins":
            for older in opened:
                older.abort()
        connection = endpoint.connect()
        opened.append(connection)
        connection.closed.add_done_callback(lambda _: opened.remove(connection))
        log.info("connection_open", link=endpoint.name, peer=peer, open=len(opened))
        return connection

    def _endpoint_of(self, peer: str) -> Endpoint | None:
        if self._by_peer:
            return self._by_peer.get(peer)
        return self._endpoints[0]


class _Door(asyncio.Protocol):
    """Meets a caller, looks where it comes from, and hands the line over."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        connection = self._listener.admit(transport)
        if connection is None:
            transport.abort()
            return
        keep_alive(transport)
        transport.set_protocol(connection)
        connection.connection_made(transport)
