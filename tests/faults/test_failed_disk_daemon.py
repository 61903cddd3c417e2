"""A whole daemon on a disk that fails, or that keeps it waiting."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from rerund.daemon import EXIT_IO_ERROR
from rerund.journal.reader import JournalReader
from tests.faults.checks import all_delivered, lost_frames, problems
from tests.faults.instruments import Instrument
from tests.faults.running import RunningDaemon, write_config

NAMES = ["L0", "L1", "L2"]

pytestmark = pytest.mark.faults


@asynccontextmanager
async def under_load(daemon):
    """Let instruments play, and yield them when each has played a sample."""
    players = [Instrument(name) for name in NAMES]
    await daemon.logs("ready")
    for player in players:
        player.dial(daemon.ports[player.name])
        await player.play_one()
    tasks = [asyncio.create_task(player.play(asyncio.Event())) for player in players]
    yield players
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def acknowledged(players):
    return [player.acknowledged.total() for player in players]


def events(daemon):
    return [line["event"] for line in daemon.log]


@pytest.mark.conformance(165)
@pytest.mark.parametrize("fault", ["eio", "eio-db"])
async def test_after_a_failed_fsync_the_daemon_acknowledges_nothing_and_ends(tmp_path, disk, fault):
    config = write_config(tmp_path, NAMES)
    daemon = await RunningDaemon.start(config, environment=disk.environment)
    async with under_load(daemon) as players:
        disk.break_with(fault)
        failed = await daemon.logs("journal_failed")
        disk.mend(fault)  # a second attempt would succeed, and prove nothing
        before = acknowledged(players)
        assert await daemon.ended() == EXIT_IO_ERROR
    assert failed["alert"]
    assert failed["cause"] == "SQLITE_IOERR_FSYNC"
    # One ACK may have been on its way to each when the line was written.
    assert all(
        after - earlier <= 1 for earlier, after in zip(before, acknowledged(players), strict=True)
    )

    daemon = await RunningDaemon.start(config)
    await daemon.logs("ready")
    for player in players:
        player.dial(daemon.ports[player.name])
        await player.play_one()
    await all_delivered(tmp_path / "state")
    assert await daemon.terminate() == 0
    assert problems(tmp_path / "state", players) == []


async def test_a_stop_waits_for_a_disk_that_stalls_and_goes_on(tmp_path, disk):
    config = write_config(tmp_path, NAMES, stop_timeout=60.0)
    daemon = await RunningDaemon.start(config, environment=disk.environment)
    async with under_load(daemon) as players:
        disk.break_with("stall")
        daemon.process.terminate()
        await daemon.logs("stopping")
        disk.mend("stall")
        assert await daemon.ended() == 0
    told = events(daemon)
    assert told[-1] == "stopped"
    assert "stop_timeout" not in told
    assert list(lost(tmp_path, players)) == []


async def test_a_stop_does_not_wait_for_ever_for_a_disk_that_stalls(tmp_path, disk):
    config = write_config(tmp_path, NAMES, stop_timeout=1.0)
    daemon = await RunningDaemon.start(config, environment=disk.environment)
    async with under_load(daemon) as players:
        disk.break_with("stall")
        assert await daemon.terminate() == 0
    told = events(daemon)
    assert told[-1] == "stopped"
    assert "stop_timeout" in told[told.index("stopping") :]
    disk.mend("stall")
    assert list(lost(tmp_path, players)) == []


def lost(folder, players):
    with JournalReader(folder / "state" / "journal.db") as reader:
        yield from lost_frames(reader, players)
