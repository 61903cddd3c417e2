"""Questions and orders on one open line: what both protocols have in common.

A question is answered by a task, because a look-up in the stores takes its time. One message
of ours is under way at a time, so that what an instrument says next is about that one.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog

from drivers.orders import Outgoing
from protocols.errors import LocalProtocolError

if TYPE_CHECKING:
    from rerund.link_connection import LinkConnection
    from rerund.order_desk import OrderDesk

log = structlog.get_logger(__name__)

RETRY = 60.0
"""Seconds after which a push that the instrument did not take is tried again."""


class LineOrders:
    """The orders on one line. A subclass knows the protocol."""

    def __init__(self, connection: "LinkConnection", desk: "OrderDesk"):
        self._connection = connection
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._ids = count(1)
        self._under_way: dict[str, Outgoing] = {}
        self._answers: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a question is open or a message of ours is under way."""
        return bool(self._tasks or self._under_way)

    @property
    def is_answering(self) -> bool:
        """Whether a question is open, or the answer to one is under way."""
        return bool(self._tasks or self._answers)

    def push(self) -> None:
        """Send what is due, and take back what is cancelled, unless something is under way."""
        link = self._connection.link
        if self.is_busy or link.draining or link.order_line is not None:
            return
        if self._loop.time() >= self._not_before:
            self.send(self._compose_cancel())
            self.send(self._compose_push())

    def close(self) -> None:
        """Answer nothing any more: the line is lost."""
        for task in self._tasks:
            task.cancel()
        self._under_way.clear()
        self._answers.clear()

    def sent(self, message_id: str) -> None:
        """The instrument has a message."""
        outgoing = self._take(message_id)
        if outgoing is not None:
            self._desk.note(outgoing.order_ids, "sent")
        self._loop.call_soon(self.push)

    def failed(self, message_id: str, failure: str, *, refused: bool) -> None:
        """The instrument did not take a message; refused orders go back to the waiting list."""
        outgoing = self._take(message_id)
        if outgoing is None:
            return
        log.warning("orders_not_taken", instrument=self._desk.device_id, reason=failure)
        if refused:
            self._desk.note(outgoing.order_ids, "refused", failure)
        else:
            self._not_before = self._loop.time() + RETRY

    def send(self, messages: Sequence[Outgoing], *, answering: bool = False) -> None:
        """Queue messages; they are under way until the instrument has them.

        They go out here, or on the instrument's own line for orders.
        """
        line = self._connection.link.order_line
        if messages and line is not None:
            if line.orders is None:
                log.error("order_line_down", alert=True, instrument=self._desk.device_id)
            else:
                line.orders.send(messages, answering=answering)
            return
        for outgoing in messages:
            message_id = f"{next(self._ids)}"
            self._under_way[message_id] = outgoing
            if answering:
                self._answers.add(message_id)
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

    def _take(self, message_id: str) -> Outgoing | None:
        self._answers.discard(message_id)
        self._connection.link.rested.set()
        return self._under_way.pop(message_id, None)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "answer_failed",
                alert=True,
                instrument=self._desk.device_id,
                error=type(error).__name__,
            )
        self._connection.link.rested.set()
        self._loop.call_soon(self.push)

    def _tell(self, entry_id: int, orders: int | None, missing: int = 0) -> None:
        where = {"entry_id": entry_id, "instrument": self._desk.device_id}
        if orders is None:
            log.error("query_not_answerable", alert=True, **where)
        else:
            log.info("query_answered", orders=orders, without=missing, **where)

    def _compose_cancel(self) -> Sequence[Outgoing]:
        raise NotImplementedError

    def _compose_push(self) -> Sequence[Outgoing]:
        raise NotImplementedError

    def _send(self, texts: Sequence[bytes], message_id: str) -> None:
        raise NotImplementedError
