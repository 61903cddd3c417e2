"""The server and its limits: sizes, times and numbers, each answered in the one shape."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager, closing

import httpx
import pytest
from structlog.testing import capture_logs

from rerund.http import limits, server
from tests.rerund.http.office import Office, error
from tests.rerund.site import until

BODY = b'{"version": 1, "reason": "lost"}'


class Served:
    """An office behind a real server on a port of its own."""

    def __init__(self, office: Office, running: server.Server, port: int) -> None:
        self.office = office
        self.state = running.server_state
        self.port = port
        secret = office.holders.secrets["technician"]
        self.bearer = f"Authorization: Bearer {secret}\r\n"

    def head(self, *lines: str) -> bytes:
        """The head of a cancel, open for more."""
        given = (
            "POST /sample-rerun/1/cancel HTTP/1.1\r\nHost: rerund\r\n"
            f"{self.bearer}Content-Type: application/json\r\n"
        )
        return (given + "".join(f"{line}\r\n" for line in lines)).encode()

    async def open(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def get(self) -> httpx.Response:
        headers = dict([self.bearer.strip().split(": ", 1)])
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            return await client.get("/sample-rerun/1", headers=headers)


@asynccontextmanager
async def served(office: Office):
    """Let a server run inside the block."""
    running = server.server_of(office.start, office.app)
    with capture_logs() as logs:
        sock = await server.bound("127.0.0.1", 0)
        port = sock.getsockname()[1]
        task = asyncio.create_task(running.serve([sock]))
        while not running.started:
            await asyncio.sleep(0)
        assert [line["port"] for line in logs if line["event"] == "http_listening"] == [port]
    try:
        yield Served(office, running, port)
    finally:
        running.should_exit = True
        await task


@pytest.fixture
async def site_served(office):
    async with served(office) as it:
        yield it


async def answer(reader: asyncio.StreamReader) -> httpx.Response:
    """Read one answer as it came over the wire."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers["content-length"]))
    return httpx.Response(int(head[0].split()[1]), headers=headers, content=body)


