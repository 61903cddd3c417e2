"""Questions and orders on a line that speaks E1381 and E1394 (LIS02-A2 11)."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.compose import compose, compose_busy, compose_cancel, compose_unable, inexpressible
from drivers.errors import InterpretError
from drivers.interpret import interpret
from drivers.orders import Order, Outgoing
from drivers.profile import AstmProfile
from drivers.refusals import read_fates
from drivers.result import HostQuery
from protocols.astm.message import Message, parse
from protocols.astm.session import Session
from rerund.link_orders import LineOrders

if TYPE_CHECKING:
    from rerund.link_connection import LinkConnection
    from rerund.order_desk import OrderDesk

_QUESTION = re.compile(rb"(?:^|[\r\n])[Qq][^\w\s]")
_RESULT = re.compile(rb"(?:^|[\r\n])[Rr][^\w\s]")


class AstmOrders(LineOrders):
    """Answers questions after the transfer that brought them, and pushes what is due."""

    def __init__(
        self,
        connection: "LinkConnection",
        session: Session,
        desk: "OrderDesk",
        profile: AstmProfile,
    ):
        super().__init__(connection, desk)
        self._session = session
        self._profile = profile

    def take(self, entry_id: int, text: bytes) -> None:
        """Look whether a stored message asks for orders or says what became of them."""
        if self._desk.answers and _QUESTION.search(text):
            for message in parse(text, self._profile.dialect):
                queries = self._queries(message)
                if any(query.abort for query in queries):
                    self.cancel()
                elif queries and self.is_answering:
                    self.send_answer(
                        compose_busy(self._profile, now=self._desk.now(), asked=message)
                    )
                elif queries:
                    self.start(self._answer(entry_id, message, queries))
        elif self._desk.has_sent and not _RESULT.search(text):
            self._desk.take_fates(read_fates(parse(text, self._profile.dialect), self._profile))

    def _queries(self, message: Message) -> list[HostQuery]:
        now = self._desk.now()
        assert now.tzinfo is not None
        try:
            said = interpret([message], self._profile, id_prefix="", timezone=now.tzinfo)
        except InterpretError:  # on hold for a person, who has an alert
            return []
        return said.queries

    async def _answer(self, entry_id: int, asked: Message, queries: list[HostQuery]) -> None:
        found = await self._desk.find(entry_id, queries)
        now = self._desk.now()
        if found is None:
            self._tell(entry_id, None)
            self.send_answer(compose_unable(self._profile, now=now, asked=asked))
        else:
            self._tell(entry_id, len(found.orders), len(found.missing))
            self._refuse(found.orders, asked)
            orders, missing = found

            def answer() -> Sequence[Outgoing]:
                return compose(self._profile, orders, now=now, missing=missing, asked=asked)

            self.send_answer(await self.composed(orders, answer))
        self._connection.act()

    def _compose_cancel(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        return compose_cancel(self._profile, orders, now=self._desk.now())

    def _compose_push(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        self._refuse(orders, None)
        return compose(self._profile, orders, now=self._desk.now())

    def _refuse(self, orders: Sequence[Order], asked: Message | None) -> None:
        """Put back what no message to this instrument can say."""
        self._desk.take_fates(inexpressible(self._profile, orders, asked=asked))

    def _send(self, texts: Sequence[bytes], message_id: str) -> None:
        self._session.send_message(texts, self._loop.time(), message_id)
        self._connection.act()
