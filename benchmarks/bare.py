"""The reference server: bare asyncio, counts bytes, acknowledges, keeps nothing.

`python -m benchmarks.bare` prints its port and serves until it is ended.
"""

import asyncio

_ANSWERED = b"\x05\n"  # ENQ, and the LF that ends a frame


class AckOnly(asyncio.Protocol):
    """Answers every ENQ and every end of a frame with ACK."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Acknowledge what `data` owes."""
        owed = sum(data.count(byte) for byte in _ANSWERED)
        if owed:
            self._transport.write(b"\x06" * owed)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(AckOnly, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
