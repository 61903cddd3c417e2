import asyncio

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
