"""The fetch endpoint: 40 clients look at reports while results come in over the wire."""

import asyncio
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.backlog import LAB, Payloads
from benchmarks.measure import Row, percentile, row
from benchmarks.registrar import drained, filled
from benchmarks.samples import one_frame
from benchmarks.server import DaemonUnderTest, Generator, instrument
from rerund.http import token_edit
from rerund.http.tokens import Token, hashed

CLIENTS, ROUNDS = 40, 3
PAUSE = 1.0
"""Seconds between two looks of one client: a screen that refreshes itself."""

SECONDS = 4.0
RATE = 20.0
"""Messages a second over the wire, each of 41 results: fifty busy analyzers."""

REPORTS, RESULTS = 1000, 21


def rows() -> Iterator[Row]:
    """Yield the rows of the embedded store."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        state = filled(directory / "state", Payloads(RESULTS), REPORTS)
        drained(state)
        for path in state.glob("journal*"):  # its entries were never received: begin a new one
            path.unlink()
        message = directory / "one.astm"
        message.write_bytes(one_frame())
        secret = _token(directory / "tokens.toml")
        http = f'[http]\nlisten = "127.0.0.1:0"\ntokens_file = "{directory}/tokens.toml"\n'
        generator = Generator(directory)
        with DaemonUnderTest(state, instrument("sysmex-xn") + http, pinned=False) as daemon:
            port = daemon.http_port()
            found = [_round(daemon, generator, message, port, secret) for _ in range(ROUNDS)]
    what = (
        f"fetch of a report of {RESULTS} values, {CLIENTS} clients, {RATE:g} messages/s coming in"
    )
    yield row(f"{what}: p50", [percentile(looks, 0.5) for looks in found], "ms")
    p99 = [percentile(looks, 0.99) for looks in found]
    yield row(f"{what}: p99", p99, "ms", ceiling=20.0)


def _token(path: Path) -> str:
    secret = token_edit.new_secret()
    token_edit.add(
        path,
        Token(name="bench", sha256=hashed(secret), lab_id=LAB, user_id=1, role="viewer"),
    )
    return secret


def _round(
    daemon: DaemonUnderTest, generator: Generator, message: Path, port: int, secret: str
) -> list[float]:
    flowing = threading.Thread(
        target=generator.run, args=(daemon.ports[0], message), kwargs={"rate": RATE}
    )
    flowing.start()
    looks = asyncio.run(_look(port, secret))
    flowing.join()
    return looks


async def _look(port: int, secret: str) -> list[float]:
    """Let every client look for `SECONDS`; returns the milliseconds of each look."""
    until = time.perf_counter() + SECONDS
    clients = [_client(port, secret, until, number / CLIENTS) for number in range(CLIENTS)]
    return [took for looks in await asyncio.gather(*clients) for took in looks]


async def _client(port: int, secret: str, until: float, phase: float) -> list[float]:
    rng = random.Random(phase)
    await asyncio.sleep(phase * PAUSE)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    looks = []
    while time.perf_counter() < until:
        report = rng.randrange(1, REPORTS)
        report += report % 10 == 0  # every tenth payload is a rerun and has no report of its own
        started = time.perf_counter()
        writer.write(
            f"GET /sample-rerun/{report} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {secret}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        looks.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(PAUSE)
    writer.close()
    return looks
