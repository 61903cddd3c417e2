"""Two daemons on one set of stores: each instrument is one daemon's, and can move."""

import asyncio
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from rerund.demo import messages
from rerund.demo.serial_cable import SerialCable
from rerund.simulator import Playing
from rerund.simulator_line import simulate
from rerund.transports.serial_port import open_port
from rerund.transports.url import parse_url
from tests.rerund.site import Site, until

LAB = """
[[format]]
id = 1
name = "CBC"
parameter = [{ index = 2, name = "RBC", units = "10*6/uL" }]
[[device]]
id = "42"
name = "XN-1000 42"
mapping = [{ test_code = "RBC", format = 1, index = 2 }]
[[report]]
id = 1001
sample = "S001"
format = 1
"""
NOW = datetime.now(UTC).replace(microsecond=0)
FIRST, SECOND = NOW - timedelta(minutes=40), NOW - timedelta(minutes=20)


class Sharing(Site):
    """A daemon of its own on the stores of others."""

    def __init__(self, folder, *names, link=None):
        folder.mkdir(exist_ok=True)
        super().__init__(folder, *names)
        self.store = folder.parent / "store.db"
        text = self.config.read_text()
        if link is not None:
            text = text.replace("listen://127.0.0.1:0", link)
        self.config.write_text(f'{text}[store]\npath = "{self.store}"\npoll_interval = 0.02\n')

    async def said(self, event, instrument="42", times=1):
        """Wait for a line of the log; returns it."""

        def lines():
            return [
                line
                for line in self.daemon.log
                if line["event"] == event
                and instrument in (line.get("instrument"), line.get("link"))
            ]

        await until(lambda: len(lines()) >= times or self.daemon.process.returncode is not None)
        return lines()[times - 1]

    def holder(self, instrument="42"):
        """Return what `rerund lab devices` tells of an instrument."""
        (found,) = [one for one in self.says("lab", "devices") if one["device_id"] == instrument]
        return found

    def expire_leases(self):
        """Move the clock past the end of every lease."""
        with sqlite3.connect(self.store) as db:
            db.execute("UPDATE device SET lease_until = '2000-01-01 00:00:00.000000'")
        db.close()


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "a", tmp_path / "b"


async def refused(site, instrument="42"):
    """Check that a daemon's address for an instrument is closed."""
    with pytest.raises(OSError):  # noqa: PT011 - the kernel's words for it differ
        await asyncio.open_connection("127.0.0.1", site.daemon.ports[instrument])


async def test_a_second_daemon_is_refused_one_instrument_and_serves_its_others(folders):
    one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42", "43")
    async with one:
        await one.said("instrument_held")
        async with other:
            said = await other.said("instrument_held_elsewhere")
            assert (said["alert"], said["owner"]) == (True, one.holder()["owner"])
            assert said["until"] > datetime.now(UTC).isoformat()
            await other.said("line_closed")
            await refused(other)
            assert (await other.sends(messages.original("S002", FIRST), name="43")).accepted
            assert (await one.sends(messages.original("S001", FIRST))).accepted
            await asyncio.gather(one.settled(), other.settled())


@pytest.mark.parametrize("ending", ["a graceful stop", "a crash"])
async def test_the_instrument_moves_when_its_daemon_has_ended(folders, ending):
    one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42")
    async with one:
        await one.said("instrument_held")
        async with other:
            await other.said("line_closed")
            if ending == "a crash":
                await one.daemon.kill()
                assert other.holder()["held"]
                other.expire_leases()
            else:
                assert await one.daemon.terminate() == 0
            await other.said("listening", times=2)
            assert (await other.sends(messages.original("S001", FIRST))).accepted


async def test_a_daemon_that_crashed_has_its_instrument_back_at_once(folders):
    one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42")
    async with one:
        await one.said("instrument_held")
        async with other:
            await other.said("line_closed")
            await one.daemon.kill()
            owner = other.holder()["owner"]
            await one.start()
            await one.said("instrument_held")
            assert one.holder()["owner"] == owner
            assert (await one.sends(messages.original("S001", FIRST))).accepted


async def test_a_copy_of_a_state_folder_is_another_daemon(folders):
    one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42")
    async with one:
        await one.said("instrument_held")
    shutil.copytree(one.state_dir, other.state_dir)
    async with one:
        await one.said("instrument_held")
        async with other:
            await other.said("instrument_held_elsewhere")


async def test_a_moved_instrument_keeps_its_history(folders):
    one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42")
    first = messages.original("S001", FIRST)
    async with one:
        path = one.folder / "lab.toml"
        path.write_text(LAB)
        one.ok("lab", "load", path)
        await one.sends(first)
        await one.settled()
        async with other:
            await other.said("line_closed")
            assert await one.daemon.terminate() == 0
            await other.said("listening", times=2)
            await other.sends(first, messages.original("S001", SECOND))
            await other.settled()
            assert [entry["state"] for entry in other.entries()] == [
                "retransmission",
                "interpreted",
            ]
            original, repeat = [
                payload for payload in other.payloads("S001") if payload["lab_report_id"]
            ]
            assert (original["is_rerun"], repeat["is_rerun"]) == (False, True)
            assert (repeat["rerun_number"], repeat["results"][0]["evidence"]) == (-1, "history")
            assert other.says("rerun", "show", 1001)["sampleRedrawFlag"] == 4
            # And back again: what the other one received meanwhile is no news either.
            await one.start()
            await one.said("line_closed")
            assert await other.daemon.terminate() == 0
            await one.said("listening", times=2)
            await one.sends(messages.original("S001", SECOND))
            await one.settled()
            assert one.entries()[-1]["state"] == "retransmission"


async def test_a_serial_port_is_free_while_another_daemon_has_its_instrument(folders):
    with SerialCable() as cable:
        url = f"serial://{cable.ends[0]}"
        one, other = Sharing(folders[0], "42"), Sharing(folders[1], "42", link=url)
        async with one:
            await one.said("instrument_held")
            async with other:
                await other.said("line_closed")
                open_port(parse_url(url)).close()
                opened = len([line for line in other.daemon.log if line["event"] == "line_open"])
                assert await one.daemon.terminate() == 0
                await other.said("line_open", times=opened + 1)
                told = await simulate(
                    f"serial://{cable.ends[1]}",
                    [messages.original("S001", FIRST).encode()],
                    Playing(),
                )
                assert told.accepted


async def test_what_was_received_before_a_lease_was_lost_is_delivered(folders):
    one = Sharing(folders[0], "42")
    async with one:
        await one.said("instrument_held")
        db = sqlite3.connect(one.store, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        assert (await one.sends(messages.original("S001", FIRST))).accepted
        await one.daemon.kill()
        db.execute(
            "UPDATE device SET lease_owner = 'b', lease_until = '2100-01-01 00:00:00.000000'"
        )
        db.execute("COMMIT")
        db.close()
        await one.start()
        assert (await one.said("instrument_held_elsewhere"))["owner"] == "b"
        await one.settled()
        assert [len(payload["results"]) for payload in one.payloads("S001")] == [6]
