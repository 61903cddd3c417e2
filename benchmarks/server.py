"""The daemon under load from 50 links, against servers that keep nothing.

ASTM against a bare server that only acknowledges, HL7 against that of the `hl7` library, which
parses and acknowledges. The server has one core, the load generator (written in C) the other;
both servers are measured within each round.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Row, row
from benchmarks.samples import many_frames, one_frame, oru
from protocols.hl7 import mllp
from rerund.journal.reader import JournalReader

LINKS = 50
ROUNDS = 3
SECONDS = 4.0
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator saw."""

    messages: int
    seconds: float
    p99: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


class Generator:
    """The load generator, compiled into `directory`."""

    def __init__(self, directory: Path):
        self._program = directory / "load"
        compiler = shutil.which("cc") or "cc"
        subprocess.run(
            [compiler, "-O2", "-o", str(self._program), str(_HERE / "load.c")], check=True
        )
        self._number = 1

    def run(self, port: int, message: Path, *, rate: float = 0.0) -> Load:
        """Play `message` on 50 links, `rate` a second or as fast as the ACKs come."""
        command = [str(self._program), "127.0.0.1", str(port), str(LINKS), str(SECONDS)]
        command += [str(rate), str(self._number), str(message)]
        answer = subprocess.run(
            command, check=True, capture_output=True, preexec_fn=lambda: _pin(1)
        ).stdout
        seen = json.loads(answer)
        if seen["refused"]:
            raise RuntimeError(f"{seen['refused']} frames were refused")
        self._number = seen["next"]
        return Load(seen["messages"], seen["seconds"], seen["p99_us"] / 1000)


def _pin(core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


@contextmanager
def reference_server(module: str) -> Iterator[int]:
    """Run a reference server; yields its port."""
    server = subprocess.Popen(
        [sys.executable, "-m", module],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: _pin(0),
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


class DaemonUnderTest:
    """A daemon started as a user would, pinned to the first core."""

    def __init__(self, directory: Path, instruments: str, *, pinned: bool = True):
        self.directory = directory
        self.config = directory / "rerund.toml"
        self.config.write_text(
            f'[daemon]\nstate_dir = "{directory}"\nlog_format = "json"\n{instruments}'
        )
        self._pinned = pinned

    def __enter__(self) -> "DaemonUnderTest":
        started = time.perf_counter()
        # A file, because a pipe that nobody reads would stop the daemon one day.
        with (self.directory / "daemon.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rerund", "run", "-c", str(self.config)],
                stderr=log,
                preexec_fn=(lambda: _pin(0)) if self._pinned else None,
            )
        self.ports: list[int] = []
        for event in self._events():
            if event["event"] == "listening":
                self.ports.append(int(event["port"]))
            if event["event"] == "ready":
                break
        self.ready_after = time.perf_counter() - started
        return self

    def _events(self) -> Iterator[dict[str, str]]:
        with (self.directory / "daemon.log").open() as log:
            rest = ""
            while True:
                rest += log.readline()
                if rest.endswith("\n"):
                    yield json.loads(rest)
                    rest = ""
                elif self.process.poll() is not None:
                    raise RuntimeError(f"the daemon ended with {self.process.returncode}")
                else:
                    time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def http_port(self) -> int:
        """Return the port of the HTTP interface, once it listens."""
        return int(
            next(event["port"] for event in self._events() if event["event"] == "http_listening")
        )

    def seconds_until_decided(self) -> float:
        """Wait until nothing is left to decode; returns how long that took."""
        started = time.perf_counter()
        with JournalReader(self.directory / "journal.db") as reader:
            while reader.backlog()["entry_received"]:
                time.sleep(0.01)
        return time.perf_counter() - started

    def resident_megabytes(self) -> float:
        """Return the resident memory of the daemon and its registrar in MB."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sum(map(_resident_megabytes, [pid, *map(int, children)]))


def _resident_megabytes(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def instrument(driver: str, name: str = "1", query: str = "") -> str:
    """Return the configuration of one instrument on a free port."""
    return (
        f'[[instrument]]\nid = "{name}"\nname = "bench {name}"\ndriver = "{driver}"\n'
        f'link = "listen://127.0.0.1:0{query}"\n'
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A message, the driver that reads it, and what the daemon is compared with."""

    label: str
    driver: str
    message: bytes
    reference: str
    compared: str
    floor: float
    reply: str = "ACK"


_BARE = ("benchmarks.bare", "share of a bare ACK-only server")
_HL7 = ("benchmarks.hl7_server", "times the hl7 library's server, which parses and acknowledges")
CASES = (
    Case("one-frame", "sysmex-xn", one_frame(), *_BARE, floor=0.2),
    Case("28-frame", "horiba-pentra", many_frames(), *_BARE, floor=0.5),
    Case("HL7 64-result", "mindray-bc", mllp.encode(oru()), *_HL7, floor=10, reply="AA"),
)


def rows() -> Iterator[Row]:
    """Yield the server rows."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        generator = Generator(directory)
        for case in CASES:
            path = directory / "message"
            path.write_bytes(case.message)
            yield from _compare(case, generator, path)


def _compare(case: Case, generator: Generator, message: Path) -> Iterator[Row]:
    shares, rates, p99 = [], [], []
    for _ in range(ROUNDS):
        with reference_server(case.reference) as port:
            reference = generator.run(port, message)
        with (
            tempfile.TemporaryDirectory() as state,
            DaemonUnderTest(Path(state), instrument(case.driver)) as daemon,
        ):
            ours = generator.run(daemon.ports[0], message)
            # A message counts when it is decoded and flagged, not when it is acknowledged.
            rate = ours.messages / (ours.seconds + daemon.seconds_until_decided())
            half = generator.run(daemon.ports[0], message, rate=rate / 2)
        shares.append(rate / reference.rate)
        rates.append(rate)
        p99.append(half.p99)
    what = f"{case.label} messages"
    yield row(f"{what}: {case.compared}", shares, "x", floor=case.floor)
    yield row(f"{what} a second, durable, decoded and flagged", rates, "/s")
    yield row(f"{case.label} {case.reply} latency p99 at half of that", p99, "ms", ceiling=20.0)
