"""Questions and orders on one open line: what both protocols have in common.

A question is answered by a task, because a look-up in the stores takes its time. Of what is
pushed one message is under way at a time, so that an answer never waits for more than that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import structlog

from drivers.orders import Order, Outgoing
from protocols.errors import LocalProtocolError
from rerund.faults import place_of, type_of

if TYPE_CHECKING:
    from rerund.link_connection import LinkConnection
    from rerund.order_desk import OrderDesk

log = structlog.get_logger(__name__)

RETRY = 60.0
"""Seconds after which what the instrument did not take is tried again."""

MANY = 50
"""Orders that are written by another thread, so that no instrument waits for its ACK."""

T = TypeVar("T")


class Sending(NamedTuple):
    """A message under way, why, and the orders in it."""

    kind: Literal["answer", "push", "cancel"]
    outgoing: Outgoing
    orders: Sequence[Order] = ()


class LineOrders:
    """The orders on one line. A subclass knows the protocol."""

    def __init__(self, connection: "LinkConnection", desk: "OrderDesk"):
        self._connection = connection
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._ids = count(1)
        self._under_way: dict[str, Sending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a question is open or a message of ours is under way."""
        return bool(self._tasks or self._under_way)

    @property
    def is_answering(self) -> bool:
        """Whether a question is open, or the answer to one is under way."""
        answers = (sending.kind == "answer" for sending in self._under_way.values())
        return bool(self._tasks) or any(answers)

    def push(self) -> None:
        """Send what is due, or take back what is cancelled, unless something is under way."""
        link = self._connection.link
        is_waiting = self._loop.time() < self._not_before
        if self.is_busy or is_waiting or link.draining or link.order_line is not None:
            return
        try:
            self._push()
        except Exception as error:  # noqa: BLE001 - one line's orders must not stop another's
            fault = {"error": type_of(error), "place": place_of(error)}
            log.error("push_failed", alert=True, instrument=self._desk.device_id, **fault)  # noqa: TRY400
            self._not_before = self._loop.time() + RETRY

    def _push(self) -> None:
        cancelled = self._desk.cancelled()
        if cancelled:
            messages = self._compose_cancel(cancelled)
            written = {order_id for one in messages for order_id in one.order_ids}
            # What no message can say would stand before everything else for ever.
            rest = [one.order_id for one in cancelled if one.order_id not in written]
            self._desk.cancel_sent(rest)
            self._send_all("cancel", messages)
            return
        orders = self._desk.due()
        if orders:
            self._send_all("push", self._compose_push(orders), orders)

    def close(self) -> None:
        """Answer nothing any more: the line is lost."""
        for task in self._tasks:
            task.cancel()
        for message_id in list(self._under_way):
            self.failed(message_id, "line_lost", refused=False)

    def sent(self, message_id: str) -> None:
        """The instrument has a message."""
        sending = self._take(message_id)
        if sending is not None and sending.kind == "cancel":
            self._desk.cancel_sent(sending.outgoing.order_ids)
        elif sending is not None:
            self._desk.note(sending.outgoing.order_ids, "sent")
        self._loop.call_soon(self.push)

    def failed(self, message_id: str, failure: str, *, refused: bool) -> None:
        """The instrument did not take a message; refused orders go back to the waiting list.

        What is pushed is tried again later, under the same ids. One that asked asks again.
        """
        sending = self._take(message_id)
        if sending is None:
            return
        log.warning("orders_not_taken", instrument=self._desk.device_id, reason=failure)
        if refused and sending.kind != "cancel":
            self._desk.note(sending.outgoing.order_ids, "refused", failure)
        elif refused:
            self._desk.cancel_sent(sending.outgoing.order_ids)
        else:
            ids = sending.outgoing.order_ids
            self._desk.put_back(order for order in sending.orders if order.order_id in ids)
            self._not_before = self._loop.time() + RETRY

    def send_answer(self, messages: Sequence[Outgoing]) -> None:
        """Send what an instrument asked for, here or on its own line for orders."""
        line = self._connection.link.order_line
        orders = self if line is None else line.orders
        if messages and orders is None:
            log.error("order_line_down", alert=True, instrument=self._desk.device_id)
        elif orders is not None:
            orders._send_all("answer", messages)  # noqa: SLF001 - the same on the other line

    def _send_all(
        self,
        kind: Literal["answer", "push", "cancel"],
        messages: Sequence[Outgoing],
        orders: Sequence[Order] = (),
    ) -> None:
        for outgoing in messages:
            message_id = f"{next(self._ids)}"
            self._under_way[message_id] = Sending(kind, outgoing, orders)
            if kind != "cancel":
                self._desk.sending(outgoing.order_ids)
            try:
                self._send(outgoing.texts, message_id)
            except LocalProtocolError as error:  # the line was lost meanwhile
                self.failed(message_id, str(error), refused=False)

    def start(self, answer: Coroutine[Any, Any, None]) -> None:
        """Answer a question in a task of its own."""
        task = self._loop.create_task(answer)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def cancel(self) -> None:
        """The instrument takes its question back."""
        for task in self._tasks:
            task.cancel()

    async def composed(self, orders: Sequence[Order], compose: Callable[[], T]) -> T:
        """Return what `compose` does, by another thread when there are many orders."""
        return compose() if len(orders) < MANY else await asyncio.to_thread(compose)

    def _take(self, message_id: str) -> Sending | None:
        self._connection.link.rested.set()
        return self._under_way.pop(message_id, None)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            fault = {"error": type_of(error), "place": place_of(error)}
            log.error("answer_failed", alert=True, instrument=self._desk.device_id, **fault)
        self._connection.link.rested.set()
        self._loop.call_soon(self.push)

    def _tell(self, entry_id: int, orders: int | None, missing: int = 0) -> None:
        where = {"entry_id": entry_id, "instrument": self._desk.device_id}
        if orders is None:
            log.error("query_not_answerable", alert=True, **where)
        else:
            log.info("query_answered", orders=orders, without=missing, **where)

    def _compose_cancel(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        raise NotImplementedError

    def _compose_push(self, orders: Sequence[Order]) -> Sequence[Outgoing]:
        raise NotImplementedError

    def _send(self, texts: Sequence[bytes], message_id: str) -> None:
        raise NotImplementedError
