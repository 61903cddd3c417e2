"""One open line of a link: bytes to session, what arrived to journal, replies to the line.

What a protocol does differently stands in `link_astm` and `link_hl7`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import structlog

from rerund.faults import place_of, type_of
from rerund.journal.errors import JournalError
from rerund.link_orders import LineOrders
from rerund.transports.connection import Connection

if TYPE_CHECKING:
    from rerund.link import Link

log = structlog.get_logger(__name__)

RECEIVE_LIMIT = 256 * 1024
"""Bytes taken from a line while a commit is in flight; beyond, the line is not read."""

Handlers = Mapping[type, Callable[[Any], None]]
"""What is done for each event of a session."""


class Session(Protocol):
    """What the sessions of all protocols have in common."""

    @property
    def deadline(self) -> float | None:
        """When `handle_timer` wants to be called."""

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is under way."""

    def data_to_send(self) -> bytes:
        """Return the bytes to write, once."""

    def events_received(self) -> Sequence[object]:
        """Return what has happened since the last call."""

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the line."""

    def receive_eof(self, now: float) -> None:
        """Take the loss of the line."""

    def line_error(self, now: float) -> None:
        """Take an error reported by the UART."""

    def handle_timer(self, now: float) -> None:
        """Act on every deadline that has passed."""

    def acknowledge(self, now: float, ticket: int) -> None:
        """What was announced under `ticket` is stored."""

    def refuse(self, now: float, ticket: int) -> None:
        """What was announced under `ticket` could not be stored."""

    def set_ready(self, ready: bool) -> None:
        """Say whether messages can be taken."""


P = ParamSpec("P")
C = TypeVar("C", bound="LinkConnection")


def boundary(
    method: Callable[Concatenate[C, P], None],
) -> Callable[Concatenate[C, P], None]:
    """End the connection, and nothing else, when `method` fails: the line is opened again."""

    @wraps(method)
    def guarded(self: C, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the boundary of one connection
            fault = {"error": type_of(error), "place": place_of(error)}
            log.error("link_failed", link=self.link.name, **fault)  # noqa: TRY400
            self.link.counters.failures += 1
            self.abort()

    return guarded


class LinkConnection(Connection):
    """One open line of a link: a session and its timer. A subclass handles its events."""

    _handlers: Handlers

    def __init__(self, link: "Link", session: Session) -> None:
        super().__init__()
        self.link = link
        self._journal = link.journal
        self._counters = link.counters
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.opened_at = self._loop.time()
        self._owed: int | None = None
        self._unread = 0
        self._pauses: set[str] = set()
        self.orders: LineOrders | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no transfer is under way and no reply is owed."""
        is_busy = self.orders is not None and self.orders.is_busy
        return self._session.is_neutral and self._owed is None and not is_busy

    # From the transport.

    @boundary
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        self._counters.connections += 1
        self._counters.connections_total += 1
        self.link.connections.add(self)
        if self.orders is not None:
            self._loop.call_soon(self.orders.push)

    @boundary
    def connection_lost(self, exc: Exception | None) -> None:
        """Put on hold what was not finished."""
        super().connection_lost(exc)
        self._counters.connections -= 1
        self.link.connections.discard(self)
        self._session.receive_eof(self._loop.time())
        self._act()
        if self._timer is not None:
            self._timer.cancel()
        if self.orders is not None:
            self.orders.close()
        self.link.rested.set()

    @boundary
    def data_received(self, data: bytes) -> None:
        """Take what one read of the line gave."""
        counters, session = self._counters, self._session
        counters.bytes_in += len(data)
        counters.last_received_at = time.time()
        if self._owed is not None:
            self._take_ahead(len(data))
        session.set_ready(self._journal.accepting and not self.link.draining)
        session.receive_data(data, self._loop.time())
        self._act()

    @boundary
    def line_error(self) -> None:
        """Tell the session that what is being read is damaged."""
        self._session.line_error(self._loop.time())
        self._act()

    def pause_writing(self) -> None:
        """Read no more from a peer that does not take its replies."""
        self._pause("write")

    def resume_writing(self) -> None:
        """Read again."""
        self._resume("write")

    # From the journal.

    @boundary
    def _reply(self, ticket: int, error: JournalError | None) -> None:
        """Answer for what was announced under `ticket`."""
        if ticket == self._owed:
            self._owed = None
        if error is None:
            self._session.acknowledge(self._loop.time(), ticket)
        else:
            self._counters.replies_refused += 1
            self._session.refuse(self._loop.time(), ticket)
        self._act()
        if self._owed is None:
            self._unread = 0
            self._resume("commit")

    @boundary
    def act(self) -> None:
        """Do what the session says, after something was sent from elsewhere."""
        self._act()

    # From the clock.

    @boundary
    def _handle_timer(self) -> None:
        self._timer = None
        self._session.handle_timer(self._loop.time())
        self._act()

    def _act(self) -> None:
        """Do what the session says: events to their handlers, bytes to the line, timer set."""
        session = self._session
        for event in session.events_received():
            self._handlers[type(event)](event)
        data = session.data_to_send()
        transport = self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)
            self._counters.bytes_out += len(data)
        deadline = session.deadline
        # A timer that is too early only looks again, so a frame seldom costs a new one.
        if deadline is not None and (self._timer is None or deadline < self._timer.when()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._handle_timer)

    def _take_ahead(self, size: int) -> None:
        """Read no further when a peer sends much ahead of the reply that it is owed."""
        self._unread += size
        if self._unread > RECEIVE_LIMIT:
            self._pause("commit")

    # Two reasons to stop reading, independent of each other.

    def _pause(self, reason: str) -> None:
        if self._transport is not None and not self._pauses:
            self._transport.pause_reading()
        self._pauses.add(reason)

    def _resume(self, reason: str) -> None:
        if reason in self._pauses:
            self._pauses.discard(reason)
            if self._transport is not None and not self._pauses:
                self._transport.resume_reading()
