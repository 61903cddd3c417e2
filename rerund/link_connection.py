"""One open line of a link: bytes to session, frames to journal, replies to the line."""

import asyncio
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import structlog

from protocols.astm.events import (
    BytesIgnored,
    CommitTimedOut,
    EnquiryRefused,
    FrameReceived,
    FrameRejected,
    FrameRepeated,
    FrameTolerated,
    TransferEnded,
    TransferStarted,
)
from protocols.astm.session import Session
from rerund.journal.errors import JournalError
from rerund.link_entry import EntryWriter
from rerund.transports.connection import Connection

if TYPE_CHECKING:
    from rerund.link import Link

log = structlog.get_logger(__name__)

RECEIVE_LIMIT = 256 * 1024
"""Bytes taken from a line while a commit is in flight; beyond, the line is not read."""


P = ParamSpec("P")


def _boundary(
    method: Callable[Concatenate["LinkConnection", P], None],
) -> Callable[Concatenate["LinkConnection", P], None]:
    """End the connection, and nothing else, when `method` fails: the line is opened again."""

    @wraps(method)
    def guarded(self: "LinkConnection", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            log.exception("link_failed", link=self.link.name)
            self.link.counters.failures += 1
            self.abort()

    return guarded


class LinkConnection(Connection):
    """One open line of a link: a session, its timer, and its entries."""

    def __init__(self, link: "Link") -> None:
        super().__init__()
        self.link = link
        self._journal = link.journal
        self._counters = link.counters
        self._session = Session(link.dialect)
        self._entries = EntryWriter(
            link.journal, link.name, str(link.url), link.counters, self._reply
        )
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._owed: int | None = None
        self._unread = 0
        self._pauses: set[str] = set()
        # Events of the sending half are missing: nothing is sent to an instrument yet.
        self._handlers: dict[type, Callable[[Any], None]] = {
            TransferStarted: self._transfer_started,
            EnquiryRefused: self._enquiry_refused,
            FrameReceived: self._frame_received,
            FrameRepeated: self._frame_repeated,
            FrameRejected: self._frame_rejected,
            FrameTolerated: self._frame_tolerated,
            BytesIgnored: self._bytes_ignored,
            CommitTimedOut: self._commit_timed_out,
            TransferEnded: self._transfer_ended,
        }

    @property
    def is_idle(self) -> bool:
        """Whether no transfer is under way and no reply is owed."""
        return self._session.is_neutral and self._owed is None

    @property
    def is_reading(self) -> bool:
        """Whether bytes are taken from the line."""
        return not self._pauses

    # From the transport.

    @_boundary
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        self._counters.connections += 1
        self._counters.connections_total += 1
        self.link.connections.add(self)

    @_boundary
    def connection_lost(self, exc: Exception | None) -> None:
        """Put on hold what was not finished."""
        super().connection_lost(exc)
        self._counters.connections -= 1
        self.link.connections.discard(self)
        self._session.receive_eof(self._loop.time())
        self._act()
        if self._timer is not None:
            self._timer.cancel()
        self.link.rested.set()

    @_boundary
    def data_received(self, data: bytes) -> None:
        """Take what one read of the line gave."""
        counters, session = self._counters, self._session
        counters.bytes_in += len(data)
        counters.last_received_at = time.time()
        if self._owed is not None:
            self._unread += len(data)
            if self._unread > RECEIVE_LIMIT:
                self._pause("commit")
        session.set_ready(self._journal.accepting and not self.link.draining)
        session.receive_data(data, self._loop.time())
        self._act()

    @_boundary
    def line_error(self) -> None:
        """Tell the session that the frame being read is damaged."""
        self._session.line_error(self._loop.time())
        self._act()

    def pause_writing(self) -> None:
        """Read no more from a peer that does not take its replies."""
        self._pause("write")

    def resume_writing(self) -> None:
        """Read again."""
        self._resume("write")

    # From the journal.

    @_boundary
    def _reply(self, ticket: int, error: JournalError | None) -> None:
        """Answer for the frame that was announced under `ticket`."""
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

    # From the clock.

    @_boundary
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

    # What the session tells.

    def _transfer_started(self, event: TransferStarted) -> None:
        self._counters.transfers += 1

    def _enquiry_refused(self, event: EnquiryRefused) -> None:
        self._counters.enquiries_refused += 1

    def _frame_received(self, event: FrameReceived) -> None:
        self._counters.frames += 1
        self._owed = event.ticket
        self._entries.store(event)

    def _frame_repeated(self, event: FrameRepeated) -> None:
        self._counters.frames_repeated += 1
        if event.ticket is not None:
            self._owed = event.ticket
        self._entries.store_repeat(event)

    def _frame_rejected(self, event: FrameRejected) -> None:
        self._entries.reject(event.raw, event.reason.value)

    def _frame_tolerated(self, event: FrameTolerated) -> None:
        self._counters.tolerated.update(event.deviations)

    def _bytes_ignored(self, event: BytesIgnored) -> None:
        self._entries.reject(event.raw, event.reason.value)

    def _commit_timed_out(self, event: CommitTimedOut) -> None:
        self._counters.replies_late += 1
        log.warning("commit_late", link=self.link.name, frame=event.number)

    def _transfer_ended(self, event: TransferEnded) -> None:
        self._owed = None
        self._entries.end(event)
        self.link.rested.set()

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
