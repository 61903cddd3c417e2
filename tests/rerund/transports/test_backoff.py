import asyncio
import random

import pytest
from structlog.testing import capture_logs

from rerund.transports.backoff import Backoff, keep_open
from rerund.transports.connection import TransportError
from rerund.transports.counters import LinkCounters


def pauses(seed, count):
    backoff = Backoff(random.Random(seed), first=1, cap=10)
    return [backoff.pause() for _ in range(count)]


def test_pauses_double_up_to_the_cap_and_lose_up_to_a_half():
    for pause, longest in zip(pauses(7, 6), [1, 2, 4, 8, 10, 10], strict=True):
        assert longest / 2 <= pause <= longest


def test_pauses_depend_on_the_random_source_alone():
    assert pauses(1, 5) == pauses(1, 5)
    assert pauses(1, 5) != pauses(2, 5)


def test_a_reset_begins_with_the_shortest_pause():
    backoff = Backoff(random.Random(1), first=1, cap=10)
    for _ in range(5):
        backoff.pause()
    backoff.reset()
    assert backoff.pause() <= 1


class Line:
    """An opener that plays a script: an exception to raise, or None for a line lost at once."""

    def __init__(self, *script):
        self.script = list(script)
        self.played = asyncio.Event()
        self.lost = asyncio.get_running_loop().create_future()

    async def __call__(self):
        if not self.script:
            self.played.set()
            return self.lost
        step = self.script.pop(0)
        if step is not None:
            raise step
        over = asyncio.get_running_loop().create_future()
        over.set_result(None)
        return over


async def play(*script):
    line, counters = Line(*script), LinkCounters()
    backoff = Backoff(random.Random(1), first=0.0001, cap=0.0002)
    with capture_logs() as logs:
        task = asyncio.create_task(keep_open("42", line, backoff, counters))
        await line.played.wait()
        task.cancel()
        await asyncio.wait([task])
    return line, counters, [entry["event"] for entry in logs]


async def test_a_line_is_opened_again_however_often_it_fails():
    line, counters, _ = await play(*[OSError("no such device")] * 20, None, None)
    assert counters.failures == 20
    assert counters.reconnects == 22
    assert not line.lost.done(), "cancelling the keeper must leave an open line alone"


async def test_the_same_failure_is_logged_once_and_another_one_again():
    absent, busy = OSError("absent"), TransportError("parity not taken")
    _, _, events = await play(absent, absent, absent, busy, TimeoutError(), None, absent)
    assert events == ["line_down"] * 3 + ["line_open", "line_lost", "line_down", "line_open"]


async def test_a_fault_of_ours_is_logged_with_its_place_and_the_line_starts_over():
    _, counters, events = await play(ZeroDivisionError(), None)
    assert events[0] == "line_failed"
    assert counters.reconnects == 2


@pytest.mark.parametrize(("carried", "fresh"), [(0, False), (1, True)])
async def test_only_a_line_that_carried_bytes_starts_the_pauses_over(carried, fresh):
    counters = LinkCounters()
    backoff = Backoff(random.Random(1), first=0.0001, cap=1000)
    for _ in range(10):
        backoff.pause()
    paused = asyncio.Event()

    async def opener():
        counters.bytes_in += carried
        over = asyncio.get_running_loop().create_future()
        over.set_result(None)
        paused.set()
        return over

    task = asyncio.create_task(keep_open("42", opener, backoff, counters))
    await paused.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (backoff.pause() < 0.01) == fresh
