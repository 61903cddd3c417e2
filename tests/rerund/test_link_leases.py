"""Lines follow their leases, whatever fails on the way."""

import asyncio

import pytest
from structlog.testing import capture_logs

from protocols.astm.control import ACK, ENQ
from rerund.link_leases import LeasedLines
from rerund.stores.ports import Lease
from tests.rerund.desks import DeskBench
from tests.rerund.lines import Bench, until
from tests.rerund.ordered import order

HELD = Lease("42", True, "us", "2026-05-20T10:00:00Z")
ELSEWHERE = Lease("42", False, "others", "2026-05-20T10:00:00Z")


class Failing:
    """A hub that fails before each of the first calls of some methods."""

    def __init__(self, hub, **failures):
        self._hub = hub
        self.failures = failures

    def __getattr__(self, name):
        if self.failures.get(name):
            self.failures[name] -= 1
            raise OSError("DOE^JOHN")
        return getattr(self._hub, name)


@pytest.fixture
async def bench(tmp_path):
    async with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
async def lines(bench):
    """Return a function that makes the lines of one link on a hub that fails."""
    made = []

    async def make(desk=None, **failures):
        link = await bench.serve(desk=desk)
        (hub,) = bench._hubs
        opened = asyncio.Event()

        async def on_open(name):
            opened.set()

        lines = LeasedLines({"42": [link]}, Failing(hub, **failures), on_open, first_pause=0.001)
        made.append(lines)
        return lines, link, opened

    yield make
    for lines in made:
        await lines.close()


async def test_a_line_that_cannot_be_closed_is_told_once_and_closed_in_the_end(lines):
    leased, link, _ = await lines(suspend=3)
    with capture_logs() as logs:
        leased.apply([ELSEWHERE])
        await until(lambda: not link.counters.listening)
    (told,) = [line for line in logs if line["event"] == "lease_not_followed"]
    assert (told["alert"], told["instrument"], told["error"]) == (True, "42", "OSError")
    assert "DOE" not in repr(logs)


async def test_a_line_that_cannot_be_opened_is_opened_in_the_end(lines):
    leased, link, opened = await lines(resume=3)
    leased.apply([ELSEWHERE])
    await until(lambda: not link.counters.listening)
    with capture_logs() as logs:
        leased.apply([HELD])
        await opened.wait()
        await until(lambda: link.counters.listening)
    assert [line["event"] for line in logs].count("lease_not_followed") == 1


async def test_a_lease_that_comes_back_before_its_line_was_closed_leaves_it_as_it_was(lines, bench):
    leased, link, opened = await lines(suspend=1_000_000)
    with capture_logs() as logs:
        leased.apply([ELSEWHERE])
        await until(lambda: any(line["event"] == "lease_not_followed" for line in logs))
        leased.apply([HELD])
        await opened.wait()
    line = await bench.call(link)
    line.say(ENQ)
    await line.hears(ACK)


async def test_orders_are_pushed_once_the_lease_is_held_and_not_before(lines, bench, tmp_path):
    desks = DeskBench(tmp_path, bench)
    desk = desks.make("abbott-celldyn-ruby")
    desk.is_held = False
    desks.put(order(1))
    leased, link, _ = await lines(desk)
    line = await bench.call(link)
    await until(lambda: link.connections)
    link.orders.push()
    assert not link.orders.is_busy
    leased.apply([HELD])
    assert desk.is_held
    await line.hears(ENQ)
    leased.apply([ELSEWHERE])
    assert not desk.is_held
