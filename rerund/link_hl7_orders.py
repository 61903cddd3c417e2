"""Questions and orders on a line that speaks HL7: replies, and messages of our own."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from drivers.errors import InterpretError
from drivers.hl7.compose import compose_answer, compose_cancel, compose_push, compose_unable
from drivers.hl7.fates import read_fates
from drivers.hl7.interpret import interpret
from drivers.orders import Answer, Order, OrderFate, Outgoing
from drivers.profile import Hl7Profile
from drivers.result import HostQuery
from protocols.hl7.events import AcknowledgmentReceived, MessageReceived
from protocols.hl7.header import Header
from protocols.hl7.message import Message, parse
from protocols.hl7.session import Session
from rerund.link_orders import LineOrders

if TYPE_CHECKING:
    from rerund.link_hl7 import Hl7Connection, Past
    from rerund.order_desk import OrderDesk

log = structlog.get_logger(__name__)

ANSWERS = 16
"""Answers of one link that are given again when their question comes once more."""


class Hl7Orders(LineOrders):
    """Answers questions in place of an acknowledgment, and pushes what is due."""

    def __init__(
        self,
        connection: "Hl7Connection",
        session: Session,
        desk: "OrderDesk",
        profile: Hl7Profile,
        past: "Past",
    ):
        super().__init__(connection, desk)
        self._session = session
        self._profile = profile
        self._stamp = past.stamp
        self._answered = past.answered

    def is_question(self, header: Header | None) -> bool:
        """Whether a message asks for orders."""
        messages = self._profile.query.messages
        return (
            self._desk.answers
            and header is not None
            and (header.code in messages or f"{header.code}^{header.event}" in messages)
        )

    def ask(self, entry_id: int, event: MessageReceived) -> None:
        """Answer a stored question; its reply is owed under the ticket of `event`.

        A question that comes once more, because its answer was lost, has no entry of its own
        (`entry_id` 0) and the same answer.
        """
        answer = None if entry_id else self._answered.get(event.identity)
        if answer is not None:
            self._reply(event.ticket, answer)
            return
        message = parse(event.content, self._profile.dialect)
        queries = self._queries(message)
        if any(query.abort for query in queries):
            self.cancel()
        if not queries or any(query.abort for query in queries):
            self._session.acknowledge(self._loop.time(), event.ticket)
            return
        self._session.accept(self._loop.time(), event.ticket)
        self.start(self._answer(entry_id, message, queries, event))

    def take(self, event: MessageReceived) -> None:
        """Look whether a stored message says what became of orders."""
        if self._desk.has_sent and event.header is not None:
            self._desk.take_fates(self._fates(event.content))

    def acknowledged(self, event: AcknowledgmentReceived) -> None:
        """Take what the instrument says of a message of ours, and of each order in it."""
        sending = self._under_way.get(event.message_id)
        if sending is None:
            return
        outgoing = sending.outgoing
        fates = self._fates(event.content)
        spoken_of = self._desk.take_fates(fates)
        if sending.kind == "cancel":
            return
        if not fates and event.code == "AA":
            self._desk.note(outgoing.order_ids, "accepted")
            spoken_of = {*outgoing.order_ids}
        # Those it says nothing of are known to have been sent, and no more.
        rest = tuple(one for one in outgoing.order_ids if one not in spoken_of)
        kept = sending._replace(outgoing=outgoing._replace(order_ids=rest))
        self._under_way[event.message_id] = kept

    def unanswered(self, message_id: str) -> None:
        """A message was accepted, and then nothing was said: sent again, it may be done twice."""
        log.error("orders_unanswered", alert=True, instrument=self._desk.device_id)
        self.sent(message_id)

    def _fates(self, content: bytes) -> list[OrderFate]:
        return read_fates(parse(content, self._profile.dialect), self._profile)

    def _queries(self, message: Message) -> list[HostQuery]:
        timezone = self._desk.now().tzinfo
        assert timezone is not None
        try:
            said = interpret([message], self._profile, id_prefix="", timezone=timezone)
        except InterpretError:  # on hold for a person, who has an alert
            return []
        return said.queries

    async def _answer(
        self, entry_id: int, asked: Message, queries: list[HostQuery], event: MessageReceived
    ) -> None:
        try:
            answer = await self._compose_answer(entry_id, asked, queries)
        except asyncio.CancelledError:  # taken back; the instrument still waits for a reply
            self._reply(event.ticket, Answer())
            raise
        except Exception:
            self._session.refuse(self._loop.time(), event.ticket)
            self._connection.act()
            raise
        self._answered[event.identity] = answer
        if len(self._answered) > ANSWERS:
            self._answered.popitem(last=False)
        self._reply(event.ticket, answer)

    def _reply(self, ticket: int, answer: Answer) -> None:
        self._session.acknowledge(self._loop.time(), ticket, answer.reply)
        self._connection.act()
        self.send_answer(answer.messages)
        self._connection.act()

    async def _compose_answer(
        self, entry_id: int, asked: Message, queries: list[HostQuery]
    ) -> Answer:
        found = await self._desk.find(entry_id, queries)
        if found is None or self._line_is_down():
            self._tell(entry_id, None)
            return compose_unable(self._profile, asked, stamp=self._stamp)
        self._tell(entry_id, len(found.orders), len(found.missing))
        orders, missing = found

        def compose() -> Answer:
            return compose_answer(self._profile, asked, orders, missing=missing, stamp=self._stamp)

        answer = await self.composed(orders, compose)
        self._desk.sending(answer.order_ids)
        self._desk.note(answer.order_ids, "sent")
        return answer

    def _line_is_down(self) -> bool:
        line = self._connection.link.order_line
        return line is not None and line.orders is None

    def _compose_cancel(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        return compose_cancel(self._profile, orders, stamp=self._stamp)

    def _compose_push(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        return compose_push(self._profile, orders, stamp=self._stamp)

    def _send(self, texts: Sequence[bytes], message_id: str) -> None:
        (content,) = texts
        self._session.send_message(content, self._loop.time(), message_id)
        self._connection.act()
