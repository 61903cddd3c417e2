"""Opening a line again after it was lost: for ever, with growing random pauses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from rerund.faults import place_of, type_of
from rerund.transports.connection import TransportError
from rerund.transports.counters import LinkCounters

log = structlog.get_logger(__name__)

Opener = Callable[[], Awaitable[asyncio.Future[None]]]
"""Opens a line and returns the future that is done when it is lost."""


class Backoff:
    """Pauses in seconds: doubling from `first` up to `cap`, each cut by up to a half at random.

    The random half keeps the links of one daemon, and the daemons of one lab, from
    coming back all at the same moment after a switch was restarted.
    """

    def __init__(self, rng: random.Random, *, first: float = 0.5, cap: float = 30.0) -> None:
        self._rng = rng
        self._first = first
        self._cap = cap
        self._next = first

    @property
    def cap(self) -> float:
        """The longest pause, in seconds."""
        return self._cap

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._next = self._first

    def pause(self) -> float:
        """Return the next pause, in seconds."""
        longest = self._next
        self._next = min(self._cap, longest * 2)
        return self._rng.uniform(longest / 2, longest)


async def keep_open(
    name: str, opener: Opener, backoff: Backoff, counters: LinkCounters
) -> NoReturn:
    """Open the line called `name`, wait until it is lost, open it again; until cancelled.

    The pause starts over once a line has carried bytes or lasted longer than the
    longest pause: a peer that accepts and hangs up at once is no success.
    """
    loop = asyncio.get_running_loop()
    failure = ""
    while True:
        before, opened_at = counters.bytes_in, loop.time()
        try:
            lost = await opener()
            log.info("line_open", link=name)
            failure = ""
            # Shielded: cancelling this task must not make the open line look lost.
            await asyncio.shield(lost)
            log.info("line_lost", link=name)
        except (OSError, TransportError) as error:
            counters.failures += 1
            # One line per kind of failure, not one per attempt of a night.
            reason = str(error) or type(error).__name__
            if reason != failure:
                log.warning("line_down", link=name, error=reason)
            failure = reason
        except Exception as error:  # noqa: BLE001 - this line starts over, the others never notice
            counters.failures += 1
            log.error("line_failed", link=name, error=type_of(error), place=place_of(error))  # noqa: TRY400
        if counters.bytes_in > before or loop.time() - opened_at > backoff.cap:
            backoff.reset()
        await asyncio.sleep(backoff.pause())
        counters.reconnects += 1
