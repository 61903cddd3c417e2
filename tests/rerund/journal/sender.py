"""A process that stores messages on several links, and prints what was acknowledged.

`sender.py FOLDER LINKS`: "ACK entry ordinal" for each frame, "NAK entry", "FATAL",
"FULL", "ROOM" as the journal says so, and, at the end of the input, "CLOSED True" or
"CLOSED False". The input has a command a line: "tick" is answered "TICK", "close" closes
within 50 ms, "fill" and "free" take all the room of the disk and give it back, and a number
sends that many messages more.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from protocols.astm.frame import encode
from rerund.journal.errors import JournalError
from rerund.journal.journal import Journal

H, R, L = b"H|\\^&\r", b"R|1|^^^GLU|5.5\r", b"L|1|N\r"
AT = "2026-05-20T10:30:00.000Z"


def say(line: str) -> None:
    """Print at once, whatever happens next."""
    os.write(1, line.encode() + b"\n")


async def send(journal: Journal, link: str) -> None:
    """Store one message, frame by frame."""
    entry = journal.begin_entry("42", link, AT)
    for number, text in enumerate((H, R, L)):
        stored: asyncio.Future[JournalError | None] = asyncio.Future()
        journal.append_frame(
            entry, encode(text, number + 1), text, partial(answer, f"{entry} {number}", stored)
        )
        if text is L:
            journal.complete_entry(entry, H + R + L)
        if await stored is not None:
            journal.hold_entry(entry, "incomplete")
            return


def answer(
    frame: str, stored: asyncio.Future[JournalError | None], error: JournalError | None
) -> None:
    """Say what a link would answer, when it would: before anything that the journal says next."""
    say(f"ACK {frame}" if error is None else f"NAK {frame.partition(' ')[0]}")
    stored.set_result(error)


async def keep_sending(journal: Journal, link: str, messages: int) -> None:
    """Store messages one after the other; -1 stands for ever."""
    while messages:
        await send(journal, link)
        messages -= 1
        await asyncio.sleep(0 if journal.accepting else 0.01)


def fill(path: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))


async def main(folder: Path, links: int) -> None:
    """Send until the input ends."""
    journal = Journal.open(folder / "journal.db", ballast_bytes=65536)
    journal.on_fatal = lambda error: say(f"FATAL {error}")
    journal.on_accepting = lambda accepting: say("ROOM" if accepting else "FULL")
    journal.start(asyncio.get_running_loop())
    tasks = [asyncio.create_task(keep_sending(journal, f"link {n}", -1)) for n in range(links)]
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while command := await commands.readline():
        if command == b"tick\n":
            say("TICK")
        elif command == b"close\n":
            say(f"CLOSED {await journal.close(timeout=0.05)}")
        elif command == b"fill\n":
            fill(folder / "filler")
        elif command == b"free\n":
            (folder / "filler").unlink()
        else:
            tasks.append(asyncio.create_task(keep_sending(journal, "asked for", int(command))))
    for task in tasks:
        task.cancel()
    say(f"CLOSED {await journal.close()}")


if __name__ == "__main__":
    if sys.argv[1] == "--in-tmpfs":
        # The mount is this process's own: `unshare` gave it a namespace.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", sys.argv[2]], check=True)
    asyncio.run(main(Path(sys.argv[-2]), int(sys.argv[-1])))
