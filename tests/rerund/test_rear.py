"""The rear of the daemon: a registrar is tried again for ever, and hears only its own answers."""

import asyncio
import errno
import socket

import pytest
from structlog.testing import capture_logs

from rerund import rear as rear_module
from rerund.config import load
from rerund.journal.journal import Journal
from rerund.rear import Rear
from rerund.registrar_channel import LENGTH_BYTES, Marked, Marks, decode_for_registrar
from rerund.registrar_process import Channel

CONFIG = """
[daemon]
state_dir = "{}"
[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://127.0.0.1:0"
"""


@pytest.fixture
async def rear(tmp_path, monkeypatch):
    monkeypatch.setattr(rear_module, "FIRST_RESTART", 0.001)
    path = tmp_path / "rerund.toml"
    path.write_text(CONFIG.format(tmp_path))
    config = load(path)
    journal = Journal.open(config.journal_path, poll_seconds=0.01)
    journal.start(asyncio.get_running_loop())
    yield Rear(config, journal)
    assert await journal.close()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_registrar_that_can_not_be_started_is_tried_again(rear, monkeypatch):
    spawn, left = rear_module._spawn, [errno.EAGAIN, errno.ENOMEM, errno.EMFILE]
    sockets = []

    async def fails(theirs):
        sockets.append(theirs)
        if left:
            raise OSError(left.pop(0), "12.5")
        return await spawn(theirs)

    monkeypatch.setattr(rear_module, "_spawn", fails)
    with capture_logs() as logs:
        rear.start()
        await until(lambda: rear._writer is not None)
        await rear.stop()
    died = [line for line in logs if line["event"] == "registrar_died"]
    assert [line["error"] for line in died] == ["BlockingIOError", "OSError", "OSError"]
    assert all(line["alert"] for line in died)
    assert "12.5" not in repr(died)
    assert [theirs.fileno() for theirs in sockets] == [-1] * 4


async def test_a_fault_of_ours_ends_one_registrar_and_not_the_trying(rear, monkeypatch):
    spawn, processes = rear_module._spawn, []

    async def watched(theirs):
        processes.append(await spawn(theirs))
        return processes[-1]

    def fails(message, asker):
        raise ValueError("12.5")

    monkeypatch.setattr(rear_module, "_spawn", watched)
    monkeypatch.setattr(rear, "_act", fails)
    with capture_logs() as logs:
        rear.start()
        await until(lambda: len(processes) > 1)
        assert await processes[0].wait() < 0
        await rear.stop()
    assert "ValueError" in [line.get("error") for line in logs]


async def test_a_registrar_that_has_gone_is_not_answered_by_its_successor(rear):
    old, new = [await connected() for _ in range(2)]
    rear._writer = new.writer
    marked = rear_module._answer(7, old.writer)
    marked(None)
    assert await old.hears() == Marked(7)
    old.writer.close()
    marked(None)
    rear._act(Marks(8, []), new.writer)
    assert await new.hears() == Marked(8)
    new.writer.close()
    await old.done()
    await new.done()


class End:
    """Both ends of the line to a registrar."""

    def __init__(self, writer, reader, theirs):
        self.writer, self._reader, self._theirs = writer, reader, theirs

    async def hears(self):
        length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
        return decode_for_registrar(await self._reader.readexactly(length))

    async def done(self):
        """Nothing else came."""
        assert await self._reader.read() == b""
        self._theirs.close()
        await self._theirs.wait_closed()
        await self.writer.wait_closed()


async def connected():
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    reader, their_writer = await asyncio.open_connection(sock=theirs)
    return End(writer, reader, their_writer)


def test_an_answer_that_nobody_waits_for_is_passed_over():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(theirs)
        told = []
        channel.mark([], told.append)
        channel.marked(Marked(7))
        channel.marked(Marked(1))
        channel.marked(Marked(1))
        channel._file.close()
    assert told == [None]
