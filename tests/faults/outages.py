"""A daemon under load while its stores go away and come back, one after the other."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rerund.rerun.records import Device, LabData, Mapping, Parameter, ReportFormat
from rerund.rerun.service_stores import Stores
from rerund.stores.lab_tables import Order
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
from tests.faults.checks import LAB, all_delivered, problems
from tests.faults.instruments import Instrument, run_values, sample_id
from tests.faults.running import RunningDaemon, write_config
from tests.servers.databases import config_of
from tests.servers.servers import Servers

ORDERED = 150
"""Reports of each instrument; what it measures after that waits for an order."""

CODES = ("WBC", "RBC", "HGB", "PLT")
TIMEOUTS = {"connect_timeout": 1.0, "timeout": 2.0}


@dataclass(frozen=True)
class Outage:
    """How a store goes away, and how it comes back."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None] = lambda: None


def outages_of(servers: Servers) -> list[Outage]:
    """Return every way in which each of the stores may be away."""
    mariadb, secantus, redis = servers.mariadb, servers.secantus, servers.redis

    def flush() -> None:
        with redis.client() as client:
            client.flushall()

    return [
        Outage("MariaDB killed", mariadb.process.kill, mariadb.process.start),
        Outage("MariaDB hanging", mariadb.process.pause, mariadb.process.resume),
        Outage("MongoDB killed", secantus.process.kill, secantus.process.start),
        Outage("MongoDB hanging", secantus.process.pause, secantus.process.resume),
        Outage("Redis flushed", flush),
        Outage("Redis killed", redis.process.kill, redis.process.start),
        Outage("Redis hanging", redis.process.pause, redis.process.resume),
    ]


@dataclass(frozen=True)
class Outcome:
    """What was acknowledged in spite of the outages, and what is `wrong` afterwards."""

    outages: int
    messages: int
    seconds: float
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"{self.outages} outages, {self.messages} messages acknowledged,"
            f" {self.seconds:.0f} s: {len(self.wrong) or 'nothing'} wrong"
        )


class Campaign:
    """Instruments on `links` links, a daemon, and stores that somebody is about to stop."""

    def __init__(self, folder: Path, settings: StoreSettings, links: int) -> None:
        self._settings = settings
        names = [f"L{number:03d}" for number in range(links)]
        self._instruments = [Instrument(name) for name in names]
        self._state_dir = folder / "state"
        self._config = write_config(folder, names)
        self._config.write_text(f"{self._config.read_text()}\n{config_of(settings)}")

    async def run(self, outages: Sequence[Outage], rng: random.Random, seconds: float) -> Outcome:
        """Let each outage last until every link went on, and up to `seconds` longer."""
        started = time.monotonic()
        self._load()
        enough = asyncio.Event()
        async with AsyncExitStack() as stack:
            daemon = await RunningDaemon.start(self._config)
            stack.push_async_callback(daemon.kill)
            await daemon.logs("ready")
            async with asyncio.TaskGroup() as group:
                for instrument in self._instruments:
                    instrument.dial(daemon.ports[instrument.name])
                    group.create_task(instrument.play(enough))
                for outage in outages:
                    await self._suffer(outage, rng.uniform(0, seconds))
                enough.set()
            await all_delivered(self._state_dir)
            code = await daemon.terminate()
        wrong = [] if code == 0 else [f"the daemon ended with {code}"]
        wrong += problems(self._state_dir, self._instruments, self._settings)
        with open_stores(self._settings) as opened:
            wrong += _wrong_reports(opened.stores, self._instruments)
        messages = sum(2 * len(instrument.finished) for instrument in self._instruments)
        return Outcome(len(outages), messages, time.monotonic() - started, wrong)

    async def _suffer(self, outage: Outage, seconds: float) -> None:
        """Every link has to get ACKs for whole samples that it begins after the outage did."""
        await asyncio.to_thread(outage.begin)
        try:
            before = [len(instrument.finished) for instrument in self._instruments]
            while any(
                len(instrument.finished) < count + 2
                for instrument, count in zip(self._instruments, before, strict=True)
            ):
                await asyncio.sleep(0.01)
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(outage.end)

    def _load(self) -> None:
        """Load a format, the instruments, and reports for their first samples."""
        names = [instrument.name for instrument in self._instruments]
        indexes = list(enumerate(CODES, 1))
        lab = LabData(
            LAB,
            (ReportFormat(1, LAB, "CBC", tuple(Parameter(i, i, code) for i, code in indexes)),),
            tuple(Device(name, LAB, name) for name in names),
            tuple(Mapping(name, code, 1, i, code) for name in names for i, code in indexes),
        )
        orders = [
            Order(
                sample_id=sample_id(name, ordinal),
                report_format_id=1,
                lab_report_id=_report(link, ordinal),
                registered_at="2026-05-20T08:00:00Z",
            )
            for link, name in enumerate(names)
            for ordinal in range(ORDERED)
        ]
        with open_stores(self._settings) as opened:
            opened.lab.write(lab, orders)


def _report(link: int, ordinal: int) -> int:
    return 10_000 * (link + 1) + ordinal


def _wrong_reports(stores: Stores, instruments: Sequence[Instrument]) -> Iterator[str]:
    """Every report shows the first run, and the one rerun waits for review beside it."""
    for link, instrument in enumerate(instruments):
        done = list(enumerate(instrument.finished[:ORDERED]))
        ids = [_report(link, ordinal) for ordinal, _ in done]
        rows = {row.lab_report_id: row for row in stores.reports.reports(LAB, ids)}
        shown = {
            (v.lab_report_id, CODES[v.index - 1]): (v.value, v.rerun_number)
            for v in stores.reports.report_values(LAB, ids)
        }
        waiting = {
            (v.lab_report_id, CODES[v.index - 1]): (v.value, v.rerun_number)
            for v in stores.reruns.values(LAB, ids)
        }
        for ordinal, sample in done:
            report = _report(link, ordinal)
            row = rows[report]
            if (row.flag, row.last_rerun_number) != (4, 1):
                yield f"report {report} is at {row.flag} with {row.last_rerun_number} reruns"
            for found, number in ((shown, 0), (waiting, 1)):
                wanted = {
                    code: (value, number)
                    for (code, _), value in run_values(sample, rerun=number > 0).items()
                }
                values = {code: v for (of, code), v in found.items() if of == report}
                if values != wanted:
                    yield f"report {report} has {values}, not {wanted}"
