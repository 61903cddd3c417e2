"""The daemon: everything is constructed here, started in order and stopped in reverse."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, time

import structlog

from rerund import __version__
from rerund.config import Config, Instrument, order_line
from rerund.deciders import decider_of
from rerund.http.front import front_of
from rerund.interpretation import Interpretation
from rerund.journal.errors import JournalError, JournalFailed
from rerund.journal.journal import Journal
from rerund.journal.prune import Limits
from rerund.journal.reader import JournalReader
from rerund.journal.rows import StoredEntry
from rerund.link import Link
from rerund.link_leases import LeasedLines
from rerund.notify import notify, watchdog_interval
from rerund.rear import Rear
from rerund.rerun.instants import iso
from rerund.transports.hub import Hub
from rerund.transports.url import ListenUrl

log = structlog.get_logger(__name__)

EXIT_IO_ERROR = 74
"""EX_IOERR of sysexits(3): the journal can not commit."""

EXIT_UNAVAILABLE = 69
"""EX_UNAVAILABLE: the stores or the journal can not be used."""

EXIT_SOFTWARE = 70
"""EX_SOFTWARE: a fault of our own; the service manager starts again."""

OVERDUE_LOOKS = 10
"""How often within the resume window it is looked for messages that were cut short."""

PUSH_EVERY = 10.0
"""Seconds after which it is looked again for orders that an instrument did not take."""

BOUND_TIMEOUT = 2.0
"""Seconds that being ready waits for addresses that are in use; they are tried for ever."""

SWITCH_INTERVAL = 0.0002
"""Seconds a thread may keep the interpreter from the event loop (CPython's default is 5 ms)."""


class Daemon:
    """One run of rerund, from its configuration to its exit code."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._front = front_of(config)
        self._stop = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or a failed disk; returns 0 or one of the codes above.

        Raises JournalError and StoreError when the state directory can not be used.
        """
        loop = self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        sys.setswitchinterval(SWITCH_INTERVAL)
        journal = self._open_journal()
        rear = Rear(self._config, journal)
        lines = {i.device_id: _links(i, journal, rear) for i in self._config.instruments}
        links = [link for of_device in lines.values() for link in of_device]
        interpretation = self._interpretation(journal, rear, links)
        journal.on_received = interpretation.put
        rear.on_earlier = interpretation.learn
        rear.registrar.on_unusable = self._refuse
        journal.on_changed = interpretation.forget
        interpretation.start()
        journal.start(loop)
        rear.start()
        if self._front is not None:
            self._front.start()
        hub = Hub(links, random.Random())
        leased = self._leased_lines(lines, hub)
        rear.on_leases = leased.apply
        hub.start()
        await self._say_ready(hub)
        tasks = (
            self._prune(journal),
            self._tell_overdue(),
            self._push_orders(links, rear),
            _watchdog(),
        )
        background = [asyncio.create_task(task) for task in tasks]
        # What was made so far stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        await self._stop.wait()
        notify("STOPPING=1")
        log.info("stopping", exit_code=self._exit_code)
        for task in background:
            task.cancel()
        await leased.close()
        await self._end(hub, links, interpretation, rear, journal)
        log.info("stopped")
        return self._exit_code

    def _open_journal(self) -> Journal:
        state_dir = self._config.file.daemon.state_dir
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = Journal.open(
            self._config.journal_path,
            ballast_bytes=self._config.file.journal.ballast_megabytes * 1024 * 1024,
            poll_seconds=self._config.file.store.poll_interval,
        )
        journal.on_fatal = self._fail
        journal.on_accepting = _tell_room
        return journal

    def _fail(self, error: JournalFailed) -> None:
        """End the process: what the kernel dropped after a failed fsync can not be known."""
        log.critical("journal_failed", alert=True, cause=error.cause)
        self._exit_code = EXIT_IO_ERROR
        self._stop.set()

    def _refuse(self) -> None:
        """End the process: the tables of the store are of a version that is not known here."""
        self._exit_code = EXIT_UNAVAILABLE
        self._stop.set()

    def _fail_from_thread(self) -> None:
        """End the process: without decisions an ACK would promise more than it keeps."""
        self._exit_code = EXIT_SOFTWARE
        self._loop.call_soon_threadsafe(self._stop.set)

    def _interpretation(
        self, journal: Journal, rear: Rear, links: Sequence[Link]
    ) -> Interpretation:
        counters = {link.name: link.counters for link in links}
        return Interpretation(
            {
                instrument.device_id: decider_of(self._config, instrument, journal.journal_id)
                for instrument in self._config.instruments
            },
            journal,
            rear.waiting,
            complete=rear.complete_histories,
            last_cut=lambda device_id: counters[device_id].last_cut,
            resume_window=self._config.file.rerun.resume_window,
            on_decided=rear.wake,
            on_entry=rear.arrivals.decided,
            on_failed=self._fail_from_thread,
        )

    def _leased_lines(self, lines: Mapping[str, Sequence[Link]], hub: Hub) -> LeasedLines:
        async def tell(name: str) -> None:
            await _tell_lines([i for i in self._config.instruments if i.device_id == name], hub)

        return LeasedLines(lines, hub, tell)

    async def _say_ready(self, hub: Hub) -> None:
        await _tell_lines(self._config.instruments, hub)
        log.info("ready", version=__version__, instruments=len(self._config.instruments))
        notify("READY=1")

    async def _prune(self, journal: Journal) -> None:
        settings = self._config.file.journal
        limits = Limits(
            keep=settings.keep_days * 86400.0,
            max_bytes=settings.max_megabytes * 1_000_000,
            history_window=self._config.file.rerun.history_window,
            order_window=self._config.file.rerun.sample_id_window,
        )
        while True:
            await asyncio.sleep(settings.prune_interval)
            try:
                removed = await journal.prune(limits)
            except JournalError as error:
                log.warning("prune_failed", reason=str(error))
            else:
                log.info("pruned", entries=removed)

    async def _push_orders(self, links: Sequence[Link], rear: Rear) -> None:
        """Push what is due when there is something new, and now and then what was not taken."""
        pushing = [link for link in links if link.desk and (link.desk.pushes or link.desk.cancels)]
        changed = asyncio.Event()
        rear.on_orders = changed.set
        while pushing:
            changed.clear()
            for link in pushing:
                if link.orders is not None:
                    link.orders.push()
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), PUSH_EVERY)

    async def _tell_overdue(self) -> None:
        """Alert once for each message that was cut short and neither resumed nor sent again."""
        window = self._config.file.rerun.resume_window
        told: set[int] = set()
        while True:
            await asyncio.sleep(window / OVERDUE_LOOKS)
            before = iso(time() - window)
            for entry in await asyncio.to_thread(cut_before, self._config.journal_path, before):
                if entry.entry_id not in told:
                    told.add(entry.entry_id)
                    where = {"entry_id": entry.entry_id, "instrument": entry.device_id}
                    log.error("message_incomplete", alert=True, **where)

    async def _end(
        self,
        hub: Hub,
        links: Sequence[Link],
        interpretation: Interpretation,
        rear: Rear,
        journal: Journal,
    ) -> None:
        """Stop from the wire inwards; nothing waits longer than `stop_timeout`."""
        until = monotonic() + self._config.file.daemon.stop_timeout

        def left() -> float:
            return max(0.0, until - monotonic())

        fronts = [] if self._front is None else [self._front]
        answering = [asyncio.create_task(front.stop()) for front in fronts]
        if not self._exit_code:
            with suppress(TimeoutError):
                async with asyncio.timeout(left() / 2):
                    await asyncio.gather(*(link.drain() for link in links))
        await hub.close()
        if not await asyncio.to_thread(interpretation.stop, left()):
            log.warning("stop_timeout", what="interpretation")
        try:
            await asyncio.wait_for(rear.stop(), left())
        except TimeoutError:
            log.warning("stop_timeout", what="registrar")
        try:
            await asyncio.wait_for(asyncio.gather(*answering), left())
        except TimeoutError:
            log.warning("stop_timeout", what="http")
        if not await journal.close(max(1.0, left())):
            log.warning("stop_timeout", what="journal")


