"""What has been decided of what instruments sent: so that an answer is no older than results."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable

BEHIND = 15.0
"""Seconds in which results that came may not yet have changed the copy of the open orders."""

REMEMBERED = 5000


class Arrivals:
    """The last entry decided of each instrument, and the samples that had results lately."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._resulted: OrderedDict[str, float] = OrderedDict()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def decided(self, device_id: str, entry_id: int, sample_ids: Iterable[str]) -> None:
        """An entry of an instrument is decided, with results of these samples. From any thread."""
        now = time.monotonic()
        for sample_id in sample_ids:
            self._resulted[sample_id] = now
            self._resulted.move_to_end(sample_id)
        while len(self._resulted) > REMEMBERED:
            self._resulted.popitem(last=False)
        self._last[device_id] = entry_id
        for loop, happened in tuple(self._waiting):
            loop.call_soon_threadsafe(happened.set)

    def had_results(self, sample_id: str) -> bool:
        """Whether results of a sample came so lately that the stores should be asked."""
        at = self._resulted.get(sample_id)
        return at is not None and time.monotonic() - at < BEHIND

    async def wait(self, device_id: str, entry_id: int, timeout: float) -> None:
        """Wait until an entry and all before it are decided, at most `timeout` seconds."""
        happened = asyncio.Event()
        waiter = (asyncio.get_running_loop(), happened)
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                while self._last.get(device_id, 0) < entry_id:
                    happened.clear()
                    await happened.wait()
        except TimeoutError:
            return
        finally:
            self._waiting.remove(waiter)
