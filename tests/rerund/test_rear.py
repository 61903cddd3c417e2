"""The rear of the daemon: a registrar hears only its own answers."""

import asyncio
import socket

import pytest

from rerund import rear as rear_module
from rerund import registrar_process
from rerund.child_line import LENGTH_BYTES, receive
from rerund.config import load
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.order_copy import unpack_order
from rerund.rear import Rear
from rerund.registrar_channel import (
    LookedUp,
    LookUp,
    Marked,
    Marks,
    NotesTold,
    OrdersChanged,
    decode_for_daemon,
    decode_for_registrar,
)
from rerund.registrar_orders import Change
from rerund.registrar_process import Channel
from tests.rerund.journal.desk import AT, until
from tests.rerund.ordered import order

CONFIG = """
[daemon]
state_dir = "{}"
[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://127.0.0.1:0"
"""


@pytest.fixture
async def rear(tmp_path):
    path = tmp_path / "rerund.toml"
    path.write_text(CONFIG.format(tmp_path))
    config = load(path)
    journal = Journal.open(config.journal_path, poll_seconds=0.01)
    journal.start(asyncio.get_running_loop())
    yield Rear(config, journal)
    assert await journal.close()


async def test_a_registrar_that_has_gone_is_not_answered_by_its_successor(rear):
    old, new = [await connected() for _ in range(2)]
    marked = rear_module._answer(7, old.writer)
    marked(None)
    assert await old.hears() == Marked(7)
    old.writer.close()
    marked(None)
    rear._act(Marks(8, []), new.writer)
    assert await new.hears() == Marked(8)
    new.writer.close()
    await old.done()
    await new.done()


class End:
    """Both ends of the line to a registrar."""

    def __init__(self, writer, reader, theirs):
        self.writer, self._reader, self._theirs = writer, reader, theirs

    async def hears(self):
        length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
        return decode_for_registrar(await self._reader.readexactly(length))

    async def done(self):
        """Nothing else came."""
        assert await self._reader.read() == b""
        self._theirs.close()
        await self._theirs.wait_closed()
        await self.writer.wait_closed()


async def connected():
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    reader, their_writer = await asyncio.open_connection(sock=theirs)
    return End(writer, reader, their_writer)


def test_an_answer_that_nobody_waits_for_is_passed_over():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(theirs)
        told = []
        channel.mark([], told.append)
        channel.marked(Marked(7))
        channel.marked(Marked(1))
        channel.marked(Marked(1))
        channel._file.close()
    assert told == [None]


def handed_over(change):
    """Return the messages in which a change of the orders goes over the line."""
    ours, theirs = socket.socketpair()
    with ours:
        channel = Channel(theirs)
        channel.change_orders(change)
        channel._file.close()
        theirs.close()
        with ours.makefile("rb") as file:
            return [decode_for_daemon(body) for body in iter(lambda: receive(file), None)]


async def on_disk(rear):
    """Return the keys of the orders in the journal once all that was asked for is there."""
    answer = asyncio.get_running_loop().create_future()
    rear._journal.note_orders([], answer.set_result)
    await answer
    with JournalReader(rear._journal.path) as reader:
        return {unpack_order(body).key for body in reader.orders()}


async def test_a_copy_comes_in_parts_and_is_swapped_in_with_the_last(rear, monkeypatch):
    monkeypatch.setattr(registrar_process, "ORDERS_AT_ONCE", 2)
    rear._act(OrdersChanged([order(9)], [], [], whole=True), None)
    changes = []
    write = rear._journal.change_orders
    monkeypatch.setattr(
        rear._journal,
        "change_orders",
        lambda orders, gone, *, whole: (
            changes.append(([one.key for one in orders], list(gone), whole)),
            write(orders, gone, whole=whole),
        ),
    )
    messages = handed_over(Change([order(n) for n in range(1, 6)], whole=True))
    assert [message.last for message in messages] == [False, False, True]
    for message in messages[:-1]:
        rear._act(message, None)
        assert [one.key for one in rear.orders.of_device("42")] == [(9, "", 0)]
    assert changes == []
    rear._act(messages[-1], None)
    keys = [(n, "", 0) for n in range(1, 6)]
    assert [one.key for one in rear.orders.of_device("42")] == keys
    assert changes == [(keys, [], True)]
    assert await on_disk(rear) == set(keys)


async def test_a_copy_that_a_registrar_left_unfinished_is_begun_anew(rear, monkeypatch):
    rear._act(OrdersChanged([order(1)], [], [], whole=True, last=False), None)
    rear._act(OrdersChanged([order(2)], [], [], whole=True), None)
    assert [one.key for one in rear.orders.of_device("42")] == [(2, "", 0)]
    assert await on_disk(rear) == {(2, "", 0)}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_change_that_fits_is_one_message(number, monkeypatch):
    monkeypatch.setattr(registrar_process, "ORDERS_AT_ONCE", 2)
    orders = [order(n) for n in range(number)]
    gone = [(7, "", 0), (8, "", 1)]
    assert handed_over(Change(orders, gone, gone[1:])) == [OrdersChanged(orders, gone, gone[1:])]