def _links(instrument: Instrument, journal: Journal, rear: Rear) -> list[Link]:
    """Return the line of an instrument, and the one that it takes orders on if that is another."""
    desk = rear.desk(instrument)
    line = Link(
        instrument.device_id,
        instrument.url,
        instrument.dialect,
        journal,
        policy=instrument.section.connections,
        desk=desk,
    )
    if instrument.orders_url is None:
        return [line]
    line.order_line = Link(
        order_line(instrument.device_id),
        instrument.orders_url,
        instrument.dialect,
        journal,
        desk=desk,
        device_id=instrument.device_id,
    )
    return [line, line.order_line]


def cut_before(journal: Path, instant: str) -> list[StoredEntry]:
    """Return the entries that were cut short before an instant and still wait for the rest."""
    with JournalReader(journal) as reader:
        held = reader.entries(states=("held",))
        return [e for e in held if e.reason == "incomplete" and e.received_at < instant]


async def _tell_lines(instruments: Sequence[Instrument], hub: Hub) -> None:
    listening = [i.device_id for i in instruments if isinstance(i.url, ListenUrl)]
    if listening:
        with suppress(TimeoutError):
            async with asyncio.timeout(BOUND_TIMEOUT):
                await hub.bound(*listening)
    for instrument in instruments:
        _tell_line(instrument, hub)


def _tell_line(instrument: Instrument, hub: Hub) -> None:
    name, url = instrument.device_id, instrument.url
    if not isinstance(url, ListenUrl):
        log.info("line", instrument=name, url=str(url))
        return
    try:
        host, port = hub.address(name)
    except RuntimeError:  # its address is in use; the hub tries it again for ever
        log.warning("not_listening", alert=True, instrument=name, url=str(url))
    else:
        log.info("listening", instrument=name, host=host, port=port)


def _tell_room(has_room: bool) -> None:
    if has_room:
        log.warning("disk_has_room_again", alert=True)
    else:
        log.error("disk_full", alert=True)


async def _watchdog() -> None:
    """Tell the service manager that the event loop turns."""
    interval = watchdog_interval()
    while interval is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)
