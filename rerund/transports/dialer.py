"""TCP connecting out: the instrument listens."""

import asyncio
from collections.abc import Callable

from rerund.transports.connection import Connection
from rerund.transports.listener import keep_alive
from rerund.transports.url import ConnectUrl

CONNECT_TIMEOUT = 10.0
"""Seconds; Linux gives up on a silent host after more than two minutes only."""


async def dial(url: ConnectUrl, connect: Callable[[], Connection]) -> Connection:
    """Connect to `url` and return the open connection. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT):
        transport, connection = await loop.create_connection(connect, url.host, url.port)
    keep_alive(transport)
    return connection
