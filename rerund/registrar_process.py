"""The registrar's own process: `python -m rerund.registrar_process DESCRIPTOR`.

Talking to stores costs more than everything on the way of a message together, and a client
library may stall or crash. Here neither delays an ACK. It ends when the daemon closes the
descriptor, however the daemon ends.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import structlog

from rerund import logs
from rerund.alerts import tell
from rerund.child_line import UNUSABLE, receive
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Mark
from rerund.registrar import Registrar
from rerund.registrar_channel import (
    Earlier,
    Marked,
    Marks,
    Start,
    ToDaemon,
    ToRegistrar,
    WaitingCopy,
    Wake,
    decode_for_registrar,
    encode,
)
from rerund.registrar_upkeep import Upkeep
from rerund.rerun.delivery import ledger_runs
from rerund.rerun.model import KnownRun, OpenRerun
from rerund.rerun.service import RerunService
from rerund.stores.embedded import open_embedded
from rerund.stores.ports import ReportStore, StoreError
from rerund.stores.versions import StoreVersionError
from rerund.waiting_list import WaitingList, WaitingListRefresh

log = structlog.get_logger(__name__)

STOP_TIMEOUT = 10.0
"""Seconds that a batch at hand may take to end; it is registered again if it does not."""

NICENESS = 19
"""Results can wait in the journal, an instrument for its ACK can not."""

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
        """Hand over what the ledger has of an instrument."""
        self._send(Earlier(device_id, list(runs)))

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
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    start = channel.receive()
    if not isinstance(start, Start):
        return
    logs.configure(start.log_format, start.log_level)
    try:
        _work(start, channel)
    except StoreVersionError as error:
        log.critical("store_version", alert=True, path=start.store_path, reason=str(error))
        sys.exit(UNUSABLE)
    except StoreError as error:
        log.error("store_unusable", alert=True, path=start.store_path, reason=str(error))  # noqa: TRY400
        sys.exit(1)


def _work(start: Start, channel: Channel) -> None:
    """Deliver until the daemon closes the line. Raises StoreError for stores it can not open."""
    with (
        open_embedded(Path(start.store_path)) as embedded,
        JournalReader(Path(start.journal_path)) as reader,
    ):
        stores = embedded.stores
        service = RerunService(stores, start.rules, tell)
        refresh = WaitingListRefresh(
            start.lab_id,
            start.device_ids,
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
        )
        registrar.start()
        _tell_histories(start, stores.reports, channel)
        _listen(channel, registrar)
        registrar.stop(STOP_TIMEOUT)


def _tell_histories(start: Start, reports: ReportStore, channel: Channel) -> None:
    """Hand over the ledger of instruments whose history the journal lacks.

    Without a store their history stays incomplete until the next start, and the confidence
    of what is decided by it low; the service knows the runs again when it comes to them.
    """
    for device_id, since in start.unknown.items():
        try:
            rows = reports.ledger_of_device(start.lab_id, device_id, since)
        except StoreError as error:
            log.warning("history_incomplete", instrument=device_id, reason=str(error))
        else:
            channel.tell_earlier(device_id, ledger_runs(rows))


def _listen(channel: Channel, registrar: Registrar) -> None:
    while (message := channel.receive()) is not None:
        match message:
            case Wake():
                registrar.wake()
            case Marked():
                channel.marked(message)
            case Start():
                raise AssertionError("a registrar is started once")


if __name__ == "__main__":
    main()
