"""uvicorn as it is used here: an address that is tried for ever, connections that are bounded."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from rerund.http.certificate import Certificate
from rerund.http.errors import error_body
from rerund.http.start import HttpStart

log = structlog.get_logger(__name__)

HEADER_TIMEOUT = 10.0
"""Seconds in which the head of a request has to be here."""

KEEP_ALIVE = 15
"""Seconds that a connection may be idle between two requests."""

READ_TIMEOUT = 10.0
"""Seconds in which a caller has to read what it was sent."""

MAX_CONNECTIONS = 500
"""Connections at once; what comes beyond is closed at once."""

MAX_HEAD_BYTES = 32_768

FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
"""Seconds before an address that can not be had is tried again."""


class Protocol(H11Protocol):
    """HTTP/1.1 that waits for nobody.

    Neither for a head, nor for the rest of a refused body, nor for one who does not read.
    """

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or close it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            log.warning("too_many_connections", alert=True, connections=len(self.connections))
            transport.abort()
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of an unfinished head do not win time."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._on_time()
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Let an answer wait until more of it was read, for a while."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Go on with an answer; the rest of one before a close has to be read all the same."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._has_read()

    def on_response_complete(self) -> None:
        """Go on to the next request, if there is to be one."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the shape of every other error."""
        answer = JSONResponse(error_body("malformed", msg, None))
        headers = [*answer.raw_headers, (b"connection", b"close")]
        head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._watch_reader()

    def _watch_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._on_time()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_TIMEOUT, self._close_late)

    def _on_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        self._late = None
        self.transport.close()
        self._watch_reader()

    def _watch_reader(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(READ_TIMEOUT, self._abort_unread)

    def _has_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _abort_unread(self) -> None:
        self._unread = None
        if self.transport.get_write_buffer_size():  # else the goodbye of TLS is not answered
            log.warning("answer_unread", peer=self.client[0] if self.client else None)
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn without signals of its own: the daemon decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals of the process alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        host, port, *_ = self.servers[0].sockets[0].getsockname()
        log.info("http_listening", host=host, port=port, tls=self.config.ssl is not None)


def server_of(start: HttpStart, app: FastAPI) -> Server:
    """Return the server of an application, not listening yet. Raises OSError for a bad key."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(start.stop_timeout / 2)),
    )
    config.load()
    if start.tls_cert is not None and start.tls_key is not None:
        config.ssl = Certificate(Path(start.tls_cert), Path(start.tls_key)).context
    return Server(config)


async def bound(host: str, port: int) -> socket.socket:
    """Return a socket on an address, which is tried for ever; an alert says why it waits."""
    pause, told = FIRST_PAUSE, ""
    while True:
        try:
            return _bind(host, port)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if reason != told:
                log.error("http_not_listening", alert=True, host=host, port=port, reason=reason)  # noqa: TRY400
            told = reason
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE)


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen()
    except BaseException:
        sock.close()
        raise
    return sock
