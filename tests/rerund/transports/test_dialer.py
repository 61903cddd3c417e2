import asyncio
import socket

import pytest

from rerund.transports.dialer import dial


class Analyzer:
    """An instrument that listens: counts its callers and hangs up on request."""

    def __init__(self):
        self.callers = []
        self.called = asyncio.Event()

    async def start(self, port=0):
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        return self.server.sockets[0].getsockname()[1]

    async def _answer(self, reader, writer):
        self.callers.append(writer)
        self.called.set()
        await reader.read()
        writer.close()

    async def until_callers(self, count):
        while len(self.callers) < count:
            self.called.clear()
            await self.called.wait()

    async def stop(self):
        self.server.close()
        for writer in self.callers:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_an_instrument_that_listens_is_called_and_its_bytes_arrive(instrument, serve):
    analyzer = Analyzer()
    link = instrument(f"connect://127.0.0.1:{await analyzer.start()}")
    async with serve(link):
        await analyzer.until_callers(1)
        analyzer.callers[0].write(b"\x05")
        await link.until(lambda: link.made[0].data == b"\x05")
        sock = link.made[0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link.counters.state == "connected"
    assert link.made[0].closed.done()
    await analyzer.stop()


async def test_an_instrument_that_hangs_up_is_called_again(instrument, serve):
    analyzer = Analyzer()
    link = instrument(f"connect://127.0.0.1:{await analyzer.start()}")
    async with serve(link):
        for turn in (1, 2, 3):
            await analyzer.until_callers(turn)
            analyzer.callers[-1].close()
        await analyzer.until_callers(4)
        assert link.counters.reconnects >= 3
    await analyzer.stop()


async def test_an_instrument_that_is_off_is_called_until_it_is_on(instrument, serve):
    analyzer = Analyzer()
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        port = later.getsockname()[1]
        link = instrument(f"connect://127.0.0.1:{port}")
        async with serve(link):
            while link.counters.failures < 3:
                await asyncio.sleep(0)
            later.close()
            await analyzer.start(port)
            await analyzer.until_callers(1)
        await analyzer.stop()


async def test_nobody_there_is_an_os_error(instrument):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        link = instrument(f"connect://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(OSError, match="Connect call failed"):
            await dial(link.url, link.connect)
