"""A running journal with everything it called back, and short ways to ask it for things."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from protocols.astm.frame import encode
from rerund.journal.errors import JournalError, JournalFailed
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.journal.rows import Decision, EntryState, Mark, PayloadRow, ReceivedEntry

AT = "2024-05-20T10:30:00.000Z"


class Desk:
    """`async with Desk(folder) as desk`: opened, started, and closed at the end."""

    def __init__(self, folder: Path, *, ballast_bytes: int = 65536, poll_seconds: float = 0.01):
        self.path = folder / "journal.db"
        self._options = {"ballast_bytes": ballast_bytes, "poll_seconds": poll_seconds}
        self.received: list[ReceivedEntry] = []
        self.accepting: list[bool] = []
        self.fatal: list[JournalFailed] = []
        self.changes = 0

    async def __aenter__(self) -> "Desk":
        self.journal = Journal.open(self.path, **self._options)
        self.journal.on_received = self.received.append
        self.journal.on_accepting = self.accepting.append
        self.journal.on_fatal = self.fatal.append
        self.journal.on_changed = self._changed
        self.journal.start(asyncio.get_running_loop())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.journal.close()

    def _changed(self) -> None:
        self.changes += 1

    def begin(self, device: str = "42", link: str = "tcp", at: str = AT) -> int:
        return self.journal.begin_entry(device, link, at)

    def frame(
        self, entry: int, text: bytes, number: int = 1
    ) -> asyncio.Future[JournalError | None]:
        """Append a frame; the future says what the journal said to it."""
        answer = asyncio.get_running_loop().create_future()
        self.journal.append_frame(entry, encode(text, number), text, answer.set_result)
        return answer

    async def message(self, *texts: bytes, device: str = "42", at: str = AT) -> int:
        """Store a whole message as an instrument sends it: each frame after the last ACK."""
        entry = self.begin(device, at=at)
        for number, text in enumerate(texts, 1):
            answer = self.frame(entry, text, number)
            if number == len(texts):
                self.journal.complete_entry(entry, b"".join(texts))
            assert await answer is None
        return entry

    async def decide(
        self,
        entry: int,
        *payloads: PayloadRow,
        state: EntryState = "interpreted",
        device: str = "42",
        at: str = AT,
        digest: bytes = b"d",
        superseded: Sequence[int] = (),
        continues: Sequence[int] = (),
    ) -> None:
        """Record what became of an entry, and wait for the commit."""
        answer = asyncio.get_running_loop().create_future()
        decision = Decision(
            entry,
            device,
            at,
            state,
            digest=digest,
            inputs=b"i",
            payloads=payloads,
            superseded=superseded,
            continues=continues,
        )
        self.journal.record(decision, answer.set_result)
        assert await answer is None

    async def mark(self, *marks: Mark) -> None:
        answer = asyncio.get_running_loop().create_future()
        self.journal.mark_payloads(marks, answer.set_result)
        assert await answer is None

    async def flush(self) -> None:
        """Wait until all that was asked for is on disk, answered or not."""
        await asyncio.sleep(0)
        await self.mark()

    def read(self) -> JournalReader:
        return JournalReader(self.path)


def payload(sample: str = "S1", body: bytes = b"body", *, is_rerun: bool = False) -> PayloadRow:
    return PayloadRow(f"id of {body!r}", sample, is_rerun, 1 if is_rerun else 0, "patient", body)


async def until(condition: Callable[[], object]) -> None:
    """Give the loop turns until something is so; the test's time limit ends it otherwise."""
    while not condition():
        await asyncio.sleep(0.001)
