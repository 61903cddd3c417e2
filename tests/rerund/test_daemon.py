"""`rerund run` as a process: its start, its end, and what it keeps meanwhile."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.astm import frame
from protocols.astm.control import ACK, ENQ
from rerund.cli.exits import CONFIG, UNAVAILABLE
from rerund.demo import messages
from tests.rerund.site import Site
from tests.rerund.stores_at import open_embedded

NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(minutes=8)
PAYLOAD = (
    "payload_id lab_id device_id device_name driver driver_version entry_id received_at sample_id"
    " lab_report_id kind is_rerun rerun_number rerun_type machine_triggered_rerun"
    " assigned_rerun_number results"
)
RESULT = (
    "result_id test_code index parameter_name value comparator numeric invalid_reason units"
    " reference_range abnormal_flags result_status run_at dilution replicate run_kind next_action"
    " evidence confidence conflict raw_marker supersedes"
)


@pytest.fixture
async def site(tmp_path):
    async with Site(tmp_path) as site:
        yield site


async def test_the_smallest_configuration_receives_flags_and_shows(tmp_path):
    site = Site(tmp_path)
    site.config.write_text(
        f"""
        [daemon]
        state_dir = "{site.state_dir}"
        log_format = "json"
        [[instrument]]
        id = "42"
        name = "Sysmex XN-1000"
        driver = "sysmex-xn"
        link = "listen://127.0.0.1:0"
        """
    )
    async with site:
        sent = await site.sends(messages.original("S001", EARLIER), messages.rerun("S001", NOW))
        assert sent.accepted
        await site.settled()
        original, rerun = site.payloads("S001")
        assert await site.daemon.terminate() == 0
    for payload in (original, rerun):
        assert " ".join(payload) == PAYLOAD
        for result in payload["results"]:
            assert " ".join(result) == RESULT
    first = original["results"][0]
    varying = {"payload_id": "", "driver_version": "", "received_at": "", "results": []}
    assert original | varying == varying | {
        "lab_id": 1,
        "device_id": "42",
        "device_name": "Sysmex XN-1000",
        "driver": "sysmex-xn",
        "entry_id": 1,
        "sample_id": "S001",
        "lab_report_id": None,
        "kind": "patient",
        "is_rerun": False,
        "rerun_number": 0,
        "rerun_type": None,
        "machine_triggered_rerun": False,
        "assigned_rerun_number": None,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", original["received_at"])
    assert (first["test_code"], first["value"], first["numeric"]) == ("WBC", "25.12", "25.12")
    assert (first["units"], first["abnormal_flags"]) == ("10*3/uL", ["H"])
    assert (rerun["is_rerun"], rerun["rerun_number"]) == (True, -1)
    assert (rerun["rerun_type"], rerun["machine_triggered_rerun"]) == ("machine_rerun", True)
    assert {r["evidence"] for r in rerun["results"]} == {"explicit"}
    assert {r["raw_marker"] for r in rerun["results"]} == {"O.12=A,O.26=I"}


async def test_the_journal_tells_every_entry_and_its_state(site):
    await site.sends(messages.original("S001", EARLIER), messages.original("S001", EARLIER))
    await site.sends("H|\\^&|||    XN-1000^00-24^1\nQ|1|^^S001^B||||20260520102000\nL|1|N\n")
    await site.settled()
    found = [(entry["entry_id"], entry["state"], entry["reason"]) for entry in site.entries()]
    assert found == [(1, "interpreted", ""), (2, "retransmission", ""), (3, "query", "")]


async def test_a_query_is_kept_and_not_answered(site):
    reader, writer = await site.line()
    records = ["H|\\^&|||    XN-1000^00-24^1", "Q|1|^^S001^B||||20260520102000", "L|1|N"]
    sent = [frame.encode(f"{record}\r".encode(), n) for n, record in enumerate(records, 1)]
    for data in (ENQ, *sent):
        writer.write(data)
        assert await reader.readexactly(1) == ACK
    writer.write_eof()
    assert await reader.read() == b"", "the daemon said something besides ACK"
    writer.close()
    await site.settled()
    [entry] = site.entries()
    assert (entry["state"], entry["payloads"]) == ("query", [])


async def test_no_log_line_names_a_patient_or_sample(site):
    await site.sends(messages.original("S4711", EARLIER), messages.rerun("S4711", NOW))
    await site.settled()
    assert await site.daemon.terminate() == 0
    assert not [line for line in site.daemon.log if "S4711" in str(line)]


async def test_asked_to_stop_it_keeps_the_half_of_a_message(site):
    reader, writer = await site.line()
    texts = [b"H|\\^&|||    XN-1000^00-24^1\r", b"P|1\r"]
    for data in (ENQ, *(frame.encode(text, number) for number, text in enumerate(texts, 1))):
        writer.write(data)
        assert await reader.readexactly(1) == ACK
    assert await site.daemon.terminate() == 0
    writer.close()
    [entry] = site.entries()
    assert (entry["state"], entry["reason"], entry["frames"]) == ("held", "incomplete", 2)


async def run_to_its_end(config: Path) -> tuple[int | None, str]:
    """Run a daemon that must end by itself; returns its exit code and what it said."""
    command = (sys.executable, "-m", "rerund", "run", "-c", str(config))
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_second_daemon_on_the_same_folder_is_refused(site):
    code, said = await run_to_its_end(site.config)
    assert code == UNAVAILABLE
    assert "journal.db" in said
    assert (await site.sends(messages.original("S001", EARLIER))).accepted


async def test_a_broken_configuration_is_refused_with_file_line_and_key(tmp_path):
    config = tmp_path / "rerund.toml"
    config.write_text('[daemon]\nstate_dir = 7\n\n[[instrument]]\nid = "42"\nnmae = "XN"\n')
    code, said = await run_to_its_end(config)
    assert code == CONFIG
    assert re.search(rf"{config}:2:.*daemon.state_dir", said)
    assert re.search(rf"{config}:6:.*nmae", said)


async def test_an_address_in_use_does_not_keep_the_other_links_from_working(tmp_path):
    site = Site(tmp_path, "42", "43")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = site.config.read_text()
        site.config.write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
        async with site:
            assert (await site.daemon.logs("not_listening"))["instrument"] == "42"
            assert (await site.sends(messages.original("S001", EARLIER), name="43")).accepted
            assert await site.daemon.terminate() == 0


def registrar_of(process: int) -> int | None:
    """Return the process id of a daemon's registrar, None while there is none."""
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        with suppress(FileNotFoundError):
            if b"rerund.registrar_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
