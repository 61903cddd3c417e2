"""The registrar's own process: `python -m rerund.registrar_process DESCRIPTOR`.

Talking to stores costs more than everything on the way of a message together, and a client
library may stall or crash. Here neither delays an ACK. It ends when the daemon closes the
descriptor, however the daemon ends.
"""

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from rerund import logs
from rerund.alerts import tell
from rerund.child_line import UNUSABLE, receive
from rerund.journal.lock import delivering
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Mark
from rerund.registrar import Registrar, lanes_of
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
    ToRegistrar,
    WaitingCopy,
    Wake,
    decode_for_registrar,
    encode,
)
from rerund.registrar_history import history
from rerund.registrar_leases import LeaseKeeper, LeaseThread
from rerund.registrar_look_ups import LookUpThread, OpenOrders
from rerund.registrar_orders import EMBEDDED_POLL, Change, OrderKeeper, OrderThread
from rerund.registrar_upkeep import Upkeep
from rerund.rerun.model import KnownRun, OpenRerun
from rerund.rerun.orders import LocalOrder
from rerund.rerun.service import RerunService
from rerund.stores.opening import OpenStores, open_stores
from rerund.stores.ports import Lease, ReportStore
from rerund.stores.versions import StoreVersionError
from rerund.stores_away import opened_when_there
from rerund.waiting_list import WaitingList, WaitingListRefresh

log = structlog.get_logger(__name__)

STOP_TIMEOUT = 10.0
"""Seconds that a batch at hand may take to end; it is registered again if it does not."""

NICENESS = 19
"""Results can wait in the journal, an instrument for its ACK can not."""

SWITCH_INTERVAL = 0.0005
"""Seconds that reading every open order may keep a look-up from the interpreter."""

EARLIER_RUNS = 500
"""Runs of a history in one message: a millisecond of the daemon's time."""

ORDERS_AT_ONCE = 200
"""Orders in one message, for the same reason."""

Told = Callable[[Exception | None], None]


class MarksRefused(Exception):  # noqa: N818 - says what is the case
    """The journal could not keep delivery states; the payloads are registered again."""


