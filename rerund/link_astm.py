"""A line that speaks E1381: what each event of its session does to journal and counters."""

from typing import TYPE_CHECKING

import structlog

from drivers.profile import AstmProfile
from protocols.astm.dialect import Dialect
from protocols.astm.events import (
    BytesIgnored,
    CommitTimedOut,
    ContentionLost,
    EnquiryRefused,
    FrameReceived,
    FrameRejected,
    FrameRepeated,
    FrameTolerated,
    Interrupted,
    MessageFailed,
    MessageSent,
    TransferEnded,
    TransferStarted,
)
from protocols.astm.session import Session
from rerund.link_astm_orders import AstmOrders
from rerund.link_connection import LinkConnection
from rerund.link_entry import EntryWriter
from rerund.link_stranger import Stranger

if TYPE_CHECKING:
    from rerund.link import Link

log = structlog.get_logger(__name__)


class AstmConnection(LinkConnection):
    """One open line with a session of frames, and its entries."""

    def __init__(self, link: "Link", dialect: Dialect) -> None:
        session = Session(dialect)
        super().__init__(link, session)
        self._orders: AstmOrders | None = None
        if link.desk is not None and isinstance(link.desk.profile, AstmProfile):
            self.orders = self._orders = AstmOrders(self, session, link.desk, link.desk.profile)
        self._stranger = Stranger(link.name, expected="ASTM", protocol="HL7")
        self._entries = EntryWriter(
            link.journal, link.device_id, str(link.url), link.counters, self._reply, self._stored
        )
        self._handlers = {
            TransferStarted: self._transfer_started,
            EnquiryRefused: self._enquiry_refused,
            FrameReceived: self._frame_received,
            FrameRepeated: self._frame_repeated,
            FrameRejected: self._frame_rejected,
            FrameTolerated: self._frame_tolerated,
            BytesIgnored: self._bytes_ignored,
            CommitTimedOut: self._commit_timed_out,
            TransferEnded: self._transfer_ended,
            ContentionLost: self._wait,
            Interrupted: self._wait,
            MessageSent: self._message_sent,
            MessageFailed: self._message_failed,
        }

    def _stored(self, entry: int, text: bytes) -> None:
        """Take a message that is on disk."""
        if self._orders is not None:
            self._orders.take(entry, text)

    def _wait(self, event: ContentionLost | Interrupted) -> None:
        """Leave the line to the instrument; what was to be sent follows."""

    def _message_sent(self, event: MessageSent) -> None:
        if self._orders is not None:
            self._orders.sent(event.message_id)

    def _message_failed(self, event: MessageFailed) -> None:
        if self._orders is not None:
            # A line that garbles frames refuses no order: that is said in a message.
            self._orders.failed(event.message_id, event.failure.value, refused=False)

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
        self._stranger.look_at(event.raw)
        self._entries.reject(event.raw, event.reason.value)

    def _commit_timed_out(self, event: CommitTimedOut) -> None:
        self._counters.replies_late += 1
        log.warning("commit_late", link=self.link.name, frame=event.number)

    def _transfer_ended(self, event: TransferEnded) -> None:
        self._owed = None
        self._entries.end(event)
        self.link.rested.set()
