"""Many simulated instruments that remember every ACK they were given.

Each plays, for one sample after the other, an original blood count and the rerun of part of
it that an XN triggers by itself, a record a frame. A lost line makes an instrument start
the message over (LIS02-A2 4.2.2), a NAK makes it send the frame again.
"""

import asyncio
from collections import Counter

from protocols.astm import frame
from protocols.astm.control import ACK, ENQ, EOT

PAUSE = 0.02
"""Seconds before an instrument dials again, or repeats what was refused."""

RunValues = dict[tuple[str, str], str]
"""Value by (test code, run time)."""

_FIRST_CODES, _RERUN_CODES = ("WBC", "RBC", "HGB", "PLT"), ("WBC", "PLT")


class Instrument:
    """One link: what it has sent and what was acknowledged of it.

    `dials` whoever told it the `port` it is to dial; it waits while that is None.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.acknowledged: Counter[bytes] = Counter()
        self.finished: list[str] = []
        self.refused = asyncio.Event()
        self._port = 0
        self._has_port = asyncio.Event()

    def dial(self, port: int) -> None:
        """Use this port from now on."""
        self._port = port
        self._has_port.set()

    def wait(self) -> None:
        """Dial nobody until told whom."""
        self._has_port.clear()

    async def play(self, enough: asyncio.Event) -> None:
        """Send sample after sample, two messages each, until it is `enough`."""
        while not enough.is_set():
            await self.play_one()

    async def play_one(self) -> None:
        """Send the first run of a new sample and its rerun, whatever happens to the line."""
        sample = sample_id(self.name, len(self.finished))
        await self.until_sent(self._message(sample, rerun=False))
        await self.until_sent(self._message(sample, rerun=True))
        self.finished.append(sample)

    async def until_sent(self, frames: list[bytes]) -> None:
        """Send one message, whatever happens to the line."""
        while True:
            await self._has_port.wait()
            try:
                await self._send(frames)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(PAUSE)
            else:
                return

    def _message(self, sample: str, *, rerun: bool) -> list[bytes]:
        return message(sample, rerun=rerun)

    async def _send(self, frames: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await self._until_acknowledged(ENQ, reader, writer)
            for sent in frames:
                await self._until_acknowledged(sent, reader, writer)
                self.acknowledged[sent] += 1
            writer.write(EOT)
            await writer.drain()
        finally:
            writer.close()

    async def _until_acknowledged(
        self, sent: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            writer.write(sent)
            if await reader.readexactly(1) == ACK:
                return
            self.refused.set()
            await asyncio.sleep(PAUSE)


def sample_id(instrument: str, ordinal: int) -> str:
    """Return the id of an instrument's sample, the first of which has the ordinal 0."""
    return f"{instrument}-{ordinal:06d}"


def run_values(sample: str, *, rerun: bool) -> RunValues:
    """Return what the first run of a sample, or its rerun an hour later, measured."""
    ordinal = int(sample.rpartition("-")[2])
    minute, second = divmod(ordinal % 3600, 60)
    at = f"2026-05-20T{'11' if rerun else '10'}:{minute:02d}:{second:02d}Z"
    codes = _RERUN_CODES if rerun else _FIRST_CODES
    return {
        (code, at): f"{ordinal % 90 + position}.{3 if rerun else 1}"
        for position, code in enumerate(codes)
    }


def message(sample: str, *, rerun: bool) -> list[bytes]:
    """Return the frames of a first run, or of the rerun that the instrument asked for (O.12)."""
    return frames(sample, run_values(sample, rerun=rerun), rerun=rerun)


def frames(sample: str, values: RunValues, *, rerun: bool) -> list[bytes]:
    """Return the frames of a run that measured these values, a record a frame."""
    action, report = ("A", "I") if rerun else ("N", "F")
    records = [
        r"H|\^&|||    XN-1000^00-24^11111^^^^AB123456||||||||E1394-97",
        "P|1",
        f"O|1||^^{sample:>22}^B||||||||{action}||||||||||||||{report}",
    ]
    for position, ((code, at), value) in enumerate(values.items(), 1):
        clock = "".join(character for character in at if character.isdigit())
        records.append(f"R|{position}|^^^^{code}^1|{value}|||N||F||||{clock}")
    records.append("L|1|N")
    return [
        frame.encode(f"{record}\r".encode("ascii"), number)
        for number, record in enumerate(records, 1)
    ]
