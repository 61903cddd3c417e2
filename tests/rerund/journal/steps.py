"""A small day of a journal, killed before its 1st, 2nd, 3rd … SQL statement.

`steps.py FOLDER` makes FOLDER/1, FOLDER/2, …: in each a journal and `said`, the lines of what
the process had been told when it was killed. The last folder is of a day that was not killed.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from protocols.astm.frame import encode
from rerund.journal import schema
from rerund.journal.journal import Journal
from rerund.journal.operations import Done
from rerund.journal.rows import Decision, Mark, PayloadRow
from rerund.journal.schema import SPAN

AT = "2026-05-20T10:30:00.000Z"
TEXTS = (b"H|\\^&\r", b"R|1|^^^GLU|5.5\r", b"L|1|N\r")


class Fated(sqlite3.Connection):
    """A connection whose process dies before its statement number `left`."""

    left = 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Count a statement."""
        self._count()
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        """Count a statement."""
        self._count()
        return super().executemany(*args)

    def _count(self) -> None:
        Fated.left -= 1
        if Fated.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Day:
    """What happens, told line by line to a file."""

    def __init__(self, folder: Path) -> None:
        self._said = os.open(folder / "said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._journal = Journal.open(folder / "journal.db", ballast_bytes=4096)

    async def live(self) -> None:
        """Two links send one message each; one has noise."""
        self._journal.start(asyncio.get_running_loop())
        self._journal.reject("42", "one", b"noise", "unexpected_byte")
        await asyncio.gather(self._message("one"), self._message("two"))
        await self._journal.close()
        os.write(self._said, b"closed\n")

    async def _message(self, link: str) -> None:
        entry = self._journal.begin_entry("42", link, AT)
        for ordinal, text in enumerate(TEXTS):
            done, stored = self._saying(f"frame {entry} {ordinal}")
            self._journal.append_frame(entry, encode(text, ordinal + 1), text, done)
            if text is TEXTS[-1]:
                self._journal.complete_entry(entry, b"".join(TEXTS))
            await stored
        rows = [PayloadRow(f"{entry}-{n}", "S1", False, 0, "patient", b"body") for n in range(2)]
        done, stored = self._saying(f"decided {entry}")
        self._journal.record(
            Decision(entry, "42", AT, "interpreted", digest=b"d", payloads=rows), done
        )
        await stored
        done, stored = self._saying(f"delivered {entry}")
        self._journal.mark_payloads([Mark(entry * SPAN, "delivered")], done)
        await stored

    def _saying(self, line: str) -> tuple[Done, asyncio.Future[None]]:
        """Return a callback that says a line, and a future for when it did."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            assert error is None
            os.write(self._said, line.encode() + b"\n")
            stored.set_result(None)

        return done, stored


def main(folder: Path) -> None:
    """Live the day again and again, each time one statement longer."""
    for statements in count(1):
        here = folder / str(statements)
        here.mkdir()
        child = os.fork()
        if child == 0:
            Fated.left = statements
            sqlite3.connect = partial(sqlite3.connect, factory=Fated)  # type: ignore[assignment]
            asyncio.run(Day(here).live())
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            return


if __name__ == "__main__":
    assert schema.sqlite3 is sqlite3
    main(Path(sys.argv[1]))
