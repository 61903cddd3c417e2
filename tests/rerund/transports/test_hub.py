import asyncio
import socket

import pytest
from structlog.testing import capture_logs


async def test_a_broken_line_never_disturbs_another(instrument, serve, serial_line, tmp_path):
    absent = instrument(f"serial://{tmp_path}/absent", name="absent")
    nobody = instrument("connect://127.0.0.1:1", name="nobody")
    faulty = instrument("connect://127.0.0.1:1", name="faulty")
    faulty.connect = None
    good = instrument("listen://127.0.0.1:0", name="good")
    wired = instrument(f"serial://{serial_line.path}", name="wired")
    with capture_logs() as logs:
        async with serve(absent, nobody, faulty, good, wired) as hub:
            while min(link.counters.failures for link in (absent, nobody, faulty)) < 3:
                await asyncio.sleep(0)
            _, writer = await asyncio.open_connection(*hub.address("good"))
            await good.until(lambda: good.made)
            await wired.until(lambda: wired.counters.connections)
            writer.close()
            await writer.wait_closed()
    down = {entry["link"] for entry in logs if entry["event"] == "line_down"}
    assert down >= {"absent", "nobody"}


async def test_closing_drops_every_line(instrument, serve, serial_line):
    listening = instrument("listen://127.0.0.1:0", name="listening")
    wired = instrument(f"serial://{serial_line.path}", name="wired")
    async with serve(listening, wired) as hub:
        calling = instrument("connect://{}:{}".format(*hub.address("listening")), name="calling")
        async with serve(calling):
            await listening.until(lambda: listening.made)
            await wired.until(lambda: wired.counters.connections)
    for link in (listening, wired, calling):
        assert [connection.losses for connection in link.made] == [1] * len(link.made)
        assert link.counters.state == "down"


async def test_a_suspended_line_is_closed_until_it_is_resumed(instrument, serve, serial_line):
    served = instrument("listen://127.0.0.1:0", name="served")
    async with serve(served) as outside:
        lines = {
            "listening": instrument("listen://127.0.0.1:0", name="listening"),
            "calling": instrument(
                "connect://{}:{}".format(*outside.address("served")), name="calling"
            ),
            "wired": instrument(f"serial://{serial_line.path}", name="wired"),
        }
        async with serve(*lines.values()) as hub:
            _, writer = await asyncio.open_connection(*hub.address("listening"))
            for line in lines.values():
                await line.until(lambda line=line: line.counters.connections)
            for name, line in lines.items():
                await hub.suspend(name)
                assert (line.counters.connections, line.made[0].losses) == (0, 1)
            with pytest.raises(RuntimeError):
                hub.address("listening")
            writer.close()
            for name in lines:
                hub.resume(name)
            await hub.bound("listening")
            _, writer = await asyncio.open_connection(*hub.address("listening"))
            for line in lines.values():
                await line.until(lambda line=line: line.counters.connections)
                assert len(line.made) == 2
            writer.close()


async def test_of_a_shared_address_only_the_suspended_instrument_is_refused(instrument, serve):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one = instrument(f"listen://127.0.0.1:{port}?peer=127.0.0.2", name="one")
    other = instrument(f"listen://127.0.0.1:{port}?peer=127.0.0.3", name="other")
    async with serve(one, other) as hub:
        calls = []

        async def call(host):
            calls.append(await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0)))
            return calls[-1][0]

        first = await call("127.0.0.2")
        await call("127.0.0.3")
        await one.until(lambda: one.made)
        await other.until(lambda: other.made)
        await hub.suspend("one")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await first.readexactly(1)
        refused = await call("127.0.0.2")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.readexactly(1)
        assert (one.counters.connections, one.counters.refused, len(one.made)) == (0, 1, 1)
        assert other.counters.connections == 1
        hub.resume("one")
        await call("127.0.0.2")
        await one.until(lambda: one.counters.connections)
        for _, writer in calls:
            writer.close()


async def test_a_suspended_line_stays_closed_at_the_end(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0")
    async with serve(analyzer) as hub:
        await hub.suspend("42")
        await hub.suspend("42")
    assert analyzer.counters.state == "down"
