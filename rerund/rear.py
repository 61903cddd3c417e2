"""The rear of the daemon: the registrar's process, kept alive, and the waiting-list copy.

Nothing here is waited for by a link. With every store down, or the registrar dying over and
over, the journal fills, the copy of the waiting list is used as it was last seen, and
everything is tried again for ever.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from time import time

from rerund.arrivals import Arrivals
from rerund.child import Child
from rerund.config import Config, Instrument
from rerund.configured_rules import rules_of
from rerund.journal.errors import JournalError
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.order_book import OrderBook, unpack_note
from rerund.order_copy import OrderCopy, unpack_order
from rerund.order_desk import OrderDesk
from rerund.registrar_channel import (
    Earlier,
    Leases,
    LookedUp,
    LookUp,
    Marked,
    Marks,
    NotesTold,
    OrdersChanged,
    Start,
    Stop,
    ToDaemon,
    WaitingCopy,
    Wake,
    decode_for_daemon,
    encode,
)
from rerund.rerun.instants import iso
from rerund.rerun.model import KnownRun
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder, OrderKey
from rerund.stores.ports import Lease
from rerund.waiting_list import WaitingList, unpack_row

Runs = Sequence[tuple[str, KnownRun]]
"""(sample id, run) pairs."""

WAKE_DELAY = 0.005
"""Seconds in which what is decided is told to the registrar as one."""


class Rear:
    """Runs the registrar in a process of its own and does what it asks of the journal."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        with JournalReader(journal.path) as reader:
            rows, refreshed_at = reader.waiting()
            self._unknown = _unknown_histories(config, reader)
            self.orders = OrderCopy(map(unpack_order, reader.orders()))
            since = iso(time() - config.file.rerun.sample_id_window)
            self._book = OrderBook(
                journal, self._open_notes(reader.notes(since)), reader.last_note(), self.wake
            )
        self.orders.on_change = self._orders_changed
        self.on_orders: Callable[[], None] = _nothing
        self._desks: list[OrderDesk] = []
        self._parts: list[OrdersChanged] = []
        self.waiting = WaitingList(map(unpack_row, rows), refreshed_at)
        self.arrivals = Arrivals()
        self._tickets = count(1)
        self._asked: dict[int, asyncio.Future[Sequence[LocalOrder] | None]] = {}
        self.on_earlier: Callable[[str, Runs, bool], None] = _ignore
        self.on_leases: Callable[[Sequence[Lease]], None] = _leave
        self.registrar = Child(
            "registrar",
            "rerund.registrar_process",
            lambda: encode(self._orders()),
            lambda body, asker: self._act(decode_for_daemon(body), asker),
        )
        self._wake_is_due = False

    @property
    def complete_histories(self) -> frozenset[str]:
        """The instruments whose runs of the history window are all in the journal.

        `on_earlier` brings what the ledger has of the others.
        """
        everyone = {instrument.device_id for instrument in self._config.instruments}
        return frozenset(everyone - self._unknown)

    def desk(self, instrument: Instrument) -> OrderDesk:
        """Return what finds the orders of an instrument."""
        settings = self._config.file.orders
        desk = OrderDesk(
            instrument,
            self.orders,
            self._book,
            self.arrivals,
            self.look_up,
            settings.copy_max_age,
            settings.look_up_timeout,
        )
        self._desks.append(desk)
        return desk

    def _open_notes(self, notes: Sequence[tuple[int, bytes]]) -> list[OrderNote]:
        """Return the notes of the rows that are still open."""
        unpacked = (unpack_note(body) for _, body in notes)
        return [note for note in unpacked if self.orders.get(note.key) is not None]

    def start(self) -> None:
        """Start the registrar, and start it again whenever it ends."""
        self.registrar.start()

    def wake(self) -> None:
        """There are new payloads; called in the event loop."""
        if not self._wake_is_due:
            self._wake_is_due = True
            asyncio.get_running_loop().call_later(WAKE_DELAY, self._wake)

    async def stop(self) -> None:
        """End the registrar after the batch at hand. Cancel it to end it at once."""
        self.registrar.send(encode(Stop()))
        await self.registrar.stop()

    async def look_up(self, sample_ids: Sequence[str]) -> Sequence[LocalOrder] | None:
        """What is open of these samples by the stores; None when they do not say in time."""
        ticket = next(self._tickets)
        asked = self._asked[ticket] = asyncio.get_running_loop().create_future()
        timeout = self._config.file.orders.look_up_timeout
        self.registrar.send(encode(LookUp(ticket, list(sample_ids), timeout)))
        try:
            return await asyncio.wait_for(asked, timeout)
        except TimeoutError:
            return None
        finally:
            del self._asked[ticket]

    def _change_orders(self, change: OrdersChanged) -> None:
        """Take over a part; the journal gets all parts in one transaction."""
        if change.whole:
            self._parts.clear()
        self._parts.append(change)
        self._book.cancel(change.cancelled)
        if change.last:
            parts, self._parts = self._parts, []
            orders = [order for part in parts for order in part.orders]
            gone = [key for part in parts for key in part.gone]
            self._journal.change_orders(orders, gone, whole=parts[0].whole)
        self.orders.change(change.orders, change.gone, whole=change.whole, last=change.last)

    def _orders_changed(self, orders: Sequence[LocalOrder], gone: Sequence[OrderKey]) -> None:
        self._book.seen(orders, gone)
        for desk in self._desks:
            desk.consider(orders)
        self.on_orders()

    def _answer_look_up(self, ticket: int, found: Sequence[LocalOrder] | None) -> None:
        asked = self._asked.get(ticket)
        if asked is not None and not asked.done():
            asked.set_result(found)

    def _wake(self) -> None:
        self._wake_is_due = False
        self.registrar.send(encode(Wake()))

    def _act(self, message: ToDaemon, asker: asyncio.StreamWriter) -> None:
        match message:
            case Marks(ticket, marks):
                self._journal.mark_payloads(marks, _answer(ticket, asker))
            case WaitingCopy(rows, refreshed_at):
                self.waiting.replace(rows, refreshed_at)
                self._journal.replace_waiting(rows, refreshed_at)
            case Earlier(device_id, runs, last):
                if last:
                    self._unknown.discard(device_id)
                own = self._journal.journal_id
                others = [pair for pair in runs if not pair[1].result_id.startswith(own)]
                self.on_earlier(device_id, others, last)
            case Leases(leases):
                self.on_leases(leases)
            case OrdersChanged():
                self._change_orders(message)
            case LookedUp(ticket, found):
                self._answer_look_up(ticket, found)
            case NotesTold(note_keys):
                self._journal.mark_notes(note_keys)

    def _orders(self) -> Start:
        file = self._config.file
        return Start(
            str(self._journal.path),
            self._config.stores,
            file.daemon.lab_id,
            f"{self._journal.journal_id}@{socket.gethostname()}",
            {i.device_id: i.section.name for i in self._config.instruments},
            sorted(self._unknown),
            rules_of(self._config),
            file.store.poll_interval,
            file.daemon.log_format,
            file.daemon.log_level,
        )


def _unknown_histories(config: Config, reader: JournalReader) -> set[str]:
    """Return the instruments that the journal knows for less than the history window.

    Without a store there is no ledger, and nothing came before; what a server has, only the
    server knows.
    """
    if config.stores.mysql is None and not Path(config.stores.path).exists():
        return set()
    since = iso(time() - config.file.rerun.history_window)
    known = {i.device_id: reader.known_since(i.device_id) for i in config.instruments}
    return {device_id for device_id, at in known.items() if at is None or at > since}


def _ignore(device_id: str, runs: Runs, last: bool) -> None:
    del device_id, runs, last


def _nothing() -> None:
    return


def _leave(leases: Sequence[Lease]) -> None:
    del leases


def _answer(ticket: int, asker: asyncio.StreamWriter) -> Callable[[JournalError | None], None]:
    """Tell who asked, and nobody else: its successor counts tickets of its own."""

    def marked(error: JournalError | None) -> None:
        if not asker.is_closing():
            asker.write(encode(Marked(ticket, None if error is None else str(error))))

    return marked
