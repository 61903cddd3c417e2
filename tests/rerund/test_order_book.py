"""The ids of orders that go to instruments, and what is remembered of them."""

import pytest

from drivers.orders import OrderFate
from rerund import order_book
from rerund.order_book import OrderBook, unpack_note
from tests.rerund.journal.desk import Desk
from tests.rerund.ordered import order


@pytest.fixture
async def desk(tmp_path):
    async with Desk(tmp_path) as desk:
        yield desk


def book(desk, on_noted=lambda: None):
    """A book as a daemon makes it at its start."""
    with desk.read() as reader:
        notes = [unpack_note(body) for _, body in reader.notes("")]
        return OrderBook(desk.journal, notes, reader.last_note(), on_noted)


def kept(desk):
    with desk.read() as reader:
        return [unpack_note(body) for _, body in reader.notes("")]


def sent(one, row, device="42", codes=("GLU",), status="sent"):
    drawn = one.draw(row, device, codes)
    one.sending([drawn.order_id])
    one.note(drawn.order_id, status)
    return drawn.order_id


def ids(orders):
    return [one.order_id for one in orders]


def meant(one, device="42", **what):
    return one.meant(OrderFate(False, **what), device)


async def test_an_order_is_what_the_row_says(desk):
    drawn = book(desk).draw(order(7, 2, "S1", priority="S"), "42", ["GLU", "ISE"])
    assert (drawn.sample_id, drawn.codes, drawn.rerun_number) == ("S1", ("GLU", "ISE"), 2)
    assert (drawn.priority, drawn.registered_at) == ("S", "2026-05-20T09:00:00.000Z")


async def test_an_id_is_not_used_twice_and_not_by_the_next_process(desk, tmp_path):
    row = order()
    first = book(desk)
    used = [sent(first, row) for _ in range(3)]
    await desk.flush()
    second = book(desk)
    used += [sent(second, row, codes=[code]) for code in ("K", "NA")]
    await desk.flush()
    assert len(set(used)) == 5
    assert [note.codes for note in kept(desk)] == [("GLU",), ("K",), ("NA",)]
    (tmp_path / "other").mkdir()
    async with Desk(tmp_path / "other") as other:
        assert sent(book(other), row) not in used


async def test_a_note_is_kept_when_it_says_something_new(desk):
    noted = []
    one = book(desk, lambda: noted.append(None))
    drawn = one.draw(order(7, 2, "S1", device_id="42"), "42", ["GLU"])
    for status, reason in [("sent", ""), ("sent", ""), ("refused", "no"), ("refused", "no")]:
        one.note(drawn.order_id, status, reason)
    assert one.note("another", "sent") is None
    await desk.flush()
    assert [(note.status, note.reason) for note in kept(desk)] == [("sent", ""), ("refused", "no")]
    assert len(noted) == 2
    (note, _) = kept(desk)
    assert (note.lab_report_id, note.row_device_id, note.rerun_number) == (7, "42", 2)
    assert (note.device_id, note.order_id, note.sample_id, note.codes) == (
        "42",
        drawn.order_id,
        "S1",
        ("GLU",),
    )


async def test_a_rerun_names_the_order_before_it_at_the_same_instrument(desk):
    one = book(desk)
    original = sent(one, order())
    first = one.draw(order(1, 1), "42", ["GLU"])
    assert first.parent_id == original
    one.note(first.order_id, "sent")
    second = one.draw(order(1, 2), "42", ["GLU"])
    assert second.parent_id == first.order_id
    assert one.draw(order(1, 2), "43", ["GLU"]).parent_id is None
    assert one.draw(order(2, 2), "42", ["GLU"]).parent_id is None
    assert one.draw(order(1), "42", ["GLU"]).parent_id is None


async def test_codes_are_unsent_until_the_instrument_has_them(desk):
    one, row = book(desk), order(codes={"42": ["GLU", "ISE"], "43": ["GLU"]})
    drawn = one.draw(row, "42", ["GLU"])
    assert one.unsent(row, "42") == ["GLU", "ISE"]
    one.note(drawn.order_id, "sent")
    assert one.unsent(row, "42") == ["ISE"]
    assert one.unsent(row, "43") == ["GLU"]
    assert one.unsent(order(1, 1), "42") == ["GLU", "ISE"]
    sent(one, row, codes=["ISE"], status="refused")
    assert one.unsent(row, "42") == []


async def test_what_another_instrument_has_is_not_sent_again(desk):
    one = book(desk)
    for status in ("sent", "accepted"):
        assert one.unsent(order(1, status=status, taken_by="43"), "42") == []
    assert one.unsent(order(1, taken_by="43"), "42") == ["GLU", "ISE"]
    sent(one, order(2), codes=["GLU"])
    assert one.unsent(order(2, status="sent", taken_by="42"), "42") == ["ISE"]
    assert one.unsent(order(2, status="sent", taken_by="43"), "42") == []


@pytest.mark.parametrize("status", ["sent", "accepted"])
async def test_what_this_instrument_has_by_the_stores_is_not_sent_by_a_new_journal(desk, status):
    assert book(desk).unsent(order(1, status=status, taken_by="42"), "42") == []


