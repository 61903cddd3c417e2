"""`rerund journal` and `rerund simulate` beside a running daemon."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.profile import SHIPPED
from rerund.cli.exits import REFUSED, UNAVAILABLE, USAGE
from rerund.demo import messages
from tests.rerund.site import Site, rerund, until

NOW = datetime.now(UTC).replace(microsecond=0)
EARLIER = NOW - timedelta(minutes=8)
STRANGE = "H|\\^&|||XS-500i^00-24^1\nP|1\nO|1||^^S9^M\nR|1|^^^^WBC^1|5.0\nL|1|N\n"


@pytest.fixture
async def site(tmp_path):
    async with Site(tmp_path) as site:
        yield site


def state(site: Site, entry: int) -> tuple[str, str]:
    [found] = [each for each in site.entries() if each["entry_id"] == entry]
    return found["state"], found["reason"]


def on_hold(site: Site) -> list[int]:
    return [entry["entry_id"] for entry in site.says("journal", "hold")]


async def test_entries_are_listed_by_state_instrument_and_number(site):
    await site.sends(messages.original("S001", EARLIER), STRANGE, messages.rerun("S001", NOW))
    await site.settled()

    def listed(*options: object) -> list[int]:
        return [entry["entry_id"] for entry in site.says("journal", "list", *options)]

    assert listed() == [3, 2, 1]
    assert listed("--state", "held") == [2]
    assert listed("--state", "held", "--state", "interpreted", "--limit", 2) == [3, 2]
    assert listed("--device", "43") == []
    table = site.ok("journal", "list").stdout
    assert "S001 original delivered" in table
    assert "S001 rerun delivered" in table
    assert "other_sender" in table


async def test_an_entry_is_shown_byte_by_byte_with_its_payloads(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    shown = site.says("journal", "show", 1)
    first = json.dumps(shown["frames_raw"][0])
    assert shown["frames"] == len(shown["frames_raw"]) == 10
    assert first.startswith('"\\u00021H|')
    assert shown["payload_bodies"] == site.payloads("S001")
    assert "⟨02⟩1H|" in site.ok("journal", "show", 1).stdout
    missing = rerund("journal", "show", 99, "-c", site.config)
    assert missing.exit_code == REFUSED
    assert "99" in missing.stderr


async def test_entries_are_exported_as_they_came(site, tmp_path):
    await site.sends(messages.original("S001", EARLIER), STRANGE)
    await site.settled()
    capture = tmp_path / "capture.astm"
    assert "of 2 entries" in site.ok("journal", "export", 1, 2, "--output", capture).stdout
    assert capture.stat().st_mode & 0o777 == 0o600
    frames = [site.says("journal", "show", entry)["frames_raw"] for entry in (1, 2)]
    assert capture.read_bytes() == "".join(frames[0] + frames[1]).encode("latin-1")
    assert site.ok("journal", "export", 1).stdout_bytes == "".join(frames[0]).encode("latin-1")
    for arguments, code in (((1, "--output", capture), USAGE), ((1, 99), REFUSED)):
        refused = rerund("journal", "export", *arguments, "-c", site.config)
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (code, 1)


async def test_what_is_on_hold_can_be_released_or_given_up(site):
    await site.sends(STRANGE, STRANGE.replace("S9", "S8"), messages.original("S001", EARLIER))
    await site.settled()
    assert on_hold(site) == [2, 1]
    assert "other_sender" in site.ok("journal", "hold").stdout
    site.ok("journal", "release", 1)
    await until(lambda: state(site, 1)[0] == "held")  # no other profile, no other reading
    site.ok("journal", "release", 2, "--discard")
    assert on_hold(site) == [1]
    assert state(site, 2)[0] == "discarded"
    for again in ([2], [2, "--discard"], [3]):
        refused = rerund("journal", "release", *again, "-c", site.config)
        assert refused.exit_code == REFUSED
        assert "nothing of it" in refused.stderr


async def test_what_was_delivered_can_not_be_held(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    refused = rerund("journal", "hold", 1, "-c", site.config)
    assert refused.exit_code == REFUSED
    assert "interpreted" in refused.stderr


async def test_a_corrected_profile_reads_a_held_entry_when_it_is_released(tmp_path):
    site = Site(tmp_path)
    text = site.config.read_text()
    async with site:
        await site.sends(STRANGE)
        await site.settled()
        assert await site.daemon.terminate() == 0
        site.config.write_text(text.replace("sysmex-xn", "generic-astm"))
        differs = rerund("journal", "replay", 1, "-c", site.config)
        assert differs.exit_code == REFUSED
        assert "state: held -> interpreted" in differs.stdout
        await site.start()
        site.ok("journal", "release", 1)
        await until(lambda: state(site, 1)[0] == "interpreted")
        await site.settled()
        assert state(site, 1) == ("interpreted", "released")


async def test_an_entry_replayed_reads_as_it_did_with_the_inputs_it_had(site):
    await site.sends(
        messages.original("S001", EARLIER),
        messages.rerun("S001", NOW),
        messages.original("S001", EARLIER),
    )
    await site.settled()
    for entry in (1, 2, 3):
        assert "reads as it did" in site.ok("journal", "replay", entry).stdout


async def test_an_entry_that_came_before_its_journal_was_copied_reads_as_it_did(site, tmp_path):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    await site.daemon.terminate()
    shutil.copytree(site.state_dir, tmp_path / "copied")
    shutil.rmtree(site.state_dir)
    (tmp_path / "copied").rename(site.state_dir)
    await site.start()
    await site.sends(messages.original("S001", EARLIER), messages.rerun("S001", NOW))
    await site.settled()
    assert [entry["state"] for entry in site.entries()][1:] == ["retransmission", "interpreted"]
    for entry in (1, 2, 3):
        assert "reads as it did" in site.ok("journal", "replay", entry).stdout


async def test_a_delivered_entry_is_not_decided_again(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    refused = rerund("journal", "replay", 1, "--apply", "-c", site.config)
    assert refused.exit_code == REFUSED
    assert state(site, 1) == ("interpreted", "")


async def test_what_was_delivered_and_reads_otherwise_is_corrected_when_told(site, tmp_path):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    shipped = (SHIPPED / "sysmex-xn.toml").read_text()
    sentinel = '[[result.invalid]]\ntext = "31"\nreason = "blocked"\n\n'
    mended = shipped.replace("[[result.invalid]]", f"{sentinel}[[result.invalid]]", 1)
    (tmp_path / "sysmex-xn.toml").write_text(mended)
    folder = f'[daemon]\ndrivers_dir = "{tmp_path}"\n'
    site.config.write_text(site.config.read_text().replace("[daemon]\n", folder, 1))

    shown = rerund("journal", "replay", 1, "-c", site.config)
    assert "invalid_reason: None -> 'blocked'" in shown.stdout
    assert "corrected" in site.ok("journal", "replay", 1, "--apply").stdout
    await until(lambda: {p["state"] for p in site.entries()[0]["payloads"]} == {"delivered"})

    correction = site.payloads("S001")[-1]["results"]
    assert [(r["test_code"], r["run_kind"], r["invalid_reason"]) for r in correction] == [
        ("PLT", "correction", "blocked")
    ]
    assert "reads as it did" in site.ok("journal", "replay", 1).stdout


async def test_an_entry_that_delivered_nothing_is_decided_again_when_told(site):
    await site.sends(STRANGE)
    await site.settled()
    site.ok("journal", "replay", 1, "--apply")
    await until(lambda: state(site, 1)[0] == "held")


async def test_nothing_young_is_pruned_however_little_shall_be_kept(site):
    await site.sends(messages.original("S001", EARLIER))
    await site.settled()
    assert "0 entries removed" in site.ok("journal", "prune", "--keep-days", 0).stdout
    assert len(site.entries()) == 1


async def in_a_thread(*arguments: object) -> Any:
    return await asyncio.to_thread(rerund, *arguments)


async def test_simulate_prints_each_reply_and_its_latency(site):
    path = site.folder / "message.astm"
    path.write_text(messages.original("S001", EARLIER))
    to = f"127.0.0.1:{site.daemon.ports['42']}"
    done = await in_a_thread("simulate", "--to", to, path, "--from-file", path, "--split", 7)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[-1] == "20 frames sent, 0 refused"
    assert sum("ACK" in line and line.endswith(" ms") for line in lines) == 22
    quiet = await in_a_thread("simulate", "--to", to, "--quiet", "--times", 2, path)
    assert quiet.stdout == "20 frames sent, 0 refused\n"
    await site.settled()
    assert [entry["state"] for entry in site.entries()].count("retransmission") == 3


async def test_simulate_ends_with_1_when_a_frame_was_refused(site):
    path = site.folder / "damaged.astm"
    path.write_bytes(b"\x05\x021H|\\^&\r\x0300\r\n\x04")
    to = f"127.0.0.1:{site.daemon.ports['42']}"
    done = await in_a_thread("simulate", "--to", to, "--raw", path)
    assert done.exit_code == REFUSED
    assert "NAK" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 frames sent, 1 refused"


def test_simulate_says_why_it_can_not_play(tmp_path):
    path = tmp_path / "message.astm"
    path.write_text(STRANGE)
    for arguments, code in (
        (["--to", "127.0.0.1:1", path], UNAVAILABLE),
        (["--to", "pigeon://loft", path], USAGE),
        (["--to", "127.0.0.1:1", tmp_path / "no-such"], USAGE),
        (["--to", "127.0.0.1:1"], USAGE),
    ):
        done = rerund("simulate", *arguments)
        assert done.exit_code == code, done.output
        assert done.stderr
