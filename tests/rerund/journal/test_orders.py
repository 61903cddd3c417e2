"""The copy of the open orders, and the notes of what became of them."""

import asyncio

import pytest

from rerund.journal.prune import Limits
from rerund.journal.rows import Mark, OrderNoteRow
from rerund.order_copy import unpack_order
from tests.rerund.journal.desk import AT, Desk, payload, until
from tests.rerund.journal.test_prune import DAY, H, L, ago, settled
from tests.rerund.ordered import order


def copied(desk):
    """Return key and version of each order in the copy."""
    with desk.read() as reader:
        orders = [unpack_order(body) for body in reader.orders()]
    return {one.key: one.version for one in orders}


async def noted(desk, *rows):
    answer = asyncio.get_running_loop().create_future()
    desk.journal.note_orders(rows, answer.set_result)
    assert await answer is None


def note(key, at=AT):
    return OrderNoteRow(key, at, b"note %d" % key)


def untold(desk, after=0, limit=10):
    with desk.read() as reader:
        return [key for key, _ in reader.untold_notes(after, limit)]


async def test_an_order_is_kept_as_it_is(desk):
    one = order(1, priority="S", codes={"42": ["GLU", "ISE"], "43": ["K"]})
    async with desk:
        desk.journal.change_orders([one], [], whole=True)
    with desk.read() as reader:
        assert [unpack_order(body) for body in reader.orders()] == [one]


async def test_a_change_adds_replaces_and_removes_what_it_names(desk):
    async with desk:
        desk.journal.change_orders([order(1), order(2), order(3)], [], whole=True)
        await desk.flush()
        change = [order(2, version=2), order(2, 1), order(1, device_id="42")]
        desk.journal.change_orders(change, [(3, "", 0), (9, "", 0)], whole=False)
        await desk.flush()
        expected = {(1, "", 0): 1, (1, "42", 0): 1, (2, "", 0): 2, (2, "", 1): 1}
        assert copied(desk) == expected


async def test_a_whole_copy_replaces_the_one_before(desk):
    async with desk:
        desk.journal.change_orders([order(1), order(2)], [], whole=True)
        await desk.flush()
        desk.journal.change_orders([order(3)], [], whole=True)
        await desk.flush()
        assert copied(desk) == {(3, "", 0): 1}
        desk.journal.change_orders([], [], whole=True)
        await desk.flush()
        assert copied(desk) == {}


async def test_of_changes_in_one_commit_the_last_counts(desk):
    async with desk:
        desk.journal.change_orders([order(1), order(2)], [], whole=True)
        await desk.flush()
        # Without a turn of the loop in between: these are one transaction.
        desk.journal.change_orders([order(5)], [(1, "", 0)], whole=False)
        desk.journal.change_orders([order(3), order(4)], [], whole=True)
        desk.journal.change_orders([order(4, version=2), order(1)], [(3, "", 0)], whole=False)
        await desk.flush()
        assert copied(desk) == {(1, "", 0): 1, (4, "", 0): 2}


async def test_copy_and_notes_outlive_a_restart(tmp_path):
    async with Desk(tmp_path) as desk:
        desk.journal.change_orders([order(1), order(2)], [], whole=True)
        await noted(desk, note(1), note(2))
        desk.journal.mark_notes([1])
    async with Desk(tmp_path) as desk:
        assert copied(desk) == {(1, "", 0): 1, (2, "", 0): 1}
        assert untold(desk) == [2]
        with desk.read() as reader:
            assert reader.notes(AT) == [(1, b"note 1"), (2, b"note 2")]
            assert reader.last_note() == 2


async def test_notes_are_told_in_their_order_from_a_key_on(desk):
    async with desk:
        await noted(desk, note(1), note(2), note(3))
        await noted(desk, note(4))
        assert untold(desk) == [1, 2, 3, 4]
        assert untold(desk, limit=2) == [1, 2]
        assert untold(desk, after=2) == [3, 4]
        desk.journal.mark_notes([1, 3])
        await desk.flush()
        assert untold(desk) == [2, 4]


async def test_notes_since_an_instant_are_told_or_not(desk):
    async with desk:
        await noted(desk, note(1, ago(60)), note(2, ago(30)), note(3, ago(0)))
        desk.journal.mark_notes([3])
        await desk.flush()
        with desk.read() as reader:
            assert [key for key, _ in reader.notes(ago(45))] == [2, 3]


@pytest.mark.parametrize(
    ("state", "awaits"), [("pending", True), ("delivered", False), ("held", False)]
)
async def test_results_on_their_way_to_the_stores_are_awaited(desk, state, awaits):
    async with desk:
        for sample in ("S1", "S2"):
            entry = await desk.message(H, L)
            await desk.decide(entry, payload(sample))
        with desk.read() as reader:
            assert reader.awaits_delivery(["S1"])
            (first,) = reader.payloads(entry - 1)
            await desk.mark(Mark(first.payload_key, state))
            assert reader.awaits_delivery(["S1"]) is awaits
            assert reader.awaits_delivery(["S1", "S2"])
            assert not reader.awaits_delivery(["S3", ""])


async def test_of_the_notes_only_old_ones_that_are_told_go(desk):
    async with desk:
        await settled(desk, 0)
        await noted(desk, note(1, ago(91 * DAY)), note(2, ago(91 * DAY)), note(3, ago(89 * DAY)))
        desk.journal.mark_notes([1, 3])
        await desk.flush()
        await desk.journal.prune(Limits(keep=90 * DAY))
        with desk.read() as reader:
            assert [key for key, _ in reader.notes("")] == [2, 3]


async def test_a_note_stays_as_long_as_its_order_may_be_open(desk):
    """However little else is kept: who has forgotten an order would send it again."""
    async with desk:
        await settled(desk, 0)
        await noted(desk, note(1, ago(15 * DAY)), note(2, ago(13 * DAY)))
        desk.journal.mark_notes([1, 2])
        await desk.flush()
        await desk.journal.prune(Limits(keep=DAY, order_window=14 * DAY))
        with desk.read() as reader:
            assert [key for key, _ in reader.notes("")] == [2]


async def test_orders_and_notes_are_kept_until_a_full_disk_has_room(desk, monkeypatch):
    monkeypatch.setattr("rerund.journal.writer.PROBE_SECONDS", 0.001)
    async with desk:
        await desk.flush()
        db = desk.journal._writer._db
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        answer = asyncio.get_running_loop().create_future()
        row = OrderNoteRow(1, AT, b"x" * 60_000)
        desk.journal.note_orders([row], answer.set_result)
        desk.journal.change_orders([order(1)], [], whole=True)
        await until(lambda: not desk.journal.accepting)
        desk.journal.change_orders([order(2)], [(1, "", 0)], whole=False)
        assert not answer.done()
        db.execute("PRAGMA max_page_count = 1000000")
        assert await answer is None
        await desk.flush()
        assert (untold(desk), copied(desk)) == ([1], {(2, "", 0): 1})
