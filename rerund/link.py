"""One instrument's link, as transports open it and as status reads it.

An ACK or AA is written when, and only when, the journal has said that the frame or message is
on disk. The link knows transports, protocols and the journal; it never sees a store.
"""

import asyncio
from collections.abc import Callable

from protocols.astm.dialect import Dialect as AstmDialect
from protocols.hl7.dialect import Dialect as Hl7Dialect
from rerund.journal.journal import Journal
from rerund.link_astm import AstmConnection
from rerund.link_connection import LinkConnection
from rerund.link_hl7 import Hl7Connection, Past
from rerund.link_orders import LineOrders
from rerund.order_desk import OrderDesk
from rerund.transports.connection import ConnectionPolicy
from rerund.transports.counters import LinkCounters
from rerund.transports.url import LinkUrl

Dialect = AstmDialect | Hl7Dialect
"""The switches of a link; which of the two it is says which protocol the link speaks."""


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
        desk: OrderDesk | None = None,
        device_id: str | None = None,
    ) -> None:
        self.name = name
        self.device_id = device_id or name
        self.url = url
        self.dialect = dialect
        self.journal = journal
        self.policy = policy
        self.desk = desk
        self.order_line: Link | None = None
        """Where orders go, for an instrument that takes them on a line of their own."""
        self.counters = LinkCounters()
        self.draining = False
        self.connections: set[LinkConnection] = set()
        self.rested = asyncio.Event()
        self._connect = self._connector()

    def connect(self) -> LinkConnection:
        """Return a new connection with a session of its own."""
        return self._connect()

    def _connector(self) -> Callable[[], LinkConnection]:
        dialect = self.dialect
        if isinstance(dialect, AstmDialect):
            return lambda: AstmConnection(self, dialect)
        past = Past()
        return lambda: Hl7Connection(self, dialect, past)

    async def drain(self) -> None:
        """Take no new transfer or message, and wait until none is under way."""
        self.draining = True
        while not all(connection.is_idle for connection in self.connections):
            self.rested.clear()
            await self.rested.wait()

    @property
    def orders(self) -> LineOrders | None:
        """The orders on the line that was opened last; None without a line."""
        newest = max(self.connections, key=lambda one: one.opened_at, default=None)
        return None if newest is None else newest.orders

    def reopen(self) -> None:
        """Take new ones again after `drain`."""
        self.draining = False
