"""The registrar: a daemon drains its journal, against the same writes one at a time."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.backlog import LAB, Payloads, fill_journal, register_lab
from benchmarks.measure import Row, row
from benchmarks.server import DaemonUnderTest, instrument
from benchmarks.writes import Write, recording, write_one_at_a_time
from rerund.journal.reader import JournalReader
from rerund.journal.schema import SPAN
from rerund.rerun.service import RerunService
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
from rerund.stores.sqlite_database import SqliteDatabase

RESULTS, ROUNDS = 21, 3
DRAINED, LOOPED = 3000, 50
BACKLOG, STEADY, BACKLOG_RESULTS, SLICES = 100_000, 5_000, 8, 10
LOOK, LONG_LOOK = 0.05, 1.0
"""Seconds between two looks; counting a long backlog takes milliseconds of a core."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a backlog and the memory of the daemon were at a moment."""

    at: float
    left: int
    megabytes: float


def rows() -> Iterator[Row]:
    """Yield the rows of the embedded store."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        yield from _against_a_loop(directory)
        yield from _backlog(directory)


def _against_a_loop(directory: Path) -> Iterator[Row]:
    payloads = Payloads(RESULTS)
    full = filled(directory / "full", payloads, DRAINED)
    short = filled(directory / "short", payloads, LOOPED)
    writes = _recorded(_copied(short, directory / "recorded"), payloads)
    ratios, rates = [], []
    for turn in range(ROUNDS):
        looped = _copied(short, directory / f"looped-{turn}")
        started = time.perf_counter()
        keys = range(SPAN, (LOOPED + 1) * SPAN, SPAN)
        write_one_at_a_time(looped / "store.db", looped / "journal.db", writes, keys)
        loop = LOOPED / (time.perf_counter() - started)
        rates.append(rate(drained(_copied(full, directory / f"drained-{turn}"))))
        ratios.append(rates[-1] / loop)
    what = f"registrar, {RESULTS} results a payload"
    yield row(f"{what}: times the same writes one at a time", ratios, "x", floor=5)
    yield row(f"{what}: payloads a second", rates, "/s", floor=500)


def _backlog(directory: Path) -> Iterator[Row]:
    payloads = Payloads(BACKLOG_RESULTS)
    short = filled(directory / "steady", payloads, STEADY)
    steady = [rate(drained(_copied(short, directory / f"steady-{n}"))) for n in range(ROUNDS)]
    full = filled(directory / "backlog", payloads, BACKLOG)
    tenths = _slices(drained(full, every=LONG_LOOK))
    rates = [rate(tenth) for tenth in tenths]
    what = f"backlog of {BACKLOG:,}, {BACKLOG_RESULTS} results a payload"
    yield row(f"{what}: payloads a second, tenth by tenth", rates, "/s")
    usual = statistics.median(steady)
    yield row(f"{what}: the same, {STEADY:,} being 1", [r / usual for r in rates], "x", floor=0.8)
    grown = tenths[-1][-1].megabytes - tenths[0][-1].megabytes
    yield row(f"{what}: memory grown from its first tenth to its end", [grown], "MB", ceiling=10.0)


def filled(directory: Path, payloads: Payloads, count: int) -> Path:
    """Make a state directory in which so many payloads wait for a store that knows them."""
    directory.mkdir()
    fill_journal(directory / "journal.db", payloads, count)
    with open_stores(StoreSettings(str(directory / "store.db"))):
        database = SqliteDatabase(directory / "store.db", "bench")
        register_lab(database, payloads, count)
        database.close()
    return directory


def _copied(directory: Path, to: Path) -> Path:
    shutil.copytree(directory, to)
    return to


def _recorded(directory: Path, payloads: Payloads) -> list[Write]:
    with open_stores(StoreSettings(str(directory / "store.db"))) as opened, recording() as writes:
        RerunService(opened.stores).register(LAB, list(payloads.made(LOOPED)))
    return writes


def drained(directory: Path, config: str = "", every: float = LOOK) -> list[Look]:
    """Let a daemon deliver all of a journal; returns what was seen of it."""
    looks: list[Look] = []
    with (
        JournalReader(directory / "journal.db") as reader,
        DaemonUnderTest(directory, instrument("sysmex-xn") + config, pinned=False) as daemon,
    ):
        while not looks or looks[-1].left:
            left = reader.backlog()["payload_pending"]
            looks.append(Look(time.perf_counter(), left, daemon.resident_megabytes()))
            time.sleep(every)
    return looks


def rate(looks: list[Look]) -> float:
    """Return payloads a second from the first delivery that was seen to the last."""
    moved = [look for look in looks if look.left < looks[0].left or look.left == 0] or looks
    return (moved[0].left - moved[-1].left) / (moved[-1].at - moved[0].at)


def _slices(looks: list[Look]) -> list[list[Look]]:
    """Return the looks of each tenth of a backlog, a tenth beginning where the last one ended."""
    edges = [BACKLOG * (SLICES - number) / SLICES for number in range(1, SLICES + 1)]
    ends = [next(at for at, look in enumerate(looks) if look.left <= edge) for edge in edges]
    starts = [next(at for at, look in enumerate(looks) if look.left < BACKLOG), *ends[:-1]]
    return [looks[start : end + 1] for start, end in zip(starts, ends, strict=True)]