async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for the other side to close."""
    try:
        await reader.read()
    except ConnectionError:
        return
    finally:
        writer.close()


async def test_a_body_that_says_it_is_too_large_is_refused_unread(site_served):
    reader, writer = await site_served.open(site_served.head("Content-Length: 1000001", ""))
    refused = await answer(reader)
    assert (refused.status_code, error(refused)["code"]) == (413, "too_large")
    writer.close()


@pytest.mark.parametrize("size", [10_001, 1_000_000])
async def test_a_body_that_grows_too_large_is_refused(site, tmp_path, size):
    site.report()
    async with served(Office(site, tmp_path, max_body_bytes=10_000)) as it:
        reader, writer = await it.open(it.head("Transfer-Encoding: chunked", ""))
        for _ in range(size // 1000):
            writer.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        writer.write(b"1\r\n \r\n0\r\n\r\n")
        refused = await answer(reader)
        assert (refused.status_code, error(refused)["code"]) == (413, "too_large")
        writer.close()
        assert (await it.get()).status_code == 200


async def test_a_body_of_just_the_size_is_read(site, tmp_path):
    site.report()
    async with served(Office(site, tmp_path, max_body_bytes=10_000)) as it:
        body = BODY + b" " * (10_000 - len(BODY))
        for how in (
            it.head("Content-Length: 10000", "") + body,
            it.head("Transfer-Encoding: chunked", "") + b"2710\r\n" + body + b"\r\n0\r\n\r\n",
        ):
            reader, writer = await it.open(how)
            assert (await answer(reader)).status_code == 409
            writer.close()


async def test_an_unknown_caller_is_refused_before_a_body_is_read(site_served):
    head = site_served.head("Transfer-Encoding: chunked", "").replace(b"Bearer ", b"Bearer x")
    reader, writer = await site_served.open(head)
    refused = await answer(reader)
    assert refused.status_code == 401
    writer.close()


async def test_slow_callers_do_not_keep_others_waiting(site_served):
    slow = [
        await site_served.open(part)
        for part in (
            b"",
            b"GET /sample-rerun/1 HTTP/1.1\r\nHost: ",
            site_served.head("Content-Length: 10", "") + b"{",
            site_served.head("Transfer-Encoding: chunked", ""),
        )
        for _ in range(10)
    ]
    assert (await site_served.get()).status_code == 200
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize(
    "part", [b"", b"GET /sample", b"GET /sample-rerun/1 HTTP/1.1\r\nHost: "], ids=len
)
async def test_a_head_that_does_not_come_ends_the_connection(site_served, monkeypatch, part):
    monkeypatch.setattr(server, "HEADER_TIMEOUT", 0.05)
    reader, writer = await site_served.open(part)
    await closed(reader, writer)


async def test_a_head_that_drips_wins_no_time(site_served, monkeypatch):
    monkeypatch.setattr(server, "HEADER_TIMEOUT", 0.2)
    reader, writer = await site_served.open(b"GET /sample-rerun/1 HTTP/1.1\r\n")
    ended = asyncio.create_task(closed(reader, writer))
    while not ended.done():
        writer.write(b"X-Drip: 1\r\n")
        await asyncio.sleep(0.01)
    await ended


async def test_a_second_head_that_does_not_come_ends_the_connection(site_served, monkeypatch):
    monkeypatch.setattr(server, "HEADER_TIMEOUT", 0.05)
    reader, writer = await site_served.open(site_served.head("Content-Length: 32", "") + BODY)
    assert (await answer(reader)).status_code == 409
    writer.write(b"GET ")
    await closed(reader, writer)


async def test_a_body_that_does_not_come_is_told_and_ends(site_served, monkeypatch):
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.05)
    monkeypatch.setattr(server, "HEADER_TIMEOUT", 0.05)
    reader, writer = await site_served.open(site_served.head("Content-Length: 32", "") + b"{")
    refused = await answer(reader)
    assert (refused.status_code, error(refused)["code"]) == (408, "timeout")
    writer.write(b'"')
    await closed(reader, writer)


DOCS = b"GET /docs HTTP/1.1\r\nHost: rerund\r\n\r\n"

MANY = 600
"""Requests of which no kernel keeps all the answers."""


@asynccontextmanager
async def deaf(it: Served):
    """Open a connection that nobody reads from; it has to end as one of which that is told."""
    with closing(socket.socket()) as sock, capture_logs() as logs:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", it.port))
        await until(lambda: it.state.connections)
        yield sock
        await until(lambda: not it.state.connections)
    assert [line["event"] for line in logs].count("answer_unread") == 1


async def test_who_reads_no_answer_takes_no_place_of_others(site, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "READ_TIMEOUT", 0.05)
    site.report()
    async with served(Office(site, tmp_path, max_requests=1)) as it:
        async with deaf(it) as sock:
            asking = asyncio.create_task(asyncio.get_running_loop().sock_sendall(sock, DOCS * MANY))
            await until(lambda: not it.state.connections)
            asking.cancel()
            await asyncio.wait([asking])
        answers = [await it.get()]
        while answers[-1].status_code == 503:
            answers.append(await it.get())
        assert answers[-1].status_code == 200


@pytest.mark.parametrize(
    ("last", "timeout"),
    [
        (DOCS.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), None),
        (b"HELLO\r\n\r\n", None),
        (b"", "KEEP_ALIVE"),
        (b"GET ", "HEADER_TIMEOUT"),
    ],
    ids=["as asked", "for no HTTP", "as idle", "for a late head"],
)
async def test_a_close_waits_for_nobody_to_read(office, monkeypatch, last, timeout):
    monkeypatch.setattr(server, "READ_TIMEOUT", 0.05)
    if timeout is not None:
        monkeypatch.setattr(server, timeout, 0.05)
    async with served(office) as it, deaf(it) as sock:
        for protocol in it.state.connections:  # whose answers are then all written at once
            protocol.transport.set_write_buffer_limits(high=2**30)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, DOCS * MANY)
        await until(lambda: it.state.total_requests == MANY)
        await loop.sock_sendall(sock, last)


async def test_what_is_no_http_is_told_in_the_same_shape(site_served):
    for said in (b"HELLO\r\n\r\n", b"\x16\x03\x01\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        reader, writer = await site_served.open(said)
        refused = await answer(reader)
        assert (refused.status_code, error(refused)["code"]) == (400, "malformed")
        await closed(reader, writer)


async def test_a_head_without_end_is_refused(site_served):
    reader, writer = await site_served.open(site_served.head("X-Long: " + "x" * 70_000, ""))
    refused = await answer(reader)
    assert (refused.status_code, error(refused)["code"]) == (400, "malformed")
    await closed(reader, writer)


async def test_too_many_connections_are_closed(site_served, monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    kept = [await site_served.open() for _ in range(3)]
    with capture_logs() as logs:
        reader, writer = await site_served.open()
        await closed(reader, writer)
    assert [line["event"] for line in logs] == ["too_many_connections"]
    for _, writer in kept:
        writer.close()


async def test_too_many_at_once_are_told_to_come_again(site, tmp_path, monkeypatch):
    site.report()
    office = Office(site, tmp_path, max_requests=2)
    service = office.backend.parts()[0]
    entered, go_on, show = threading.Semaphore(0), threading.Event(), service.show

    def slow(*arguments):
        entered.release()
        assert go_on.wait(60)
        return show(*arguments)

    monkeypatch.setattr(service, "show", slow)
    async with served(office) as it:
        first = [asyncio.create_task(it.get()) for _ in range(2)]
        for _ in first:
            await asyncio.to_thread(entered.acquire)
        refused = await it.get()
        go_on.set()
        assert (refused.status_code, error(refused)["code"]) == (503, "busy")
        assert int(refused.headers["retry-after"]) > 0
        assert [(await task).status_code for task in first] == [200, 200]
        assert (await it.get()).status_code == 200


async def test_who_is_being_answered_at_the_end_gets_the_answer(office, monkeypatch):
    service = office.backend.parts()[0]
    entered, go_on, show = threading.Event(), threading.Event(), service.show

    def slow(*arguments):
        entered.set()
        assert go_on.wait(60)
        return show(*arguments)

    monkeypatch.setattr(service, "show", slow)
    running = server.server_of(office.start, office.app)
    sock = await server.bound("127.0.0.1", 0)
    it = Served(office, running, sock.getsockname()[1])
    task = asyncio.create_task(running.serve([sock]))
    asked = asyncio.create_task(it.get())
    await asyncio.to_thread(entered.wait, 60)
    running.should_exit = True
    while running.servers[0].is_serving():
        await asyncio.sleep(0.01)
    go_on.set()
    assert (await asked).status_code == 200
    await task
