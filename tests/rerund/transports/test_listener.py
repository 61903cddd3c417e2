import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from rerund.transports.listener import Listener


async def call(address, source="127.0.0.1"):
    return await asyncio.open_connection(*address, local_addr=(source, 0))


async def hang_up(*writers):
    for writer in writers:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_bytes_reach_the_instrument_and_its_connection_is_keep_alive(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0")
    async with serve(analyzer) as hub:
        assert analyzer.counters.state == "listening"
        _, writer = await call(hub.address("42"))
        writer.write(b"\x05")
        await analyzer.until(lambda: analyzer.made and analyzer.made[0].data == b"\x05")
        assert analyzer.counters.state == "connected"
        sock = analyzer.made[0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        await hang_up(writer)
        await analyzer.made[0].closed
        assert analyzer.counters.state == "listening"
    assert analyzer.counters.state == "down"


@pytest.mark.conformance(10)
async def test_instruments_on_one_port_are_told_apart_by_where_they_come_from(instrument):
    one = instrument("listen://127.0.0.1:0?peer=127.0.0.2", name="one")
    other = instrument("listen://127.0.0.1:0?peer=127.0.0.3,127.0.0.4", name="other")
    listener = Listener("127.0.0.1", 0, [one, other])
    await listener.open()
    _, first = await call(listener.address, "127.0.0.2")
    _, second = await call(listener.address, "127.0.0.4")
    first.write(b"one")
    second.write(b"other")
    await one.until(lambda: one.made and one.made[0].data)
    await other.until(lambda: other.made and other.made[0].data)
    assert (one.made[0].data, other.made[0].data) == (b"one", b"other")
    await hang_up(first, second)
    await listener.close()


async def test_links_with_the_same_address_share_one_listener(instrument, serve):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = instrument(f"listen://127.0.0.1:{port}?peer=127.0.0.2", name="one")
    other = instrument(f"listen://127.0.0.1:{port}?peer=127.0.0.3", name="other")
    async with serve(one, other) as hub:
        assert hub.address("one") == hub.address("other")
        _, writer = await call(hub.address("one"), "127.0.0.3")
        await other.until(lambda: other.made)
        await hang_up(writer)


async def test_an_unknown_peer_is_turned_away_logged_and_counted(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0?peer=127.0.0.2")
    with capture_logs() as logs:
        async with serve(analyzer) as hub:
            reader, writer = await call(hub.address("42"), "127.0.0.3")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            await hang_up(writer)
    assert analyzer.made == []
    assert analyzer.counters.refused == 1
    assert [entry["peer"] for entry in logs if entry["event"] == "peer_unknown"] == ["127.0.0.3"]


@pytest.mark.conformance(52)
async def test_allow_gives_each_connection_of_an_instrument_its_own_session(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0")
    async with serve(analyzer) as hub:
        _, first = await call(hub.address("42"))
        _, second = await call(hub.address("42"))
        await analyzer.until(lambda: analyzer.counters.connections == 2)
        first.write(b"1")
        second.write(b"2")
        await analyzer.until(lambda: all(connection.data for connection in analyzer.made))
        assert {connection.data for connection in analyzer.made} == {b"1", b"2"}
        await hang_up(first, second)


@pytest.mark.conformance(52)
async def test_refuse_keeps_the_first_connection(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0", policy="refuse")
    async with serve(analyzer) as hub:
        _, first = await call(hub.address("42"))
        await analyzer.until(lambda: analyzer.made)
        reader, second = await call(hub.address("42"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert len(analyzer.made) == 1
        assert analyzer.counters.refused == 1
        await hang_up(first, second)
        await analyzer.made[0].closed
        _, third = await call(hub.address("42"))
        await analyzer.until(lambda: len(analyzer.made) == 2)
        await hang_up(third)


@pytest.mark.conformance(52)
async def test_newest_wins_drops_the_older_connection(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0", policy="newest_wins")
    async with serve(analyzer) as hub:
        _, first = await call(hub.address("42"))
        await analyzer.until(lambda: analyzer.made)
        _, second = await call(hub.address("42"))
        await analyzer.made[0].closed
        second.write(b"2")
        await analyzer.until(lambda: analyzer.made[1].data == b"2")
        await hang_up(first, second)


@pytest.mark.conformance(51)
async def test_a_peer_that_hung_up_is_welcome_again_at_once(instrument, serve):
    analyzer = instrument("listen://127.0.0.1:0", policy="refuse")
    async with serve(analyzer) as hub:
        for turn in range(3):
            _, writer = await call(hub.address("42"))
            await analyzer.until(lambda turn=turn: len(analyzer.made) == turn + 1)
            await hang_up(writer)
            await analyzer.made[turn].closed


async def test_an_address_in_use_is_tried_again_while_other_links_work(instrument, serve):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        blocked = instrument(f"listen://127.0.0.1:{taken.getsockname()[1]}", name="blocked")
        other = instrument("listen://127.0.0.1:0", name="other")
        async with serve(blocked, other, bound=False) as hub:
            with pytest.raises(RuntimeError, match="is not bound"):
                hub.address("blocked")
            await hub.bound("other")
            _, writer = await call(hub.address("other"))
            await other.until(lambda: other.made)
            await hang_up(writer)
            taken.close()
            await hub.bound()
            _, writer = await call(hub.address("blocked"))
            await blocked.until(lambda: blocked.made)
            await hang_up(writer)
        assert blocked.counters.failures >= 1
