"""The command line and the daemon with every store on a server."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from rerund.cli.exits import REFUSED, UNAVAILABLE
from rerund.demo import messages
from tests.faults.running import RunningDaemon
from tests.rerund.site import Site, rerund
from tests.servers.databases import config_of

EARLIER = datetime.now(UTC) - timedelta(minutes=8)


@pytest.fixture
def settings(servers):
    """Three servers on which nobody has upgraded yet."""
    with servers.new() as settings:
        yield settings


@pytest.fixture
def site(tmp_path, settings):
    site = Site(tmp_path)
    with site.config.open("a") as file:
        file.write(config_of(settings))
    return site


def status(site):
    told = rerund("db", "status", "--json", "-c", site.config)
    return told.exit_code, json.loads(told.stdout)


def test_servers_are_looked_at_upgraded_and_named(site, settings):
    code, before = status(site)
    assert (code, before["current"]) == (REFUSED, False)
    assert [part["place"] for part in before["parts"]] == [
        settings.mysql.place,
        settings.mongodb.place,
        settings.redis.place,
    ]
    reports, reruns, numbers = before["parts"]
    assert reports["found"] is None
    assert "SampleRerun.uq_rerun_number" in reruns["missing"]
    assert numbers["current"]
    assert rerund("order", "list", "-c", site.config).exit_code == UNAVAILABLE

    assert rerund("db", "upgrade", "-c", site.config).exit_code == 0

    code, after = status(site)
    assert (code, after["current"]) == (0, True)
    again = rerund("db", "upgrade", "-c", site.config)
    assert again.exit_code == 0
    assert [line.split(": ")[2] for line in again.stdout.splitlines()] == [
        f"version {after['parts'][0]['expected']} already, nothing was done",
        "every index is there",
        "answers; there is nothing to upgrade in it",
    ]
    assert rerund("order", "list", "-c", site.config).exit_code == 0


@pytest.mark.parametrize("part", ["reports", "numbers"])
def test_a_server_that_is_away_hides_no_other(tmp_path, settings, part):
    away, wrong = {
        "reports": ("mysql", {"database": "nowhere"}),
        "numbers": ("redis", {"socket": str(tmp_path / "nothing.sock")}),
    }[part]
    server = replace(getattr(settings, away), **wrong)
    site = Site(tmp_path)
    with site.config.open("a") as file:
        file.write(config_of(replace(settings, **{away: server})))

    upgraded = rerund("db", "upgrade", "-c", site.config)
    code, told = status(site)

    problems = {each["part"]: each["problem"] for each in told["parts"]}
    assert [name for name, problem in problems.items() if problem] == [part]
    assert (told["parts"][1]["current"], told["parts"][1]["missing"]) == (True, [])
    assert code == upgraded.exit_code == (UNAVAILABLE if part == "reports" else 0)
    assert ("daemons work without it" in upgraded.stdout) == (part == "numbers")


async def test_a_daemon_makes_nothing_on_a_server(site, settings, servers):
    daemon = await RunningDaemon.start(site.config)
    told = await daemon.logs("store_version")
    assert await daemon.ended() == UNAVAILABLE
    assert "has no tables yet: rerund db upgrade" in told["reason"]
    assert told["reports"] == settings.mysql.place
    assert servers.mariadb.rows("SHOW TABLES IN new") == []


async def test_results_reach_the_servers(site, servers):
    site.ok("db", "upgrade")
    async with site:
        sent = await site.sends(messages.original("S001", EARLIER))
        assert sent.accepted
        await site.settled()
    assert not site.payloads("S001")[0]["is_rerun"]
    stored = servers.mariadb.rows("SELECT DISTINCT sample_id, outcome FROM new.device_results")
    assert stored == [("S001", "unmatched")]
