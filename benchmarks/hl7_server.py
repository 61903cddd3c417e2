"""The reference server of HL7: the `hl7` library's own, parses and acknowledges, keeps nothing.

`python -m benchmarks.hl7_server` prints its port and serves until it is ended.
"""

import asyncio

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server


async def _answer(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    while not reader.at_eof():
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            break
        writer.writemessage(message.create_ack())
        await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await start_hl7_server(_answer, "127.0.0.1", 0, encoding="utf-8")
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
