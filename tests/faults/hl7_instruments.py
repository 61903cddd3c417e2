"""Simulated instruments that speak HL7 and remember every AA they were given."""

import asyncio

from tests.faults.instruments import PAUSE, Instrument, run_values


class Hl7Instrument(Instrument):
    """A Mindray CL: a message is a block, its rerun is marked in OBX-17.

    A lost line, or any other answer than AA, makes it send the same block again.
    """

    def _message(self, sample: str, *, rerun: bool) -> list[bytes]:
        return [block(sample, rerun=rerun)]

    async def _send(self, frames: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for sent in frames:
                await self._until_answered_aa(sent, reader, writer)
                self.acknowledged[sent] += 1
        finally:
            writer.close()

    async def _until_answered_aa(
        self, sent: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            writer.write(sent)
            if b"\rMSA|AA|" in await reader.readuntil(b"\x1c\r"):
                return
            self.refused.set()
            await asyncio.sleep(PAUSE)


def block(sample: str, *, rerun: bool) -> bytes:
    """Return the block of a first run, or of the rerun that the instrument made by itself."""
    instrument, _, ordinal = sample.rpartition("-")
    values = run_values(sample, rerun=rerun)
    number = f"{instrument}{2 * int(ordinal) + rerun}"
    segments = [
        rf"MSH|^~\&|||||20260520120000||ORU^R01|{number}|P|2.3.1||||0||ASCII",
        "PID|1|1001",
        f"OBR|1|{sample}|17|^|N",
    ]
    for position, ((code, at), value) in enumerate(values.items(), 1):
        clock = "".join(character for character in at if character.isdigit())
        segments.append(
            f"OBX|{position}|NM|{code}|{code}|{value}|||N|||F||{value}|{clock}||T1|{int(rerun)}|"
        )
    return b"\x0b" + "".join(f"{segment}\r" for segment in segments).encode() + b"\x1c\r"
