"""A daemon under load, killed again and again, and what is in its files in the end."""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checks import all_delivered, problems
from tests.faults.instruments import Instrument
from tests.faults.running import RunningDaemon, write_config

LONGEST_RUN = 1.0
"""Seconds under load before a kill, at most."""

LONGEST_START = 0.6
"""Seconds of a start before a kill, at most."""

KILLED_AT_START = 0.2
"""How many of the kills come while the daemon starts."""


@dataclass(frozen=True)
class Outcome:
    """What happened in a campaign, and what is `wrong` after it."""

    kills: int
    messages: int
    frames: int
    seconds: float
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.messages} messages, {self.frames} frames acknowledged,"
            f" {self.seconds:.0f} s: {len(self.wrong) or 'nothing'} wrong"
        )


class Campaign:
    """Instruments on `links` links, and a daemon with its files in `folder`."""

    def __init__(
        self,
        folder: Path,
        links: int,
        rng: random.Random,
        *,
        driver: str = "sysmex-xn",
        instrument: type[Instrument] = Instrument,
    ) -> None:
        names = [f"L{number:03d}" for number in range(links)]
        self._config = write_config(folder, names, driver=driver)
        self._state_dir = folder / "state"
        self._instruments = {name: instrument(name) for name in names}
        self._rng = rng

    async def run(self, kills: int) -> Outcome:
        """Kill the daemon so many times, then let everything come to its end."""
        started = time.monotonic()
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for instrument in self._instruments.values():
                group.create_task(instrument.play(enough))
            for _ in range(kills):
                await self._start_and_kill()
            daemon = await self._start()
            await daemon.logs("ready")
            enough.set()
        await all_delivered(self._state_dir)
        code = await daemon.terminate()
        wrong = [] if code == 0 else [f"the daemon ended with {code}"]
        instruments = list(self._instruments.values())
        return Outcome(
            kills,
            sum(2 * len(instrument.finished) for instrument in instruments),
            sum(instrument.acknowledged.total() for instrument in instruments),
            time.monotonic() - started,
            wrong + problems(self._state_dir, instruments),
        )

    async def _start(self) -> RunningDaemon:
        return await RunningDaemon.start(
            self._config, on_port=lambda name, port: self._instruments[name].dial(port)
        )

    async def _start_and_kill(self) -> None:
        daemon = await self._start()
        if self._rng.random() < KILLED_AT_START:
            await asyncio.sleep(self._rng.uniform(0, LONGEST_START))
        else:
            await daemon.logs("ready")
            await asyncio.sleep(self._rng.uniform(0, LONGEST_RUN))
        await daemon.kill()
        # Another instrument's line may get the port at the next start.
        for instrument in self._instruments.values():
            instrument.wait()
