"""Waiting until what an instrument sent before is decided."""

import asyncio
import time

import pytest

from rerund import arrivals as module
from rerund.arrivals import Arrivals


@pytest.fixture
def arrivals():
    return Arrivals()


async def waits(arrivals, entry_id, device="42"):
    """Begin to wait; returns the task once it has come to where it waits."""
    task = asyncio.create_task(arrivals.wait(device, entry_id, 3600.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_a_question_waits_for_its_entry_and_all_before_it(arrivals):
    task = await waits(arrivals, 3)
    for entry_id in (1, 2):
        arrivals.decided("42", entry_id, ["S1"])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    arrivals.decided("42", 3, [])
    assert await task


async def test_what_is_decided_already_is_not_waited_for(arrivals):
    arrivals.decided("42", 3, [])
    assert await arrivals.wait("42", 3, 3600.0)
    assert await arrivals.wait("42", 2, 3600.0)


async def test_another_instrument_is_not_waited_for(arrivals):
    task = await waits(arrivals, 3)
    arrivals.decided("43", 9, [])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()


async def test_several_wait_at_a_time(arrivals):
    tasks = [await waits(arrivals, entry_id) for entry_id in (2, 1, 2)]
    arrivals.decided("42", 1, [])
    await tasks[1]
    assert [task.done() for task in tasks] == [False, True, False]
    arrivals.decided("42", 2, [])
    await asyncio.gather(*tasks)


async def test_it_waits_no_longer_than_it_may_and_says_so(arrivals):
    arrivals.decided("42", 2, [])
    assert not await arrivals.wait("42", 3, 0.01)
    arrivals.decided("42", 3, [])
    assert await arrivals.wait("42", 3, 3600.0)


async def test_one_that_is_taken_back_keeps_no_other_waiting(arrivals):
    task, other = await waits(arrivals, 3), await waits(arrivals, 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    arrivals.decided("42", 3, [])
    assert await other


def test_a_sample_with_results_outdates_a_copy_that_may_not_know_of_them(arrivals):
    arrivals.decided("42", 1, ["S1", "S2"])
    now = time.monotonic()
    assert arrivals.outdates("S1", None)
    assert arrivals.outdates("S1", now + module.BEHIND - 5.0)
    assert not arrivals.outdates("S1", now + module.BEHIND + 5.0)
    assert not arrivals.outdates("S3", None)


def test_the_samples_of_long_ago_make_room(arrivals, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 2)
    for entry_id, sample in enumerate(["S1", "S2", "S1", "S3"]):
        arrivals.decided("42", entry_id, [sample])
    known = [arrivals.outdates(sample, None) for sample in ("S1", "S2", "S3")]
    assert known == [True, False, True]
