"""How it scales: a journal of a million entries, and 500 links."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import Row, row
from benchmarks.samples import one_frame
from benchmarks.server import DaemonUnderTest, Generator, instrument
from rerund.journal import schema, statements
from rerund.journal.queries import keys_of

SMALL, LARGE = 10_000, 1_000_000
LINKS = 500
ROUNDS = 3


def rows() -> Iterator[Row]:
    """Yield the rows of journal size, start and memory."""
    yield _memory()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        message = directory / "one-frame.astm"
        message.write_bytes(one_frame())
        generator = Generator(directory)
        journals = {}
        for entries in (SMALL, LARGE):
            journals[entries] = directory / str(entries)
            journals[entries].mkdir()
            _fill(journals[entries] / "journal.db", entries)
        yield row("ready with an empty journal", [_ready(None) for _ in range(5)], "s", ceiling=1.0)
        full = [_ready(journals[LARGE]) for _ in range(5)]
        yield row(f"ready with {LARGE:,} entries", full, "s", ceiling=3.0)
        yield _cost(generator, message, journals)


def _memory() -> Row:
    """Return the memory of a daemon with 500 instruments, each with a link of its own."""
    instruments = "".join(instrument("sysmex-xn", str(number)) for number in range(LINKS))
    with (
        tempfile.TemporaryDirectory() as scratch,
        DaemonUnderTest(Path(scratch), instruments, pinned=False) as daemon,
        ExitStack() as opened,
    ):
        for port in daemon.ports:
            link = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            for sent in (b"\x05", one_frame(f"{port:08d}".encode())):
                link.sendall(sent)
                if link.recv(1) != b"\x06":
                    raise RuntimeError("a frame was refused")
            link.sendall(b"\x04")
        megabytes = daemon.resident_megabytes()
    return row(f"memory with {LINKS} connected links", [megabytes], "MB", ceiling=150.0)


def _ready(state: Path | None) -> float:
    with (
        tempfile.TemporaryDirectory() as scratch,
        DaemonUnderTest(state or Path(scratch), instrument("sysmex-xn")) as daemon,
    ):
        return daemon.ready_after


def _cost(generator: Generator, message: Path, journals: dict[int, Path]) -> Row:
    """Return the cost per message with the large journal, the small one's being 1."""
    shares = []
    for _ in range(ROUNDS):
        rates = {}
        for entries, state in journals.items():
            with DaemonUnderTest(state, instrument("sysmex-xn")) as daemon:
                rates[entries] = generator.run(daemon.ports[0], message).rate
        shares.append(rates[SMALL] / rates[LARGE])
    return row(
        f"cost per message with {LARGE:,} entries, with {SMALL:,} being 1", shares, "x", ceiling=1.2
    )


def _fill(path: Path, entries: int) -> None:
    """Make a journal of delivered one-frame messages with one payload each.

    Written straight to its tables: a million commits would take longer than the benchmark.
    """
    db = schema.open_writer(path)
    db.execute("PRAGMA synchronous = OFF")
    for first in range(1, entries + 1, _CHUNK):
        ids = range(first, min(first + _CHUNK, entries + 1))
        db.execute("BEGIN")
        statements.insert(db, "entry", [(i, *_ENTRY) for i in ids])
        statements.insert(db, "frame", [(keys_of(i)[0], *_FRAME) for i in ids])
        statements.insert(
            db, "payload", [(keys_of(i)[0], f"filler-{i}", f"F{i:08d}", *_PAYLOAD) for i in ids]
        )
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


_CHUNK = 5_000
_AT = "2026-05-20T10:30:00.000Z"
_ENTRY = ("1", "filler", _AT, "interpreted", "", "", 1, 188, None, None, None, None)
_FRAME = (2, 180, bytes(188))
_PAYLOAD = ("1", _AT, 0, 0, "patient", "delivered", "", bytes(400))
