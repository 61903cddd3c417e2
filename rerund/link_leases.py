"""The lines of a daemon as its leases allow: closed while another daemon has the instrument.

Only a refusal closes a line; as long as nobody answers, every line stays as it is. A line that
cannot be opened or closed is told once and tried again, as long as its lease says so.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from rerund.faults import place_of, type_of
from rerund.link import Link
from rerund.stores.ports import Lease
from rerund.transports.backoff import Backoff
from rerund.transports.hub import Hub

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 5.0
"""Time that a message on its way has to end before its line is closed."""


class LeasedLines:
    """Suspends and resumes lines, one instrument's changes one after the other.

    `on_open` is awaited with the name of each line that is resumed. `first_pause` is that
    before a line that failed is tried again.
    """

    def __init__(
        self,
        links: Mapping[str, Sequence[Link]],
        hub: Hub,
        on_open: Callable[[str], Awaitable[None]],
        *,
        first_pause: float = 0.5,
    ) -> None:
        self._links = links
        self._hub = hub
        self._on_open = on_open
        self._first_pause = first_pause
        self._is_open: dict[str, bool | None] = dict.fromkeys(links, True)  # None: half
        self._may = dict.fromkeys(links, True)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def apply(self, leases: Sequence[Lease]) -> None:
        """Do as leases that have changed say; called in the event loop."""
        for lease in leases:
            name = lease.device_id
            _tell(lease)
            self._may[name] = lease.held
            self._tell_desks(name, held=lease.held)
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._follow(name))

    def _tell_desks(self, name: str, *, held: bool) -> None:
        for link in self._links[name]:
            if link.desk is not None:
                link.desk.is_held = held
            if held and link.orders is not None:
                link.orders.push()

    async def close(self) -> None:
        """Leave every line as it is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, name: str) -> None:
        backoff = Backoff(random.Random(), first=self._first_pause)
        failed = False
        try:
            while self._is_open[name] is not self._may[name]:
                try:
                    await (self._open(name) if self._may[name] else self._shut(name))
                except Exception as error:  # noqa: BLE001 - a lease must never cease to be followed
                    if not failed:
                        _tell_failed(name, error)
                    failed = True
                    await asyncio.sleep(backoff.pause())
        finally:
            del self._tasks[name]

    async def _open(self, name: str) -> None:
        self._is_open[name] = None
        for link in self._links[name]:
            link.reopen()
            self._hub.resume(link.name)
        self._is_open[name] = True
        await self._on_open(name)

    async def _shut(self, name: str) -> None:
        self._is_open[name] = None
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(link.drain() for link in self._links[name]))
        for link in self._links[name]:
            await self._hub.suspend(link.name)
        self._is_open[name] = False
        log.info("line_closed", instrument=name)


def _tell(lease: Lease) -> None:
    where = {"instrument": lease.device_id, "owner": lease.owner, "until": lease.until}
    if lease.held:
        log.info("instrument_held", taken_from=lease.taken_from, **where)
    else:
        log.error("instrument_held_elsewhere", alert=True, **where)


def _tell_failed(name: str, error: Exception) -> None:
    fault = {"error": type_of(error), "place": place_of(error)}
    log.error("lease_not_followed", alert=True, instrument=name, **fault)
