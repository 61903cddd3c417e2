import asyncio
import errno
import os
import termios
import threading

import pytest
from structlog.testing import capture_logs

from rerund.transports import serial_port
from rerund.transports.connection import TransportError, drop
from rerund.transports.serial_port import open_port, open_serial
from rerund.transports.url import SerialUrl


async def test_every_byte_value_passes_both_ways(instrument, serve, serial_line):
    link = instrument(f"serial://{serial_line.path}?baud=19200&stop=2")
    every_byte = bytes(range(256)) * 4
    async with serve(link):
        await link.until(lambda: link.made and link.counters.connections)
        os.write(serial_line.master, every_byte)
        await link.until(lambda: len(link.made[0].data) == len(every_byte))
        assert link.made[0].data == every_byte
        assert link.made[0].line_errors == 0
        link.made[0].transport.write(every_byte)
        assert await serial_line.read(len(every_byte)) == every_byte


@pytest.mark.conformance(54)
async def test_an_unplugged_adapter_is_opened_again_by_its_path(instrument, serve, serial_line):
    link = instrument(f"serial://{serial_line.path}")
    async with serve(link):
        for turn in range(3):
            await link.until(lambda: link.counters.connections)
            os.write(serial_line.master, b"\x05")
            await link.until(lambda turn=turn: link.made[turn].data == b"\x05")
            serial_line.unplug()
            await link.made[turn].closed
            failed = link.counters.failures
            while link.counters.failures == failed:
                await asyncio.sleep(0)
            serial_line.plug()
        await link.until(lambda: len(link.made) == 4)
        assert link.counters.reconnects >= 3
        assert [connection.losses for connection in link.made[:3]] == [1, 1, 1]


async def test_a_port_is_locked_against_a_second_link(serial_line):
    with open_port(SerialUrl(str(serial_line.path))), pytest.raises(OSError, match="lock"):
        open_port(SerialUrl(str(serial_line.path)))


def test_an_absent_port_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file") as raised:
        open_port(SerialUrl(str(tmp_path / "absent")))
    assert raised.value.errno == errno.ENOENT


def test_parameters_that_a_device_refuses_are_a_transport_error(serial_line, monkeypatch):
    # Some kernels refuse parity on a pseudo terminal, as a UART without it does.
    def refuse(fd, when, attributes):
        raise termios.error(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(termios, "tcsetattr", refuse)
    with pytest.raises(TransportError, match=r"does not take .*parity=E"):
        open_port(SerialUrl(str(serial_line.path), bits=7, parity="E"))


def test_parameters_that_a_device_ignores_are_said(serial_line, monkeypatch):
    # Other kernels take parity for a pseudo terminal and do nothing of it.
    monkeypatch.setattr(termios, "tcsetattr", lambda fd, when, attributes: None)
    with capture_logs() as logs:
        url = SerialUrl(str(serial_line.path), bits=7, parity="E", stop=2, flow="rtscts")
        open_port(url).close()
    assert logs[0]["ignored"] == ["bits", "parity", "stop", "flow"]


async def test_aborting_twice_or_after_the_loss_is_harmless(instrument, serial_line):
    link = instrument(f"serial://{serial_line.path}")
    connection = await open_serial(link.url, link.connect)
    await link.until(lambda: link.counters.connections)
    serial_line.unplug()
    connection.transport.write(b"never sent")
    connection.abort()
    connection.abort()
    await drop([connection])
    connection.abort()
    assert connection.losses == 1


async def test_closing_does_not_wait_for_a_peer_that_reads_nothing(instrument, serial_line):
    link = instrument(f"serial://{serial_line.path}")
    connection = await open_serial(link.url, link.connect)
    await link.until(lambda: link.counters.connections)
    connection.transport.write(bytes(1_000_000))
    await drop([connection])
    assert connection.closed.done()


async def test_a_port_that_opens_after_its_link_was_stopped_is_closed(
    instrument, serial_line, monkeypatch
):
    link = instrument(f"serial://{serial_line.path}")
    opening, stopped = asyncio.Event(), threading.Event()
    opened = []
    loop = asyncio.get_running_loop()

    def open_slowly(url):
        loop.call_soon_threadsafe(opening.set)
        stopped.wait()
        opened.append(open_port(url))
        return opened[0]

    monkeypatch.setattr(serial_port, "open_port", open_slowly)
    task = asyncio.create_task(open_serial(link.url, link.connect))
    await opening.wait()
    task.cancel()
    await asyncio.wait([task])
    stopped.set()
    while not opened or opened[0].is_open:
        await asyncio.sleep(0)
    assert link.made == []


@pytest.mark.conformance(26)
async def test_a_break_on_the_line_is_a_line_error(instrument, serve, serial_line):
    link = instrument(f"serial://{serial_line.path}")
    async with serve(link):
        await link.until(lambda: link.counters.connections)
        # What the kernel hands up for a framing error, as PARMRK marks it: the pseudo
        # terminal can not make one, so the marked bytes come through the adapter itself.
        marked = link.made[0].transport._protocol
        marked.data_received(b"\x02Te\xff\x00sst")
        assert link.made[0].data == b"\x02Test"
        assert link.made[0].line_errors == 1
