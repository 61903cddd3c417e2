"""What has been decided of what instruments sent: so that an answer is no older than results.

Lives in the event loop.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable

BEHIND = 60.0
"""Seconds before a copy was complete in which results may have come that it does not know of."""

REMEMBERED = 50_000
"""Samples that had results; with the stores away, older ones are forgotten."""


class Arrivals:
    """The last entry decided of each instrument, and the samples that had results."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._resulted: OrderedDict[str, float] = OrderedDict()
        self._happened = asyncio.Event()

    def decided(self, device_id: str, entry_id: int, sample_ids: Iterable[str]) -> None:
        """The decision on an entry of an instrument, with results of these samples, is on disk."""
        now = time.monotonic()
        for sample_id in sample_ids:
            self._resulted[sample_id] = now
            self._resulted.move_to_end(sample_id)
        while len(self._resulted) > REMEMBERED:
            self._resulted.popitem(last=False)
        self._last[device_id] = entry_id
        self._happened.set()

    def outdates(self, sample_id: str, complete_at: float | None) -> bool:
        """Whether a sample had results that a copy, complete at that time, may not know of."""
        at = self._resulted.get(sample_id)
        return at is not None and (complete_at is None or at > complete_at - BEHIND)

    async def wait(self, device_id: str, entry_id: int, timeout: float) -> bool:
        """Wait until an entry and all before it are decided; False after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._last.get(device_id, 0) < entry_id:
                    self._happened.clear()
                    await self._happened.wait()
        except TimeoutError:
            return False
        return True
