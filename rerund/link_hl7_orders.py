"""Questions and orders on a line that speaks HL7: replies, and messages of our own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.errors import InterpretError
from drivers.hl7.compose import compose_answer, compose_cancel, compose_push, compose_unable
from drivers.hl7.fates import read_fates
from drivers.hl7.interpret import interpret
from drivers.orders import Answer, OrderFate, Outgoing
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

    def is_question(self, header: Header | None) -> bool:
        """Whether a message asks for orders."""
        messages = self._profile.query.messages
        return (
            self._desk.answers
            and header is not None
            and (header.code in messages or f"{header.code}^{header.event}" in messages)
        )

    def ask(self, entry_id: int, content: bytes, ticket: int) -> None:
        """Answer a stored question; its reply is owed under `ticket`."""
        message = parse(content, self._profile.dialect)
        queries = self._queries(message)
        if any(query.abort for query in queries):
            self.cancel()
        if not queries or any(query.abort for query in queries):
            self._session.acknowledge(self._loop.time(), ticket)
            return
        self._session.accept(self._loop.time(), ticket)
        self.start(self._answer(entry_id, message, queries, ticket))

    def take(self, event: MessageReceived) -> None:
        """Look whether a stored message says what became of orders."""
        if self._desk.has_sent and event.header is not None:
            self._desk.take_fates(self._fates(event.content))

    def acknowledged(self, event: AcknowledgmentReceived) -> None:
        """Take what the instrument says of a message of ours, and of each order in it."""
        outgoing = self._under_way.get(event.message_id)
        if outgoing is None:
            return
        fates = self._fates(event.content)
        if fates:
            self._desk.take_fates(fates, outgoing.order_ids)
        elif event.code == "AA":
            self._desk.note(outgoing.order_ids, "accepted")
        if fates or event.code == "AA":
            self._under_way[event.message_id] = outgoing._replace(order_ids=())

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
        self, entry_id: int, asked: Message, queries: list[HostQuery], ticket: int
    ) -> None:
        answer = Answer()
        try:
            answer = await self._compose_answer(entry_id, asked, queries)
        finally:
            # Taken back, or a fault of ours: the instrument still waits for a reply.
            self._session.acknowledge(self._loop.time(), ticket, answer.reply)
            self._connection.act()
        self.send(answer.messages, answering=True)
        self._connection.act()

    async def _compose_answer(
        self, entry_id: int, asked: Message, queries: list[HostQuery]
    ) -> Answer:
        found = await self._desk.find(entry_id, queries)
        if found is None:
            self._tell(entry_id, None)
            return compose_unable(self._profile, asked, stamp=self._stamp)
        self._tell(entry_id, len(found.orders), len(found.missing))
        answer = compose_answer(
            self._profile, asked, found.orders, missing=found.missing, stamp=self._stamp
        )
        self._desk.note(answer.order_ids, "sent")
        return answer

    def _compose_cancel(self) -> Sequence[Outgoing]:
        return compose_cancel(self._profile, self._desk.cancelled(), stamp=self._stamp)

    def _compose_push(self) -> Sequence[Outgoing]:
        return compose_push(self._profile, self._desk.due(), stamp=self._stamp)

    def _send(self, texts: Sequence[bytes], message_id: str) -> None:
        (content,) = texts
        self._session.send_message(content, self._loop.time(), message_id)
        self._connection.act()
