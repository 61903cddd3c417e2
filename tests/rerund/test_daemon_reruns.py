"""From the wire to a report's flag, with a lab's files loaded beside the running daemon."""

from datetime import UTC, datetime, timedelta

import pytest

from rerund.demo import messages
from rerund.journal.reader import JournalReader
from rerund.waiting_list import unpack_row
from tests.rerund.site import Site, rerund, until

LAB = """
[[format]]
id = 1
name = "CBC"
parameter = [
  { index = 1, name = "WBC", units = "10*3/uL" },
  { index = 2, name = "RBC", units = "10*6/uL" },
  { index = 3, name = "HGB", units = "g/dL" },
  { index = 4, name = "HCT", units = "%" },
  { index = 5, name = "MCV", units = "fL" },
  { index = 6, name = "PLT", units = "10*3/uL" },
]
[[device]]
id = "42"
name = "Sysmex XN-1000"
mapping = [
  { test_code = "WBC", format = 1, index = 1 },
  { test_code = "RBC", format = 1, index = 2 },
  { test_code = "HGB", format = 1, index = 3 },
  { test_code = "HCT", format = 1, index = 4 },
  { test_code = "MCV", format = 1, index = 5 },
  { test_code = "PLT", format = 1, index = 6 },
]
"""
REPORT = """
[[report]]
id = 1001
sample = "S001"
format = 1
"""
NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(minutes=20)


@pytest.fixture
async def lab(tmp_path):
    """A running daemon whose lab has report 1001 for sample S001."""
    async with Site(tmp_path) as site:
        load(site, LAB + REPORT)
        yield site


def load(site: Site, text: str) -> None:
    path = site.folder / "lab.toml"
    path.write_text(text)
    site.ok("lab", "load", path)


def flag(site: Site) -> int:
    return int(site.says("rerun", "show", 1001)["sampleRedrawFlag"])


def shown(site: Site, kind: str) -> dict[int, str]:
    """Return value by index of a report's originals or reruns."""
    return {value["index"]: value["value"] for value in site.says("rerun", "show", 1001)[kind]}


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def test_an_original_fills_the_report_and_leaves_its_flag_alone(lab):
    await lab.sends(messages.original("S001", EARLIER))
    await lab.settled()
    assert flag(lab) == 0
    # WBC and PLT are announced to be run again (R.9=P): they are no final values yet.
    assert shown(lab, "originals")[2] == "4.51"


async def test_a_rerun_by_the_instrument_lies_beside_and_waits_for_review(lab):
    await lab.sends(messages.original("S001", EARLIER), messages.rerun("S001", NOW))
    await lab.settled()
    assert flag(lab) == 4
    original, rerun = lab.payloads("S001")
    assert (original["is_rerun"], original["lab_report_id"]) == (False, 1001)
    assert (rerun["rerun_number"], rerun["assigned_rerun_number"]) == (-1, 1)
    assert [(r["index"], r["parameter_name"]) for r in rerun["results"]] == [(1, "WBC"), (6, "PLT")]


async def test_a_retransmission_changes_nothing(lab):
    await lab.sends(*[messages.original("S001", EARLIER)] * 3)
    await lab.settled()
    assert flag(lab) == 0
    assert len(lab.payloads("S001")) == 1


async def test_a_requested_rerun_is_known_by_its_order_when_it_arrives(lab):
    await lab.sends(messages.original("S001", EARLIER))
    await lab.settled()
    asked = lab.says("rerun", "request", 1001, "--index", 1, "--index", 6, "--reason", "clot?")
    assert asked["rerun_number"] == 1
    assert flag(lab) == 3
    await waiting_copy(lab, "S001")
    await lab.sends(messages.rerun("S001", now()))
    await lab.settled()
    assert flag(lab) == 4
    assert shown(lab, "reruns") == {1: "24.87", 6: "33"}
    _, rerun = lab.payloads("S001")
    assert (rerun["is_rerun"], rerun["rerun_number"]) == (True, 1)
    assert (rerun["rerun_type"], rerun["machine_triggered_rerun"]) == ("manual_rerun", False)


async def waiting_copy(site: Site, sample: str) -> None:
    """Wait until the daemon's own copy of the waiting list has a rerun of a sample."""
    with JournalReader(site.state_dir / "journal.db") as reader:
        await until(lambda: sample in {unpack_row(row).sample_id for row in reader.waiting()[0]})


async def test_a_request_is_refused_while_another_is_open(lab):
    await lab.sends(messages.original("S001", EARLIER))
    await lab.settled()
    lab.ok("rerun", "request", 1001, "--index", 1)
    refused = rerund("rerun", "request", 1001, "--index", 2, "-c", lab.config)
    assert refused.exit_code == 1
    assert "rerun_open" in refused.stderr
    assert flag(lab) == 3


async def test_a_cancelled_request_leaves_the_report_as_it_was(lab):
    await lab.sends(messages.original("S001", EARLIER))
    await lab.settled()
    before = shown(lab, "originals")
    lab.ok("rerun", "request", 1001, "--index", 1)
    assert lab.says("rerun", "cancel", 1001, "--reason", "sample lost")["sampleRedrawFlag"] == 0
    assert (flag(lab), shown(lab, "originals"), shown(lab, "reruns")) == (0, before, {})


async def test_runs_that_wait_for_review_can_be_given_up(lab):
    await lab.sends(messages.original("S001", EARLIER), messages.rerun("S001", NOW))
    await lab.settled()
    assert flag(lab) == 4
    lab.ok("rerun", "cancel", 1001)
    assert (flag(lab), shown(lab, "reruns")) == (0, {})


async def test_an_order_that_comes_after_its_results_finds_them(tmp_path):
    async with Site(tmp_path) as site:
        load(site, LAB)
        await site.sends(messages.original("S001", EARLIER))
        await site.settled()
        assert [payload["lab_report_id"] for payload in site.payloads("S001")] == [None]
        site.ok("order", "add", "S001", "--format", 1, "--report", 1001, "--sex", "F")
        await until(lambda: shown(site, "originals").get(2) == "4.51")
        assert [payload["lab_report_id"] for payload in site.payloads("S001")] == [1001]
        assert [o["lab_report_id"] for o in site.says("order", "list", "--sample", "S001")] == [
            1001
        ]
