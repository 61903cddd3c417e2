"""The thread of the orders: the copy and notes, between the daemon and its stores."""

import asyncio
from queue import Empty, SimpleQueue

import pytest
from structlog.testing import capture_logs

from rerund import registrar_orders
from rerund.registrar_orders import OrderThread
from tests.rerund.journal.desk import Desk, until
from tests.rerund.ordered import Copy, keys, note, ordered, states


@pytest.fixture
def site(site):
    for number in (1, 2):
        site.report(number, sample=f"S{number}")
        ordered(site, 1, 2, 4, report=number)
    return site


@pytest.fixture
def copy(site):
    return Copy(site)


class Line:
    """The line to the daemon: what came over it."""

    def __init__(self):
        self.told = SimpleQueue()

    def notes_told(self, note_keys):
        self.told.put(list(note_keys))

    async def hears(self):
        """Wait for the next notes that the stores have."""
        while True:
            try:
                return self.told.get_nowait()
            except Empty:
                await asyncio.sleep(0.001)


class Running:
    """`async with Running(...)`: a thread at work on a site's stores and a journal."""

    def __init__(self, copy, desk, poll_interval=3600.0):
        self.line = Line()
        self.reader = desk.read()
        self.thread = OrderThread(copy.keeper, self.reader, self.line, poll_interval)

    async def __aenter__(self):
        self.thread.start()
        return self

    async def __aexit__(self, *exc):
        self.thread.stop(30.0)
        self.reader.close()


@pytest.fixture
async def desk(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    async with Desk(folder) as desk:
        yield desk


async def noted(desk, *rows):
    answer = asyncio.get_running_loop().create_future()
    desk.journal.note_orders(rows, answer.set_result)
    assert await answer is None


async def test_a_thread_hands_the_copy_over_and_then_what_it_is_woken_for(site, copy, desk):
    async with Running(copy, desk) as running:
        await until(lambda: len(copy.changes) == 1)
        assert copy.changes[0].whole
        ordered(site, 1, report=2)
        running.thread.wake()
        await until(lambda: len(copy.changes) == 2)
        assert keys(copy.changes[1]) == {(2, "", 0)}


async def test_notes_are_told_once(site, copy, desk):
    """Though the journal does not say yet that they are told."""
    await noted(desk, note(1), note(2, 2))
    async with Running(copy, desk) as running:
        assert await running.line.hears() == [1, 2]
        await noted(desk, note(3, status="accepted"))
        running.thread.wake()
        assert await running.line.hears() == [3]
        assert running.line.told.empty()
    assert states(site) == ["accepted", "sent"]


async def test_many_notes_are_told_in_turns_of_so_many(copy, desk, monkeypatch):
    monkeypatch.setattr(registrar_orders, "NOTES", 2)
    await noted(desk, *(note(key) for key in range(1, 6)))
    async with Running(copy, desk) as running:
        told = [await running.line.hears() for _ in range(3)]
    assert told == [[1, 2], [3, 4], [5]]


async def test_notes_are_told_again_after_a_store_that_was_away(site, copy, desk, monkeypatch):
    monkeypatch.setattr(registrar_orders, "RETRY", 0.01)
    async with Running(copy, desk, 0.01) as running:
        await until(lambda: copy.changes)
        copy.store.away = True
        await noted(desk, note(1), note(2, 2))
        running.thread.wake()
        tried = copy.store.tried
        await until(lambda: copy.store.tried > tried + 2)
        assert running.line.told.empty()
        copy.store.away = False
        assert await running.line.hears() == [1, 2]
    assert states(site) == ["sent", "sent"]


async def test_what_the_store_can_not_read_is_told_once_and_notes_go_on(
    site, copy, desk, monkeypatch
):
    monkeypatch.setattr(registrar_orders, "RETRY", 0.01)
    with capture_logs() as logs:
        copy.store.unreadable = True
        async with Running(copy, desk) as running:
            await until(lambda: copy.store.tried > 2)
            await noted(desk, note(1))
            running.thread.wake()
            assert await running.line.hears() == [1]
            copy.store.unreadable = False
            await until(lambda: copy.changes)
    told = [line for line in logs if line["event"] == "orders_unreadable"]
    assert [(line["alert"], line["log_level"], line["detail"]) for line in told] == [
        (True, "error", "ValueError")
    ]
    assert states(site) == ["sent", "pending"]


async def test_what_the_next_process_tells_again_changes_nothing(site, copy, desk):
    await noted(desk, note(1), note(2, status="refused"))
    for _ in range(2):
        async with Running(copy, desk) as running:
            assert await running.line.hears() == [1, 2]
        assert states(site) == ["refused", "pending"]
