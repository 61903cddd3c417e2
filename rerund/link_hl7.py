"""A line that speaks HL7: what each event of its session does to journal and counters.

Each message is an entry. It is answered when it is on disk, and one that the link does not take
is stored on hold before it is refused.
"""

import time
from collections import OrderedDict
from datetime import datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import structlog

from drivers.orders import Answer
from drivers.profile import Hl7Profile
from protocols.hl7.acknowledgment import Condition, Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import (
    AcknowledgmentIgnored,
    AcknowledgmentReceived,
    BlockRejected,
    BlockTolerated,
    BytesIgnored,
    Failure,
    MessageFailed,
    MessageReceived,
    MessageRefused,
    MessageSent,
    ReplyNotCommitted,
    ReplyTimedOut,
)
from protocols.hl7.header import Identity
from protocols.hl7.session import Session
from rerund.alerts import tell_on_hold
from rerund.journal.errors import JournalError
from rerund.link_connection import LinkConnection, boundary
from rerund.link_entry import utc_now
from rerund.link_hl7_orders import Hl7Orders
from rerund.link_stranger import Stranger

if TYPE_CHECKING:
    from rerund.link import Link

log = structlog.get_logger(__name__)

REMEMBERED = 1024
"""Messages of one link that are known again when they come once more."""

RETRANSMITTED = "retransmitted"
UNEXPECTED_ACKNOWLEDGMENT = "unexpected_acknowledgment"


