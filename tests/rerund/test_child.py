"""A process of the daemon's own is tried again for ever, whatever ended it."""

import errno

import pytest
from structlog.testing import capture_logs

from rerund import child as child_module
from rerund.child import Child
from rerund.child_line import UNUSABLE, packed
from tests.rerund.site import until

ECHO = """
import socket, sys
from rerund.child_line import packed, receive
line = socket.socket(fileno=int(sys.argv[1]))
file = line.makefile("rb")
while (body := receive(file)) is not None:
    if body.isdigit():
        sys.exit(int(body))
    line.sendall(packed(body.upper()))
"""


@pytest.fixture
def heard():
    return []


@pytest.fixture
def child(tmp_path, monkeypatch, heard):
    """A process that says every message again in capitals, and ends with a number it hears."""
    monkeypatch.setattr(child_module, "FIRST_RESTART", 0.001)
    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Child("echo", "echo", lambda: packed(b"hello"), lambda body, _: heard.append(body))


async def test_it_is_greeted_and_heard_and_ends_with_its_line(child, heard):
    child.start()
    await until(lambda: heard)
    child.send(packed(b"12.5"))
    await until(lambda: len(heard) == 2)
    await child.stop()
    assert heard == [b"HELLO", b"12.5"]


async def test_one_that_can_not_be_started_is_tried_again(child, heard, monkeypatch):
    spawn, left = child_module._spawn, [errno.EAGAIN, errno.ENOMEM, errno.EMFILE]
    sockets = []

    async def fails(module, theirs):
        sockets.append(theirs)
        if left:
            raise OSError(left.pop(0), "12.5")
        return await spawn(module, theirs)

    monkeypatch.setattr(child_module, "_spawn", fails)
    with capture_logs() as logs:
        child.start()
        await until(lambda: heard)
        await child.stop()
    died = [line for line in logs if line["event"] == "echo_died"]
    assert [line["error"] for line in died] == ["BlockingIOError", "OSError", "OSError"]
    assert all(line["alert"] for line in died)
    assert "12.5" not in repr(died)
    assert [theirs.fileno() for theirs in sockets] == [-1] * 4


async def test_one_that_ends_is_started_again(child, heard):
    with capture_logs() as logs:
        child.start()
        await until(lambda: heard)
        child.send(packed(b"3"))
        await until(lambda: len(heard) == 2)
        await child.stop()
    assert [line["exit_code"] for line in logs if line["event"] == "echo_died"] == [3]


async def test_a_fault_of_ours_ends_one_process_and_not_the_trying(child, heard, monkeypatch):
    spawn, processes = child_module._spawn, []

    async def watched(module, theirs):
        processes.append(await spawn(module, theirs))
        return processes[-1]

    def fails(body, asker):
        raise ValueError("12.5")

    monkeypatch.setattr(child_module, "_spawn", watched)
    monkeypatch.setattr(child, "_hear", fails)
    with capture_logs() as logs:
        child.start()
        await until(lambda: len(processes) > 1)
        assert await processes[0].wait() < 0
        await child.stop()
    assert "ValueError" in [line.get("error") for line in logs]


async def test_one_of_no_use_is_not_tried_again(child):
    refused = []
    child.on_unusable = lambda: refused.append(True)
    child._greet = lambda: packed(str(UNUSABLE).encode())
    with capture_logs() as logs:
        child.start()
        await child._task
    assert refused == [True]
    assert not [line for line in logs if line["event"] == "echo_died"]
