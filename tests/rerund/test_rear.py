"""The rear of the daemon: a registrar hears only its own answers."""

import asyncio
import socket

import pytest

from rerund import rear as rear_module
from rerund.child_line import LENGTH_BYTES
from rerund.config import load
from rerund.journal.journal import Journal
from rerund.rear import Rear
from rerund.registrar_channel import Marked, Marks, decode_for_registrar
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
async def rear(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text(CONFIG.format(tmp_path))
    config = load(path)
    journal = Journal.open(config.journal_path, poll_seconds=0.01)
    journal.start(asyncio.get_running_loop())
    yield Rear(config, journal)
    assert await journal.close()


async def test_a_registrar_that_has_gone_is_not_answered_by_its_successor(rear):
    old, new = [await connected() for _ in range(2)]
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
