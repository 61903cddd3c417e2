"""A whole daemon on a disk that is full."""

import asyncio
import shutil

import pytest

from protocols.astm.control import ENQ, EOT, NAK
from tests.faults.checks import all_delivered, problems
from tests.faults.instruments import Instrument
from tests.faults.running import RunningDaemon, write_config
from tests.faults.small_disk import small_disk
from tests.rerund.lines import Script

NAMES = ["L0", "L1", "L2"]
IDLE = "idle"

pytestmark = pytest.mark.faults


@pytest.mark.conformance(167)
async def test_a_full_disk_is_refused_and_told_and_survived_without_a_restart(tmp_path):
    players = [Instrument(name) for name in NAMES]
    async with small_disk(tmp_path / "small", megabytes=24) as disk:
        config = write_config(tmp_path, [*NAMES, IDLE], state_dir=disk.path / "state")
        daemon = await RunningDaemon.start(config, inside=disk.inside)
        await daemon.logs("ready")
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for player in players:
                player.dial(daemon.ports[player.name])
                await player.play_one()
                group.create_task(player.play(enough))
            disk.fill()
            assert (await daemon.logs("disk_full"))["alert"]
            for player in players:
                await player.refused.wait()
            idle = Script(*await asyncio.open_connection("127.0.0.1", daemon.ports[IDLE]))
            idle.say(ENQ)
            await idle.hears(NAK)
            disk.free()
            assert (await daemon.logs("disk_has_room_again"))["alert"]
            await idle.sends()
            idle.say(EOT)
            await idle.hangs_up()
            enough.set()
        assert await daemon.terminate() == 0
        shutil.copytree(disk.from_outside / "state", tmp_path / "state")

    # What was not delivered before the stop is delivered after the next start.
    daemon = await RunningDaemon.start(write_config(tmp_path, [*NAMES, IDLE]))
    await daemon.logs("ready")
    await all_delivered(tmp_path / "state")
    assert await daemon.terminate() == 0
    assert problems(tmp_path / "state", players) == []
