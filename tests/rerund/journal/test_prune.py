"""Old entries go, oldest first; what somebody still needs stays."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rerund.journal import prune
from rerund.journal.prune import Limits, Pruner
from rerund.journal.rows import Mark, OrderNoteRow
from rerund.rerun.instants import iso
from tests.rerund.journal.desk import payload

H, L = b"H|\\^&\r", b"L|1|N\r"
DAY = 86400.0


def ago(seconds: float) -> str:
    return iso((datetime.now(UTC) - timedelta(seconds=seconds)).timestamp())


async def settled(desk, age: float, *, size: int = 10) -> int:
    """Store an entry of some age with everything of it delivered."""
    at = ago(age)
    entry = await desk.message(H, b"x" * size, L, at=at)
    await desk.decide(entry, payload(), at=at)
    with desk.read() as reader:
        (only,) = reader.payloads(entry)
    await desk.mark(Mark(only.payload_key, "delivered"))
    return entry


def left(desk) -> set[int]:
    with desk.read() as reader:
        return {entry.entry_id for entry in reader.entries()}


async def test_what_is_older_than_asked_goes_with_all_that_belongs_to_it(desk):
    async with desk:
        old, young = [await settled(desk, age * DAY) for age in (91, 89)]
        newest = await settled(desk, 0)
        assert await desk.journal.prune(Limits(keep=90 * DAY)) == 1
        assert left(desk) == {young, newest}
        with desk.read() as reader:
            assert reader.frames(old) == []
            assert reader.payloads(old) == []
            assert reader.frames(young) != []


async def test_above_the_size_the_oldest_go_first(desk):
    async with desk:
        entries = [await settled(desk, (20 - n) * DAY, size=60_000) for n in range(10)]
        with desk.read() as reader:
            before = reader.size()
        await desk.journal.prune(Limits(max_bytes=before - 150_000))
        with desk.read() as reader:
            assert reader.size() <= before - 150_000
        assert left(desk) == set(entries[3:])


async def test_the_room_of_what_went_is_used_again(desk):
    async with desk:
        for _ in range(10):
            await settled(desk, 91 * DAY, size=60_000)
        await desk.journal.prune(Limits())
        length = desk.path.stat().st_size
        for _ in range(5):
            await settled(desk, 0, size=60_000)
    assert desk.path.stat().st_size <= max(length, 700_000)


@pytest.mark.parametrize("limits", [Limits(keep=0), Limits(max_bytes=0)], ids=["age", "size"])
async def test_the_history_window_is_kept_whatever_the_limits(desk, limits):
    async with desk:
        inside = await settled(desk, 71 * 3600)
        await settled(desk, 73 * 3600)
        newest = await settled(desk, 0)
        await desk.journal.prune(limits)
        assert left(desk) == {inside, newest}


@pytest.mark.parametrize("state", ["pending", "held", "parked"])
async def test_an_entry_with_an_undelivered_payload_is_kept(desk, state):
    async with desk:
        entry = await settled(desk, 1000 * DAY)
        await settled(desk, 1000 * DAY)
        with desk.read() as reader:
            (only,) = reader.payloads(entry)
        await desk.mark(Mark(only.payload_key, state))
        newest = await settled(desk, 0)
        await desk.journal.prune(Limits(max_bytes=0))
        assert left(desk) == {entry, newest}


async def test_open_undecided_and_held_entries_are_kept(desk):
    async with desk:
        open_entry = desk.begin()
        await desk.frame(open_entry, H)
        undecided = await desk.message(H, L)
        held = await desk.message(H, L)
        await desk.decide(held, state="held")
        newest = await settled(desk, 0)
        await desk.journal.prune(Limits(max_bytes=0))
        assert left(desk) == {open_entry, undecided, held, newest}


async def test_the_first_part_of_a_resumed_message_stays_as_long_as_the_second(desk):
    async with desk:
        cut = desk.begin(at=ago(80 * 3600))
        await desk.frame(cut, H)
        desk.journal.hold_entry(cut, "incomplete")
        entry = await desk.message(H, L, at=ago(3600))
        await desk.decide(entry, continues=[cut])
        newest = await settled(desk, 0)
        await desk.journal.prune(Limits(keep=0))
        assert left(desk) == {cut, entry, newest}


async def test_the_newest_entry_stays_so_that_its_id_is_not_used_again(desk):
    async with desk:
        first, second = [await settled(desk, 1000 * DAY) for _ in range(2)]
        assert await desk.journal.prune(Limits()) == 1
        assert left(desk) == {second}
    async with desk:
        assert await desk.message(H, L) == second + 1
    assert first < second


async def test_a_long_pruning_lets_commits_through_between_its_steps(desk, monkeypatch):
    monkeypatch.setattr(prune, "_LOOKED_AT", 2)
    async with desk:
        for _ in range(9):
            await settled(desk, 91 * DAY)
        await settled(desk, 0)
        order = []
        pruning = desk.journal.prune(Limits())

        async def pruned() -> None:
            order.append(await pruning)

        task = asyncio.create_task(pruned())
        await asyncio.sleep(0)
        for number in range(3):
            await desk.message(H, L)
            order.append(f"message {number}")
        await task
    assert 9 in order
    assert order.index("message 0") < order.index(9)


async def noted(desk, *ages):
    """Note orders of these ages in days, under keys from 1, all known to the stores."""
    rows = [OrderNoteRow(key, ago(age * DAY), b"note") for key, age in enumerate(ages, 1)]
    desk.journal.note_orders(rows)
    desk.journal.mark_notes([row.note_key for row in rows])
    await desk.flush()


def notes_left(desk):
    with desk.read() as reader:
        return [key for key, _ in reader.notes("")]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(keep=1 * DAY), [2, 3]),
        (Limits(keep=0, max_bytes=0), [2, 3]),
        (Limits(keep=1 * DAY, order_window=2 * DAY), [3]),
        (Limits(keep=90 * DAY), [1, 2, 3]),
    ],
)
async def test_what_became_of_an_order_is_kept_as_long_as_it_may_be_open(desk, limits, kept):
    async with desk:
        await settled(desk, 0)
        await noted(desk, 15, 13, 1)
        await desk.journal.prune(limits)
        assert notes_left(desk) == kept


async def test_what_the_stores_have_not_heard_is_kept(desk):
    async with desk:
        await settled(desk, 0)
        desk.journal.note_orders([OrderNoteRow(1, ago(100 * DAY), b"note")])
        await desk.flush()
        await desk.journal.prune(Limits())
        assert notes_left(desk) == [1]


async def test_old_notes_are_looked_for_once_in_a_pruning(desk, monkeypatch):
    monkeypatch.setattr(prune, "_LOOKED_AT", 2)
    looked = []
    remove = Pruner._remove_notes

    def count(self, db):
        db.set_trace_callback(lambda said: looked.append(said) if "order_note" in said else None)
        remove(self, db)
        db.set_trace_callback(None)

    monkeypatch.setattr(Pruner, "_remove_notes", count)
    async with desk:
        for _ in range(9):
            await settled(desk, 91 * DAY)
        await settled(desk, 0)
        await desk.journal.prune(Limits())
    assert len(looked) == 1
