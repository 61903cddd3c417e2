"""Full, failed and stalled disks, as a process under the fault shim meets them."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rerund.journal.reader import JournalReader

SENDER = Path(__file__).with_name("sender.py")

pytestmark = pytest.mark.faults


class Sender:
    """A running sender and everything it said."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.said: list[str] = []

    def ask(self, command: str) -> None:
        self._process.stdin.write(command.encode() + b"\n")

    async def hears(self, wanted: str | Callable[[str], bool]) -> str:
        """Return the next line that is wanted."""
        while line := (await self._process.stdout.readline()).decode().strip():
            self.said.append(line)
            if line.startswith(wanted) if isinstance(wanted, str) else wanted(line):
                return line
        raise EOFError(f"the sender ended without {wanted}; it said {self.said[-5:]}")

    async def end(self) -> list[str]:
        """End its input and return all it said."""
        self._process.stdin.close()
        rest = (await self._process.stdout.read()).decode().split("\n")
        assert await self._process.wait() == 0
        self.said += [line for line in rest if line]
        return self.said

    def lost(self) -> list[str]:
        """Return the frames that were acknowledged and are not in the journal."""
        with JournalReader(self._folder / "journal.db") as reader:
            return [
                line
                for line in self.said
                if line.startswith("ACK")
                and len(reader.frames(int(line.split()[1]))) <= int(line.split()[2])
            ]


@pytest.fixture
def start(tmp_path, disk):
    async def start_sender(links: int) -> Sender:
        return Sender(await disk.start(SENDER, tmp_path, links), tmp_path)

    return start_sender


@pytest.mark.conformance(167)
@pytest.mark.parametrize("fault", ["enospc", "edquot"])
async def test_a_full_disk_is_refused_and_there_is_no_need_to_restart(start, disk, fault):
    sender = await start(3)
    await sender.hears("ACK")
    disk.break_with(fault)
    await sender.hears("FULL")
    await sender.hears("NAK")
    disk.mend(fault)
    await sender.hears("ROOM")
    await sender.hears("ACK")
    said = await sender.end()
    assert sender.lost() == []
    assert said.count("FULL") == said.count("ROOM") == 1
    assert "CLOSED True" in said


@pytest.mark.conformance(167)
async def test_a_file_system_that_is_really_full_is_survived(tmp_path):
    sender = await in_tmpfs(tmp_path)
    for _ in range(2):
        await sender.hears("ACK")
        sender.ask("fill")
        await sender.hears("FULL")
        sender.ask("free")
        await sender.hears("ROOM")
    await sender.hears("ACK")
    assert (await sender.end())[-1] == "CLOSED True"


async def in_tmpfs(folder: Path) -> Sender:
    """Start a sender that has 3 MB of disk; skips where mounting is not allowed."""
    allowed = await asyncio.create_subprocess_exec(
        *("unshare", "-Urm", "mount", "-t", "tmpfs", "none", folder),
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await allowed.wait():
        pytest.skip("no permission to mount a small file system")
    return Sender(
        await asyncio.create_subprocess_exec(
            *("unshare", "-Urm", sys.executable, SENDER, "--in-tmpfs", folder, "3"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        ),
        folder,
    )


async def test_nothing_is_acknowledged_between_full_and_room(start, disk):
    sender = await start(3)
    await sender.hears("ACK")
    disk.break_with("enospc")
    await sender.hears("FULL")
    for _ in range(20):
        await sender.hears("NAK")
    disk.mend("enospc")
    await sender.hears("ROOM")
    said = await sender.end()
    while_full = said[said.index("FULL") : said.index("ROOM")]
    assert not [line for line in while_full if line.startswith("ACK")]


async def test_a_journal_stopped_while_full_keeps_what_it_had(start, disk):
    sender = await start(3)
    await sender.hears("ACK")
    disk.break_with("enospc")
    await sender.hears("FULL")
    await sender.end()
    disk.mend("enospc")
    assert sender.lost() == []


@pytest.mark.parametrize("fault", ["eio", "eio-db"])
async def test_after_a_failed_fsync_nothing_is_acknowledged_any_more(start, disk, fault):
    sender = await start(5)
    await sender.hears("ACK")
    disk.break_with(fault)
    assert await sender.hears("FATAL") == ("FATAL the journal can not commit: SQLITE_IOERR_FSYNC")
    disk.mend(fault)  # a second attempt would succeed, and prove nothing
    for _ in range(20):
        await sender.hears("NAK")
    said = await sender.end()
    after = said[next(n for n, line in enumerate(said) if line.startswith("FATAL")) :]
    assert not [line for line in after if line.startswith("ACK")]
    assert said[-1] == "CLOSED False"
    assert sender.lost() == []


async def test_what_was_not_acknowledged_at_a_failed_fsync_does_no_harm_at_the_next_start(
    start, disk
):
    sender = await start(5)
    await sender.hears("ACK")
    disk.break_with("eio")
    await sender.hears("FATAL")
    disk.mend("eio")
    await sender.end()
    again = await start(5)
    for _ in range(20):
        await again.hears("ACK")
    assert (await again.end())[-1] == "CLOSED True"
    assert sender.lost() == again.lost() == []


async def test_a_stalled_disk_stalls_acknowledgements_and_nothing_else(start, disk):
    sender = await start(0)
    sender.ask("1")
    await sender.hears("ACK 1 2")
    disk.break_with("stall")
    sender.ask("1")
    for _ in range(5):
        sender.ask("tick")
        await sender.hears("TICK")
    assert not [line for line in sender.said if line.startswith("ACK 2")]
    disk.mend("stall")
    await sender.hears("ACK 2 2")
    await sender.end()
    assert sender.lost() == []


async def test_a_close_does_not_wait_longer_than_it_was_told_for_a_stalled_disk(start, disk):
    sender = await start(0)
    sender.ask("1")
    await sender.hears("ACK 1 2")
    disk.break_with("stall")
    sender.ask("1")
    sender.ask("close")
    assert await sender.hears("CLOSED") == "CLOSED False"
    sender.ask("tick")
    await sender.hears("TICK")
    disk.mend("stall")
    assert (await sender.end())[-1] == "CLOSED True"