async def test_a_restart_finds_the_copy_on_disk_but_does_not_call_it_fresh(rear):
    rear._act(OrdersChanged([order(1), order(2)], [], [], whole=True), None)
    rear._act(OrdersChanged([], [(2, "", 0)], []), None)
    assert await on_disk(rear) == {(1, "", 0)}
    again = Rear(rear._config, rear._journal)
    assert [one.key for one in again.orders.of_device("42")] == [(1, "", 0)]
    assert again.orders.age is None


async def test_what_is_cancelled_is_taken_back_from_who_has_it(rear):
    rear._book.can_cancel("42")
    order_ids = sent(rear, 1, 2)
    row, other = (1, "", 1), (2, "", 1)
    rear._act(OrdersChanged([order(1, 1), order(2, 1)], [], [], whole=True), None)
    rear._act(OrdersChanged([], [other], []), None)
    assert rear._book.cancelled("42") == []
    rear._act(OrdersChanged([], [row], [row]), None)
    assert [one.order_id for one in rear._book.cancelled("42")] == order_ids[:1]


def sent(rear, *numbers):
    """Have the first rerun of some reports sent to instrument 42; returns the ids."""
    drawn = [rear._book.draw(order(number, 1), "42", ["GLU"]) for number in numbers]
    order_ids = [one.order_id for one in drawn]
    for order_id in order_ids:
        rear._book.sending([order_id])
        rear._book.note(order_id, "sent")
    return order_ids


async def test_a_restart_knows_what_was_sent_of_the_rows_that_are_open(rear):
    rear._act(OrdersChanged([order(1, 1)], [], [], whole=True), None)
    sent(rear, 1, 2)
    await on_disk(rear)
    again = Rear(rear._config, rear._journal)._book
    assert again.unsent(order(1, 1), "42") == ["ISE"]
    assert again.unsent(order(2, 1), "42") == ["GLU", "ISE"]


async def test_a_look_up_says_how_long_it_is_waited_for(rear, monkeypatch):
    bodies = []
    monkeypatch.setattr(rear.registrar, "send", bodies.append)
    asking = asyncio.create_task(rear.look_up(["S1"]))
    await until(lambda: bodies)
    (asked,) = [decode_for_registrar(body[LENGTH_BYTES:]) for body in bodies]
    assert asked == LookUp(1, ["S1"], rear._config.file.orders.look_up_timeout)
    rear._act(LookedUp(1, None), None)
    assert await asking is None


async def test_new_and_changed_orders_come_to_the_desks_and_are_announced(rear):
    (instrument,) = rear._config.instruments
    desk = rear.desk(instrument)
    considered, announced = [], []
    desk.consider = lambda orders: considered.append([one.key for one in orders])
    rear.on_orders = lambda: announced.append(None)
    rear._act(OrdersChanged([order(1)], [], [], whole=True), None)
    rear._act(OrdersChanged([], [], []), None)
    assert considered == [[(1, "", 0)]]
    assert len(announced) == 1


async def test_notes_that_the_stores_have_are_not_told_again(rear):
    for number in (1, 2):
        drawn = rear._book.draw(order(number), "42", ["GLU"])
        rear._book.note(drawn.order_id, "sent")
    rear._act(NotesTold([1]), None)
    await on_disk(rear)
    with JournalReader(rear._journal.path) as reader:
        assert [key for key, _ in reader.untold_notes(0, 9)] == [2]
        assert len(reader.notes(AT)) == 2


async def test_a_look_up_has_the_answer_to_its_own_ticket(rear):
    first, second = [asyncio.create_task(rear.look_up([sample])) for sample in ("S1", "S2")]
    await until(lambda: len(rear._asked) == 2)
    one, two = rear._asked
    rear._act(LookedUp(two, []), None)
    rear._act(LookedUp(two, [order(9)]), None)
    rear._act(LookedUp(one, [order(1)]), None)
    rear._act(LookedUp(99, None), None)
    assert (await first, await second) == ([order(1)], [])
    assert rear._asked == {}


async def test_a_look_up_that_nobody_answers_in_time_is_answered_that_nobody_knows(tmp_path, rear):
    path = tmp_path / "short.toml"
    path.write_text(CONFIG.format(tmp_path) + "[orders]\nlook_up_timeout = 0.01\n")
    rear = Rear(load(path), rear._journal)
    assert await rear.look_up(["S1"]) is None
    rear._act(LookedUp(1, [order(1)]), None)
    assert rear._asked == {}
