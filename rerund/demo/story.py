"""The demonstration: what is sent, what was answered, what was flagged and why, what is kept."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer

from drivers.profile import load
from drivers.result import Result
from rerund.cli.tables import print_table
from rerund.demo import messages
from rerund.demo.serial_cable import SerialCable
from rerund.journal.reader import JournalReader
from rerund.journal.rows import StoredEntry
from rerund.payload_codec import unpack
from rerund.simulator import Playing
from rerund.simulator_asking import opened_instrument, question_for
from rerund.simulator_line import simulate

SAMPLE = "S001"
REPORT = 1001
PATIENCE = 20.0

_CONFIG = """\
[daemon]
state_dir = "{folder}/state"
timezone = "UTC"
log_format = "json"

[orders]
look_up_timeout = 15.0

[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://127.0.0.1:0"

[[instrument]]
id = "43"
name = "Sysmex XN-550"
driver = "sysmex-xn"
link = "serial://{port}?baud=9600"
"""

_LAB = """\
[[format]]
id = 1
name = "CBC"
parameter = [
  {{ index = 1, name = "WBC", units = "10*3/uL" }},
  {{ index = 2, name = "RBC", units = "10*6/uL" }},
  {{ index = 3, name = "Haemoglobin", units = "g/dL" }},
  {{ index = 4, name = "Haematocrit", units = "%" }},
  {{ index = 5, name = "MCV", units = "fL" }},
  {{ index = 6, name = "Platelets", units = "10*3/uL" }},
]
{devices}
[[report]]
id = {report}
sample = "{sample}"
format = 1
"""

_DEVICE = """\
[[device]]
id = "{device}"
name = "{name}"
mapping = [
  {{ test_code = "WBC", format = 1, index = 1 }},
  {{ test_code = "RBC", format = 1, index = 2 }},
  {{ test_code = "HGB", format = 1, index = 3 }},
  {{ test_code = "HCT", format = 1, index = 4 }},
  {{ test_code = "MCV", format = 1, index = 5 }},
  {{ test_code = "PLT", format = 1, index = 6 }},
]
"""


class DemoError(Exception):
    """The demonstration did not go as it must."""


def tell(*, keep: bool = False) -> int:
    """Play the whole story and return the exit code; with `keep` stay until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end like Ctrl-C: tidy up
    with tempfile.TemporaryDirectory(prefix="rerund-demo-") as scratch, SerialCable() as cable:
        folder = Path(scratch)
        config = _write_files(folder, cable.ends[0])
        _run("lab", "load", str(folder / "lab.toml"), "-c", str(config))
        with _daemon(config) as port:
            _play(folder, f"127.0.0.1:{port}", f"serial://{cable.ends[1]}?baud=9600")
            _show(config)
            _order_again(config, f"127.0.0.1:{port}")
            if keep:
                _stay(folder, config, port, cable.ends[1])
    return 0


def _write_files(folder: Path, port: str) -> Path:
    (folder / "state").mkdir(mode=0o700)
    config = folder / "rerund.toml"
    config.write_text(_CONFIG.format(folder=folder, port=port))
    devices = "".join(
        _DEVICE.format(device=device, name=name)
        for device, name in (("42", "Sysmex XN-1000"), ("43", "Sysmex XN-550"))
    )
    (folder / "lab.toml").write_text(_LAB.format(devices=devices, report=REPORT, sample=SAMPLE))
    now = datetime.now(UTC).replace(microsecond=0)
    earlier, later = now - timedelta(minutes=8), now - timedelta(minutes=2)
    (folder / "original.astm").write_text(messages.original(SAMPLE, earlier))
    (folder / "rerun.astm").write_text(messages.rerun(SAMPLE, later))
    (folder / "control.astm").write_text(messages.control(later))
    (folder / "other.astm").write_text(messages.original("S002", later))
    return config


@contextmanager
def _daemon(config: Path) -> Iterator[int]:
    """Run a real daemon, as a user would; yields the port it listens on."""
    log = config.with_name("daemon.log")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "rerund", "run", "-c", str(config)], stderr=stderr
        )
    try:
        yield _until_ready(process, log)
    finally:
        process.terminate()
        process.wait()


def _until_ready(process: "subprocess.Popen[bytes]", log: Path) -> int:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        lines = log.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.endswith("}")]
        if any(event["event"] == "ready" for event in events):
            (port,) = (event["port"] for event in events if event["event"] == "listening")
            typer.echo(f"rerund is ready: an XN-1000 on TCP port {port}, an XN-550 on RS-232\n")
            return int(port)
        time.sleep(0.02)
    raise DemoError(f"the daemon is not ready: {log.read_text()}")


def _play(folder: Path, tcp: str, serial: str) -> None:
    _ask(tcp)
    _send(
        "over TCP: a blood count of S001 (it announces that WBC and PLT will be rerun)",
        tcp,
        folder / "original.astm",
    )
    _send("over TCP: the same message again, as after a lost ACK", tcp, folder / "original.astm")
    _send(
        "over TCP: WBC and PLT of S001 again; the instrument triggered that by itself",
        tcp,
        folder / "rerun.astm",
    )
    _send("over the serial line: control material", serial, folder / "control.astm")
    _send(
        "over the serial line: a blood count of S002, which nobody registered",
        serial,
        folder / "other.astm",
    )


def _send(what: str, to: str, path: Path) -> None:
    played = asyncio.run(simulate(to, [path.read_bytes()], Playing()))
    typer.echo(f"sent {what}: {played.frames} frames, {len(played.refused)} refused")
    if not played.accepted:
        raise DemoError("a frame was refused")


