"""The HTTP process: `python -m rerund.http.process DESCRIPTOR`.

Whatever callers do here, an instrument's ACK does not wait for it. It ends when the daemon
closes the descriptor, however the daemon ends.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import anyio.to_thread
import structlog

from rerund import logs
from rerund.child_line import receive
from rerund.http.app import make_app
from rerund.http.backend import Backend
from rerund.http.server import bound, server_of
from rerund.http.start import HttpStart, unpack_start
from rerund.http.tokens import Tokens
from rerund.stores.opening import open_stores
from rerund.stores.ports import StoreError
from rerund.stores.settings import StoreSettings

log = structlog.get_logger(__name__)

NICENESS = 5
"""A person at a screen waits for an answer, but no instrument does."""

THREADS = 12
"""Calls of the service at once, at most; no more than there are connections to a server."""

SWITCH_INTERVAL = 0.001
"""Seconds a call of the service may keep the interpreter from the others."""


def main() -> None:
    """Serve until the daemon closes the line."""
    # Both are sent to the whole group by terminals and service managers; the daemon decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    sys.setswitchinterval(SWITCH_INTERVAL)
    line = socket.socket(fileno=int(sys.argv[1]))
    with line.makefile("rb") as file:
        message = receive(file)
    if message is None:
        return
    start = unpack_start(message)
    logs.configure(start.log_format, start.log_level)
    logs.take_library_logs()
    asyncio.run(_serve(start, line))


async def _serve(start: HttpStart, line: socket.socket) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _threads(start.stores)
    backend = Backend(lambda: open_stores(start.stores), start.rules)
    server = server_of(start, make_app(start, backend, Tokens(Path(start.tokens_file))))
    gone = asyncio.create_task(_daemon_gone(line))
    opening = asyncio.create_task(asyncio.to_thread(_open, backend))
    binding = asyncio.create_task(bound(start.host, start.port))
    await asyncio.wait({gone, binding}, return_when=asyncio.FIRST_COMPLETED)
    if binding.done():
        serving = asyncio.create_task(server.serve([binding.result()]))
        await asyncio.wait({gone, serving}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    binding.cancel()
    await opening
    backend.close()


def _threads(stores: StoreSettings) -> int:
    """Return how many calls can have a connection of their own at the same time."""
    servers = (stores.mysql, stores.mongodb)
    return min([THREADS, *(server.pool_size for server in servers if server is not None)])


def _open(backend: Backend) -> None:
    """Open the stores before the first caller asks; it tells by itself what is wrong."""
    with suppress(StoreError):
        backend.parts()


async def _daemon_gone(line: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=line)
    try:
        await reader.read()
    finally:
        writer.close()


if __name__ == "__main__":
    main()