class Channel:
    """The registrar's end of the line to the daemon."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._file = sock.makefile("rb")
        self._sending = threading.Lock()
        self._tickets = count(1)
        self._waiting: dict[int, Told] = {}
        self.stopped = False
        """Whether the daemon said that it ends."""
        self.gone = threading.Event()
        """Set once the daemon has closed the line."""
        self.on_wake: Sequence[Callable[[], None]] = ()
        self._look_ups: SimpleQueue[LookUp] = SimpleQueue()
        self._on_look_up: Callable[[int, Sequence[str], float], None] | None = None
        self._thread = threading.Thread(target=self._listen, name="channel", daemon=True)

    def listen(self) -> None:
        """Act on what the daemon says, until it has gone, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End the listening: no interpreter ends well beside a thread that still reads."""
        with suppress(OSError):  # the daemon was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _listen(self) -> None:
        try:
            while (message := self.receive()) is not None:
                self._act(message)
        finally:
            self.gone.set()

    def _act(self, message: ToRegistrar) -> None:
        match message:
            case Wake():
                for wake in self.on_wake:
                    wake()
            case LookUp():
                self._look_ups.put(message)
                self._hand_look_ups()
            case Marked():
                self.marked(message)
            case Stop():
                self.stopped = True
            case Start():
                raise AssertionError("a registrar is started once")

    def answer_look_ups(self, look_up: Callable[[int, Sequence[str], float], None]) -> None:
        """Hand look-ups on from now, and those first that came before the stores were open."""
        self._on_look_up = look_up
        self._hand_look_ups()

    def _hand_look_ups(self) -> None:
        while self._on_look_up is not None:
            try:
                asked = self._look_ups.get_nowait()
            except Empty:
                return
            self._on_look_up(asked.ticket, asked.sample_ids, asked.within)

    def receive(self) -> ToRegistrar | None:
        """Wait for the next message; None when the daemon has gone."""
        body = receive(self._file)
        return None if body is None else decode_for_registrar(body)

    def mark(self, marks: Sequence[Mark], told: Told) -> None:
        """Have delivery states committed; `told` hears of it."""
        ticket = next(self._tickets)
        self._waiting[ticket] = told
        self._send(Marks(ticket, list(marks)))

    def marked(self, message: Marked) -> None:
        """Pass an answer on to who waits for it."""
        told = self._waiting.pop(message.ticket, None)
        if told is not None:
            told(None if message.error is None else MarksRefused(message.error))

    def keep(self, rows: Sequence[OpenRerun], refreshed_at: str) -> None:
        """Hand the copy of the waiting list over."""
        self._send(WaitingCopy(list(rows), refreshed_at))

    def tell_earlier(self, device_id: str, runs: Sequence[tuple[str, KnownRun]]) -> None:
        """Hand over some of what the ledger has of an instrument."""
        for start in range(0, len(runs), EARLIER_RUNS):
            self._send(Earlier(device_id, list(runs[start : start + EARLIER_RUNS]), last=False))

    def tell_whole(self, device_id: str) -> None:
        """Say that all of what the ledger has of an instrument has been handed over."""
        self._send(Earlier(device_id, [], last=True))

    def tell_leases(self, leases: Sequence[Lease]) -> None:
        """Say which instruments the daemon may receive from."""
        self._send(Leases(list(leases)))

    def change_orders(self, change: Change) -> None:
        """Hand over what has changed in the open orders, in parts of a millisecond or so."""
        orders, gone, cancelled, whole = change
        first, end = list(orders[:ORDERS_AT_ONCE]), len(orders)
        last = end <= ORDERS_AT_ONCE
        self._send(OrdersChanged(first, list(gone), list(cancelled), whole, last))
        for start in range(ORDERS_AT_ONCE, end, ORDERS_AT_ONCE):
            after = start + ORDERS_AT_ONCE
            self._send(OrdersChanged(list(orders[start:after]), [], [], last=after >= end))

    def looked_up(self, ticket: int, orders: Sequence[LocalOrder] | None) -> None:
        """Answer a look-up; None when no store says."""
        self._send(LookedUp(ticket, None if orders is None else list(orders)))

    def notes_told(self, note_keys: Sequence[int]) -> None:
        """Say which notes the stores have."""
        self._send(NotesTold(list(note_keys)))

    def _send(self, message: ToDaemon) -> None:
        with self._sending:
            try:
                self._socket.sendall(encode(message))
            except OSError:
                # The daemon has gone; `receive` notices it and this process ends.
                log.debug("daemon_gone")


def main() -> None:
    """Work until the daemon closes the line."""
    # Both are sent to the whole group by terminals and service managers; the daemon decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    sys.setswitchinterval(SWITCH_INTERVAL)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    start = channel.receive()
    if not isinstance(start, Start):
        return
    logs.configure(start.log_format, start.log_level)
    logs.take_library_logs()
    channel.listen()
    places = start.stores.places
    try:
        opened = opened_when_there(partial(open_stores, start.stores), places, channel.gone)
        if opened is not None:
            _work(start, channel, opened)
    except StoreVersionError as error:
        log.critical("store_version", alert=True, reason=str(error), **places)
        sys.exit(UNUSABLE)
    finally:
        channel.close()


def _work(start: Start, channel: Channel, opened: OpenStores) -> None:
    """Deliver until the daemon closes the line."""
    journal_path = Path(start.journal_path)
    with (
        opened,
        JournalReader(journal_path) as reader,
        JournalReader(journal_path) as notes,
        JournalReader(journal_path) as deliveries,
    ):
        stores = opened.stores
        service = RerunService(stores, start.rules, tell)
        refresh = WaitingListRefresh(
            start.lab_id,
            start.devices,
            (stores.reports, stores.numbers),
            WaitingList(),
            channel.keep,
            start.rules,
        )
        registrar = Registrar(
            start.lab_id,
            service,
            reader,
            channel.mark,
            Upkeep(start.lab_id, service, stores.reports, refresh),
            poll_interval=start.poll_interval,
            lanes=lanes_of(start.stores),
            alone=partial(delivering, Path(start.journal_path)),
        )
        leases = LeaseThread(_keeper(start, stores.reports, channel), start.poll_interval)
        orders = OrderThread(
            OrderKeeper(
                start.lab_id,
                start.devices,
                service,
                stores.reports,
                start.rules,
                channel.change_orders,
                notes.orders(),
            ),
            notes,
            channel,
            start.poll_interval if start.stores.mysql else EMBEDDED_POLL,
        )
        look_ups = LookUpThread(
            OpenOrders(start.lab_id, start.devices, stores.reports, start.rules),
            deliveries,
            channel,
        )
        unsubscribe = stores.numbers.subscribe(start.lab_id, orders.wake)
        channel.on_wake = (registrar.wake, orders.wake)
        channel.answer_look_ups(look_ups.look_up)
        registrar.start()
        leases.start()
        orders.start()
        look_ups.start()
        # What was made so far stays: a collection that looks at it would keep a look-up waiting.
        gc.collect()
        gc.freeze()
        channel.gone.wait()
        unsubscribe()
        look_ups.stop(STOP_TIMEOUT)
        orders.stop(STOP_TIMEOUT)
        registrar.stop(STOP_TIMEOUT)
        leases.stop(STOP_TIMEOUT, release=channel.stopped)


def _keeper(start: Start, reports: ReportStore, channel: Channel) -> LeaseKeeper:
    def tell_history(device_id: str) -> None:
        window = start.rules.history_window
        for runs in history(reports, start.lab_id, device_id, window):
            channel.tell_earlier(device_id, runs)
        channel.tell_whole(device_id)

    return LeaseKeeper(
        start.lab_id,
        start.owner,
        start.devices,
        reports,
        channel.tell_leases,
        tell_history,
        unknown=start.unknown,
    )


if __name__ == "__main__":
    main()