def _ask(to: str) -> tuple[str, ...]:
    """Ask for the orders of the sample as the instrument does; return the codes."""

    async def ask() -> tuple[str, ...]:
        xn = load("sysmex-xn")
        async with opened_instrument(to, xn) as instrument:
            heard = await instrument.ask(question_for(xn, SAMPLE), PATIENCE)
        return tuple(code for order in heard.orders for code in order.codes)

    codes = asyncio.run(ask())
    typer.echo(f"over TCP: the XN-1000 asks what to run on {SAMPLE}, and hears: {', '.join(codes)}")
    if not codes:
        raise DemoError("the instrument was told of no order")
    return codes


def _order_again(config: Path, tcp: str) -> None:
    """A technician requests a rerun, and the instrument hears of it when it asks."""
    typer.echo(f"a technician wants the haemoglobin again: rerund rerun request {REPORT} --index 3")
    _run("rerun", "request", str(REPORT), "--index", "3", "-c", str(config))
    if _ask(tcp) != ("HGB",):
        raise DemoError("the instrument was told of something else than the rerun")
    typer.echo("\nwhat instruments were asked to measure (rerund order waiting):\n")
    typer.echo(_waiting(config))


def _waiting(config: Path) -> str:
    """Return the waiting list once it says that the instrument has the rerun."""
    until = time.monotonic() + PATIENCE
    while True:
        waiting = _run("order", "waiting", "--sample", SAMPLE, "-c", str(config))
        if " sent " in waiting:
            return waiting
        if time.monotonic() > until:
            raise DemoError(f"the waiting list does not have what was sent: {waiting}")


def _show(config: Path) -> None:
    entries = _decided(config.parent / "state" / "journal.db", 6)
    typer.echo("\nwhat became of them (rerund journal list, rerund journal show):\n")
    print_table(["entry", "instrument", "state", "is_rerun", "what was decided, and why"], entries)
    typer.echo(f"report {REPORT} of S001 (rerund rerun show {REPORT}):\n")
    typer.echo(_run("rerun", "show", str(REPORT), "-c", str(config)))
    typer.echo("all values of S001 and S002 side by side (rerund results SAMPLE):\n")
    for sample in (SAMPLE, "S002"):
        typer.echo(_run("results", sample, "-c", str(config)))


def _decided(journal: Path, count: int) -> list[list[object]]:
    """Wait until every entry is decided and delivered, and say what was decided."""
    until = time.monotonic() + PATIENCE
    with JournalReader(journal) as reader:
        while True:
            entries = list(reader.entries(ascending=True))
            done = [entry for entry in entries if _is_done(reader, entry)]
            if len(done) >= count:
                return [_row(reader, entry) for entry in done]
            if time.monotonic() > until:
                raise DemoError(f"{len(done)} of {count} messages were decided in {PATIENCE:g} s")
            time.sleep(0.05)


def _is_done(reader: JournalReader, entry: StoredEntry) -> bool:
    states = {payload.state for payload in reader.payloads(entry.entry_id)}
    decided = ("interpreted", "retransmission", "query")
    return entry.state in decided and states <= {"delivered"}


def _row(reader: JournalReader, entry: StoredEntry) -> list[object]:
    if entry.state == "retransmission":
        why = "every run in it is known: acknowledged, counted, kept once"
        return [entry.entry_id, entry.device_id, entry.state, "", why]
    if entry.state == "query":
        why = "it asked what to run, and was told what is ordered"
        return [entry.entry_id, entry.device_id, entry.state, "", why]
    lines, flags = [], []
    for stored in reader.payloads(entry.entry_id):
        payload, _ = unpack(stored.body)
        first = payload.results[0]
        codes = ", ".join(result.test_code for result in payload.results)
        lines.append(f"{codes}: {first.run_kind.replace('_', ' ')} ({_because(first)})")
        flags.append(str(payload.is_rerun).lower())
        announced = [r.test_code for r in payload.results if r.next_action != "none"]
        if announced:
            lines.append(f"{', '.join(announced)}: the instrument will run it again")
    return [entry.entry_id, entry.device_id, entry.state, "\n".join(flags), "\n".join(lines)]


def _because(result: Result) -> str:
    if result.evidence == "explicit":
        return f"the instrument's own mark, {result.raw_marker or 'in the message'}"
    if result.evidence == "none":
        return f"no mark, and no earlier run is known; confidence {result.confidence}"
    return f"{result.evidence.replace('_', ' ')}; confidence {result.confidence}"


def _run(*arguments: str) -> str:
    """Run a rerund command as a user would and return what it prints."""
    command = [sys.executable, "-m", "rerund", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"rerund {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def _stay(folder: Path, config: Path, port: int, serial: str) -> None:
    typer.echo("rerund stays. From another terminal, in the same folder:\n")
    program = sys.argv[0]
    for command in (
        f"simulate --to 127.0.0.1:{port} {folder}/rerun.astm",
        f"simulate --to 'serial://{serial}?baud=9600' {folder}/control.astm",
        f"journal list -c {config}",
        f"rerun cancel {REPORT} -c {config}",
        f"rerun request {REPORT} --index 1 -c {config}",
        f"simulate --to 127.0.0.1:{port} --driver sysmex-xn --ask {SAMPLE}",
        f"results {SAMPLE} -c {config}",
    ):
        typer.echo(f"  {program} {command}")
    typer.echo("\nCtrl-C ends it and removes what it made.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        typer.echo("")