async def test_a_registrar_that_is_killed_comes_again_and_nothing_is_lost_or_twice(site):
    await site.sends(messages.original("S001", EARLIER))
    killed = registrar_of(site.daemon.process.pid)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    sent = await site.sends(messages.rerun("S001", NOW), messages.original("S002", NOW))
    assert sent.accepted
    assert (await site.daemon.logs("registrar_died"))["exit_code"] == -signal.SIGKILL
    await site.settled()
    assert registrar_of(site.daemon.process.pid) not in (None, killed)
    assert await site.daemon.terminate() == 0
    with open_embedded(site.state_dir / "store.db") as embedded:
        rows = embedded.stores.reports.ledger_of_samples(1, ["S001", "S002"])
    kept = Counter((row.sample_id, row.test_code, row.result.value) for row in rows)
    assert len(kept) == kept.total() == 6 + 2 + 6


async def test_the_registrar_dies_with_a_killed_daemon_and_the_next_one_goes_on(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.daemon.kill()
    await site.start()
    assert (await site.sends(messages.original("S001", EARLIER))).accepted
    await site.settled()
    assert [entry["state"] for entry in site.entries()] == ["interpreted", "retransmission"]


async def test_a_store_of_another_version_is_refused(tmp_path):
    site = Site(tmp_path)
    site.state_dir.mkdir()
    with open_embedded(site.state_dir / "store.db"):
        pass
    with closing(sqlite3.connect(site.state_dir / "store.db")) as db, db:
        db.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")

    code, said = await run_to_its_end(site.config)

    assert code == UNAVAILABLE
    assert "store_version" in said
    assert "of tomorrow" in said


async def test_a_store_that_can_not_be_read_is_told_and_stops_no_link(tmp_path):
    site = Site(tmp_path)
    site.state_dir.mkdir()
    (site.state_dir / "store.db").write_bytes(os.urandom(5000))
    async with site:
        told = await site.daemon.logs("store_unusable")
        sent = await site.sends(messages.original("S001", EARLIER))

        (site.state_dir / "store.db").unlink()
        await site.daemon.logs("stores_back")
        await site.settled()
        events = [line["event"] for line in site.daemon.log]
        assert await site.daemon.terminate() == 0

    assert told["reports"].endswith("store.db")
    assert sent.accepted
    assert (events.count("store_unusable"), events.count("registrar_died")) == (1, 0)


async def test_a_daemon_stops_while_its_stores_are_away(tmp_path):
    site = Site(tmp_path)
    site.state_dir.mkdir()
    (site.state_dir / "store.db").write_bytes(os.urandom(5000))
    async with site:
        await site.daemon.logs("store_unusable")
        assert await site.daemon.terminate() == 0
        assert "stop_timeout" not in [line["event"] for line in site.daemon.log]