class Past:
    """What the connections of a link share: messages that are on disk, and our control ids."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, None] = OrderedDict()
        # Control ids must differ from those before a restart, too.
        self.answered: OrderedDict[Identity, Answer] = OrderedDict()
        """The last answers to questions, by question."""
        self._start = f"{time.time_ns() // 1_000_000:X}"
        self._numbers = count(1)

    def stamp(self) -> Stamp:
        """Return the control id and the local time of the next message of ours."""
        now = datetime.now().astimezone()
        return Stamp(f"{self._start}-{next(self._numbers)}", now.strftime("%Y%m%d%H%M%S"))

    def holds(self, identity: Identity) -> bool:
        """Whether this very message is on disk: its acknowledgment was lost.

        Not without control id and time, because then two messages may be equal in every byte.
        """
        return bool(identity.control_id and identity.time) and identity in self._known

    def add(self, identity: Identity) -> None:
        """Remember a message that is on disk."""
        self._known[identity] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


class Hl7Connection(LinkConnection):
    """One open line with a session of messages, each an entry of its own."""

    _session: Session

    def __init__(self, link: "Link", dialect: Dialect, past: Past) -> None:
        session = Session(past.stamp, dialect)
        super().__init__(link, session)
        self._orders: Hl7Orders | None = None
        if link.desk is not None and isinstance(link.desk.profile, Hl7Profile):
            profile = link.desk.profile
            self.orders = self._orders = Hl7Orders(self, session, link.desk, profile, past)
        self._past = past
        self._stranger = Stranger(link.name, expected="HL7", protocol="ASTM")
        self._where = (link.device_id, str(link.url))
        self._handlers = {
            MessageReceived: self._message_received,
            MessageRefused: self._message_refused,
            BlockTolerated: self._block_tolerated,
            BlockRejected: self._block_rejected,
            BytesIgnored: self._bytes_ignored,
            AcknowledgmentIgnored: self._acknowledgment_ignored,
            ReplyTimedOut: self._reply_timed_out,
            ReplyNotCommitted: self._reply_not_committed,
            AcknowledgmentReceived: self._acknowledgment_received,
            MessageSent: self._message_sent,
            MessageFailed: self._message_failed,
        }

    def _act(self) -> None:
        super()._act()
        if self._session.is_congested:
            self._pause("commit")
        else:
            self._resume("commit")
        if self.link.draining:
            self.link.rested.set()

    def _take_ahead(self, size: int) -> None:
        """Do nothing: the session reads ahead as far as its backlog goes."""

    def _message_received(self, event: MessageReceived) -> None:
        self._counters.frames += 1
        self._owed = event.ticket
        if self._past.holds(event.identity):
            self._counters.frames_repeated += 1
            self._reject(event.raw, RETRANSMITTED)
            self._loop.call_soon(self._settle, 0, event)
        else:
            self._store(event)

    def _store(self, event: MessageReceived) -> None:
        """Queue a message for the journal, whole in one transaction; the reply follows it."""
        journal = self._journal
        entry = journal.begin_entry(*self._where, utc_now())
        journal.append_frame(entry, event.raw, event.content, partial(self._stored, entry, event))
        if event.condition is None:
            journal.complete_entry(entry, event.content)
        else:
            journal.hold_entry(entry, event.condition.name.lower(), event.condition.text)

    def _stored(self, entry: int, event: MessageReceived, error: JournalError | None) -> None:
        if error is not None:
            # It comes again under another id; this one leaves no trace.
            self._journal.hold_entry(entry, "incomplete")
        else:
            self._past.add(event.identity)
            self._count(entry, event.condition)
        if error is None:
            self._settle(entry, event)
        else:
            self._reply(event.ticket, error)

    def _settle(self, entry: int, event: MessageReceived) -> None:
        """Answer a message that is on disk: a question with orders."""
        orders = self._orders
        if orders is None or event.condition is not None:
            self._reply(event.ticket, None)
        elif orders.is_question(event.header):
            self._owed = None
            self._ask(entry, event)
        else:
            self._reply(event.ticket, None)
            orders.take(event)

    @boundary
    def _ask(self, entry: int, event: MessageReceived) -> None:
        assert self._orders is not None
        self._orders.ask(entry, event)
        self._act()

    def _acknowledgment_received(self, event: AcknowledgmentReceived) -> None:
        if self._orders is not None:
            self._orders.acknowledged(event)

    def _message_sent(self, event: MessageSent) -> None:
        if self._orders is not None:
            self._orders.sent(event.message_id)

    def _message_failed(self, event: MessageFailed) -> None:
        if self._orders is not None:
            if event.failure is Failure.NO_ANSWER:
                self._orders.unanswered(event.message_id)
                return
            # AE is for now: busy, perhaps. AR is for ever.
            refused = event.failure is Failure.REJECTED
            self._orders.failed(event.message_id, event.failure.value, refused=refused)

    def _count(self, entry: int, condition: Condition | None) -> None:
        """Count a message that is on disk; one that the link does not take waits for a person."""
        if condition is None:
            self._counters.messages += 1
            return
        reason = condition.name.lower()
        self._counters.rejected[reason] += 1
        tell_on_hold(entry, self.link.device_id, reason)

    def _reject(self, raw: bytes, reason: str) -> None:
        """Keep bytes that are no entry of their own, as evidence."""
        self._counters.rejected[reason] += 1
        self._journal.reject(*self._where, raw, reason)

    def _message_refused(self, event: MessageRefused) -> None:
        self._counters.replies_refused += 1

    def _block_tolerated(self, event: BlockTolerated) -> None:
        self._counters.tolerated.update(event.deviations)

    def _block_rejected(self, event: BlockRejected) -> None:
        self._reject(event.raw, event.reason.value)

    def _bytes_ignored(self, event: BytesIgnored) -> None:
        self._stranger.look_at(event.raw)
        self._reject(event.raw, event.reason.value)

    def _acknowledgment_ignored(self, event: AcknowledgmentIgnored) -> None:
        self._reject(event.raw, UNEXPECTED_ACKNOWLEDGMENT)

    def _reply_timed_out(self, event: ReplyTimedOut) -> None:
        self._counters.replies_late += 1
        log.warning("commit_late", link=self.link.name)

    def _reply_not_committed(self, event: ReplyNotCommitted) -> None:
        log.warning("reply_not_committed", link=self.link.name)
