"""One instrument's link, as transports open it and as status reads it.

An ACK is written when, and only when, the journal has said that the frame is on disk. The
link knows transports, protocols and the journal; it never sees a store.
"""

import asyncio

from protocols.astm.dialect import Dialect
from rerund.journal.journal import Journal
from rerund.link_connection import LinkConnection
from rerund.transports.connection import ConnectionPolicy
from rerund.transports.counters import LinkCounters
from rerund.transports.url import LinkUrl


class Link:
    """One instrument's line as configured, whatever number of connections it opens."""

    def __init__(
        self,
        name: str,
        url: LinkUrl,
        dialect: Dialect,
        journal: Journal,
        *,
        policy: ConnectionPolicy = "allow",
    ) -> None:
        self.name = name
        self.url = url
        self.dialect = dialect
        self.journal = journal
        self.policy = policy
        self.counters = LinkCounters()
        self.draining = False
        self.connections: set[LinkConnection] = set()
        self.rested = asyncio.Event()

    def connect(self) -> LinkConnection:
        """Return a new connection with a session of its own."""
        return LinkConnection(self)

    async def drain(self) -> None:
        """Answer NAK to every new ENQ and wait until no transfer is under way."""
        self.draining = True
        while not all(connection.is_idle for connection in self.connections):
            self.rested.clear()
            await self.rested.wait()

    def reopen(self) -> None:
        """Take new ENQs again after `drain`."""
        self.draining = False
