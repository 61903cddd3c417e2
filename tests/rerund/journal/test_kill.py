"""Killed at any moment: what was called stored is there, and nothing is there by halves."""

import asyncio
import random
import sys
from pathlib import Path

import pytest

from protocols.astm.frame import encode
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from tests.rerund.journal.steps import TEXTS

HERE = Path(__file__).parent

pytestmark = pytest.mark.faults


@pytest.mark.conformance(46, 165, 168)
async def test_killed_before_any_statement_what_was_said_is_there_and_whole(tmp_path):
    child = await asyncio.create_subprocess_exec(sys.executable, HERE / "steps.py", tmp_path)
    assert await child.wait() == 0
    days = sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name))
    assert "closed" in (days[-1] / "said").read_text()
    assert len(days) > 20
    for folder in days:
        assert await Journal.open(folder / "journal.db").close()
        said = (folder / "said").read_text().split("\n") if (folder / "said").exists() else []
        with JournalReader(folder / "journal.db") as reader:
            assert not missing(reader, said), folder.name
            assert_whole(reader)


def missing(reader: JournalReader, said: list[str]) -> list[str]:
    """Return the lines that are not true of the journal."""
    return [line for line in said if line and not is_true(reader, *line.split())]


def is_true(reader: JournalReader, what: str, entry: str = "0", ordinal: str = "0") -> bool:
    payloads = reader.payloads(int(entry))
    match what:
        case "frame":
            frames = reader.frames(int(entry))
            return frames[int(ordinal)] == encode(TEXTS[int(ordinal)], int(ordinal) + 1)
        case "decided":
            return len(payloads) == 2
        case "delivered":
            return payloads[0].state == "delivered"
        case _:
            return what == "closed"


def assert_whole(reader: JournalReader) -> None:
    """Check that no entry is torn: its frames are counted, its end came with its last frame."""
    for entry in reader.entries():
        frames = reader.frames(entry.entry_id)
        assert len(frames) == entry.frames
        assert sum(map(len, frames)) == entry.size
        payloads = reader.payloads(entry.entry_id)
        match entry.state:
            case "interpreted":
                assert (len(frames), len(payloads)) == (3, 2)
            case "received":
                assert (len(frames), len(payloads)) == (3, 0)
            case "held":
                assert entry.reason == "incomplete"
                assert len(frames) < 3
            case _:
                assert entry.state == "rejected"


@pytest.mark.conformance(165)
async def test_killed_under_load_nothing_acknowledged_is_lost(tmp_path):
    rng = random.Random(5)
    acknowledged: list[tuple[int, int]] = []
    for _ in range(5):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, HERE / "sender.py", tmp_path, "20"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        heard = [await child.stdout.readline() for _ in range(rng.randint(1, 400))]
        child.kill()
        heard += (await child.stdout.read()).split(b"\n")[:-1]
        await child.wait()
        acknowledged += [
            (int(line.split()[1]), int(line.split()[2])) for line in heard if line[:3] == b"ACK"
        ]
    assert await Journal.open(tmp_path / "journal.db").close()
    with JournalReader(tmp_path / "journal.db") as reader:
        for entry, ordinal in acknowledged:
            assert reader.frames(entry)[ordinal] == encode(TEXTS[ordinal], ordinal + 1)
        assert len(set(acknowledged)) == len(acknowledged)
        for entry in reader.entries():
            assert entry.state == ("received" if entry.frames == 3 else "held")