async def test_a_refused_row_is_sent_again_once_it_is_pending_again(desk):
    one = book(desk)
    sent(one, order(1), codes=["GLU", "ISE"], status="refused")
    one.seen([order(1)], [])  # the stores have not heard of it yet
    assert one.unsent(order(1), "42") == []
    one.seen([order(1, status="refused")], [])
    assert one.unsent(order(1, status="refused"), "42") == []
    one.seen([order(1)], [])
    assert one.unsent(order(1), "42") == ["GLU", "ISE"]
    sent(one, order(1), codes=["GLU", "ISE"])
    assert one.unsent(order(1), "42") == []


async def test_what_an_earlier_process_sent_is_known(desk):
    first = book(desk)
    originals = [sent(first, order(1), codes=(code,)) for code in ("GLU", "ISE")]
    sent(first, order(2), "43")
    await desk.flush()
    second = book(desk)
    assert second.unsent(order(1), "42") == []
    assert second.draw(order(1, 1), "42", ["GLU"]).parent_id == originals[1]
    second.can_cancel("42")
    second.cancel([(1, "", 0)])
    assert ids(second.cancelled("42")) == originals
    assert (second.has_sent("42"), second.has_sent("44")) == (True, False)


async def test_what_an_instrument_says_of_an_earlier_process_s_order_is_noted(desk):
    earlier = book(desk)
    first = sent(earlier, order(7, 1, "S1"), codes=("GLU",))
    second = sent(earlier, order(7, 1, "S1"), codes=("ISE",))
    await desk.flush()
    again = book(desk)
    assert meant(again, sample_id="S1", code="GLU") == [first]
    assert meant(again, sample_id="S1") == meant(again) == [second]
    assert again.note(first, "refused", "no tube") is not None
    await desk.flush()
    last = kept(desk)[-1]
    assert (last.lab_report_id, last.rerun_number, last.status) == (7, 1, "refused")
    assert (last.order_id, last.codes) == (first, ("GLU",))


async def test_a_fate_of_a_whole_message_is_of_every_order_in_it(desk):
    one = book(desk)
    sent(one, order(1))
    message = [one.draw(order(number), "42", ["GLU"]).order_id for number in (2, 3)]
    one.sending(message)
    assert meant(one) == message
    assert meant(one, "43") == []


async def test_a_fate_of_a_whole_message_comes_soon(desk, monkeypatch):
    monkeypatch.setattr(order_book, "RECENT", 0.0)
    one = book(desk)
    sent(one, order(1))
    assert meant(one) == []


async def test_a_fate_of_a_sample_is_of_its_order_with_the_code(desk):
    one = book(desk)
    first = sent(one, order(1), codes=("GLU",))
    second = sent(one, order(1), codes=("ISE",))
    other = sent(one, order(2), codes=("GLU",))
    one.draw(order(1), "42", ["GLU"])  # never sent
    assert meant(one, sample_id="S1", code="GLU") == [first]
    assert meant(one, sample_id="S1", code="ISE") == [second]
    assert meant(one, sample_id="S1", code="unknown") == [second]
    assert meant(one, sample_id="S1") == [second]
    assert meant(one, sample_id="S2") == [other]
    assert meant(one, "43", sample_id="S1") == meant(one, sample_id="S3") == []


async def test_a_fate_of_a_sample_is_of_its_orders_in_the_last_message(desk):
    one = book(desk)
    sent(one, order(1), codes=("K",))
    message = [one.draw(order(1, number), "42", ["GLU"]).order_id for number in (0, 1)]
    one.sending([*message, one.draw(order(2), "42", ["GLU"]).order_id])
    assert sorted(meant(one, sample_id="S1")) == sorted(message)


async def test_every_order_of_a_cancelled_row_is_handed_out_until_it_is_told(desk):
    one = book(desk)
    for device in ("42", "43"):
        one.can_cancel(device)
    two = [sent(one, order(1, 1), codes=(code,)) for code in ("GLU", "ISE")]
    other = sent(one, order(1, 1), "43")
    sent(one, order(1, 2), "42")
    sent(one, order(2, 1), "42", status="refused")
    one.draw(order(3, 1), "42", ["GLU"])
    rows = [(1, "", 1), (2, "", 1), (3, "", 1)]
    one.cancel(rows)
    one.seen([], rows)
    for _ in range(2):
        assert ids(one.cancelled("42")) == two
    (only,) = one.cancelled("43")
    assert (only.order_id, only.sample_id, only.codes) == (other, "S1", ("GLU",))
    assert only.rerun_number == 1
    one.cancel_sent("42", two[:1])
    assert ids(one.cancelled("42")) == two[1:]
    assert ids(one.cancelled("43")) == [other]


async def test_what_is_on_its_way_to_an_instrument_is_cancelled_there_too(desk):
    one = book(desk)
    one.can_cancel("42")
    drawn = one.draw(order(1, 1), "42", ["GLU"])
    one.sending([drawn.order_id])
    one.cancel([(1, "", 1)])
    assert ids(one.cancelled("42")) == [drawn.order_id]


async def test_nothing_is_kept_for_an_instrument_that_cannot_be_told(desk):
    one = book(desk)
    sent(one, order(1, 1))
    one.cancel([(1, "", 1)])
    assert one.cancelled("42") == []


async def test_orders_of_long_ago_make_room(desk, monkeypatch):
    monkeypatch.setattr(order_book, "REMEMBERED", 2)
    one = book(desk)
    drawn = ids(one.draw(order(number), "42", ["GLU"]) for number in (1, 2, 3))
    assert one.note(drawn[0], "sent") is None
    assert one.note(drawn[1], "sent") is not None
