"""What an instrument is told that asks, what is pushed to it, and what it says of orders."""

import asyncio

import pytest
from structlog.testing import capture_logs

from drivers.orders import OrderFate
from drivers.result import HostQuery
from rerund.order_copy import OrderCopy
from tests.rerund.desks import MAX_AGE, DeskBench
from tests.rerund.journal.desk import Desk
from tests.rerund.ordered import order


@pytest.fixture
async def bench(tmp_path):
    async with Desk(tmp_path) as journal:
        yield DeskBench(tmp_path, journal)


BOTH = ("GLU", "ISE")


async def test_what_is_in_the_copy_is_answered_without_the_stores(bench):
    bench.put(order(1), order(1, 1, codes={"42": ["GLU"]}), order(2))
    bench.stores.away = True
    assert await bench.finds("S1") == ([("S1", 0, BOTH), ("S1", 1, ("GLU",))], [])
    assert bench.stores.asked == []


async def test_a_sample_that_is_not_in_the_copy_is_looked_up(bench):
    bench.put(order(1))
    bench.stores.open.append(order(2))
    assert await bench.finds("S1", "S2", "S3") == ([("S1", 0, BOTH), ("S2", 0, BOTH)], ["S3"])
    assert bench.stores.asked == [["S2", "S3"]]


async def test_what_another_instrument_can_measure_is_no_order_of_this_one(bench):
    bench.put(order(1, codes={"43": ["K"]}))
    assert await bench.finds("S1") == ([], ["S1"])


async def test_a_question_for_neither_samples_nor_all_is_unable_to_be_answered(bench):
    """By patient, place or time: of that nobody here knows, and "no order" would be a lie."""
    bench.put(order(1))
    assert await bench.finds() is None
    assert await bench.desk.find(0, [HostQuery(1, ("S1",)), HostQuery(2, ())]) is None
    assert bench.stores.asked == []


async def test_that_there_is_no_order_is_not_said_when_nobody_knows(bench):
    bench.put(order(1))
    bench.stores.away = True
    assert await bench.finds("S2") is None
    assert await bench.finds("S1", "S2") is None


async def test_a_re_analysis_gets_what_is_to_be_repeated_and_nothing_else(bench):
    bench.put(order(1), order(1, 1, codes={"42": ["GLU"]}))
    assert await bench.finds("S1", mode="reanalysis") == ([("S1", 1, ("GLU",))], [])
    assert bench.stores.asked == []
    for mode in ("initial", "manual", "unknown"):
        orders, _ = await bench.finds("S1", mode=mode)
        assert len(orders) == 2


async def test_a_re_analysis_without_a_rerun_in_the_copy_is_looked_up(bench):
    bench.put(order(1))
    assert await bench.finds("S1", mode="reanalysis") == ([], ["S1"])
    bench.stores.open.append(order(1, 1))
    assert await bench.finds("S1", mode="reanalysis") == ([("S1", 1, BOTH)], [])
    bench.stores.away = True
    assert await bench.finds("S1", mode="reanalysis") is None


async def test_after_results_of_a_sample_the_stores_are_asked_what_remains(bench):
    bench.put(order(1), order(2))
    bench.stores.open = [order(1, codes={"42": ["ISE"]}), order(2)]
    bench.arrivals.decided("42", 1, ["S1"])
    assert await bench.finds("S1", "S2") == ([("S2", 0, BOTH), ("S1", 0, ("ISE",))], [])
    assert bench.stores.asked == [["S1"]]


async def test_after_results_the_copy_is_not_told_when_nobody_looks_up(bench):
    """They may have measured what it holds, or brought a rerun that it lacks."""
    bench.put(order(1), order(2))
    bench.stores.away = True
    bench.arrivals.decided("42", 1, ["S1"])
    assert await bench.finds("S1") is None
    assert await bench.finds("S1", "S2") is None
    assert await bench.finds("S2") == ([("S2", 0, BOTH)], [])


async def test_results_that_a_later_copy_knows_of_need_no_look_up(bench, monkeypatch):
    monkeypatch.setattr("rerund.arrivals.BEHIND", 0.0)
    bench.arrivals.decided("42", 1, ["S1"])
    bench.put(order(1))
    bench.stores.away = True
    assert await bench.finds("S1") == ([("S1", 0, BOTH)], [])


async def test_a_question_waits_until_it_is_decided(bench):
    bench.put(order(1))
    asked = asyncio.create_task(bench.desk.find(7, [HostQuery(1, ("S1",))]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (asked.done(), bench.stores.asked) == (False, [])
    bench.stores.open = []
    bench.arrivals.decided("42", 7, ["S1"])
    found = await asked
    assert (found.orders, found.missing) == ([], ["S1"])


async def test_a_question_that_is_not_decided_in_time_is_unable_to_be_answered(bench):
    desk = bench.make(patience=0.01)
    bench.put(order(1))
    assert await desk.find(7, [HostQuery(1, ("S1",))]) is None
    assert bench.stores.asked == []


async def test_all_orders_are_told_from_a_fresh_copy_alone(bench, monkeypatch):
    bench.put(order(1), order(2), order(3, codes={"43": ["K"]}))
    assert await bench.finds(all_samples=True) == ([("S1", 0, BOTH), ("S2", 0, BOTH)], [])
    bench.put()
    assert await bench.finds(all_samples=True) == ([], [])
    assert bench.stores.asked == []
    monkeypatch.setattr(OrderCopy, "age", MAX_AGE + 1.0)
    assert await bench.finds(all_samples=True) is None
    monkeypatch.setattr(OrderCopy, "age", None)
    assert await bench.finds(all_samples=True) is None


async def test_of_all_orders_those_of_samples_with_results_are_looked_up(bench):
    bench.put(order(1), order(2), order(3))
    bench.stores.open = [order(2, codes={"42": ["ISE"]})]
    bench.arrivals.decided("42", 1, ["S1", "S2", "S9"])
    found = ([("S3", 0, BOTH), ("S2", 0, ("ISE",))], [])
    assert await bench.finds(all_samples=True) == found
    assert bench.stores.asked == [["S1", "S2"]]
    bench.stores.away = True
    assert await bench.finds(all_samples=True) is None


async def test_a_sample_asked_for_twice_is_ordered_once(bench):
    bench.put(order(1))
    found = await bench.desk.find(0, [HostQuery(1, ("S1",)), HostQuery(2, ("S1",))])
    assert len(found.orders) == 1


@pytest.mark.parametrize(
    ("driver", "orders", "answers", "pushes"),
    [
        ("generic-astm", "auto", True, False),
        ("generic-astm", "answer", True, False),
        ("generic-astm", "push", True, True),
        ("generic-astm", "off", False, False),
        ("abbott-celldyn-ruby", "auto", False, True),
        ("abbott-celldyn-ruby", "push", False, True),
        ("abbott-celldyn-ruby", "off", False, False),
        ("sysmex-xp", "auto", False, False),
    ],
)
async def test_who_asks_is_answered_and_who_does_not_ask_is_pushed_to(
    bench, driver, orders, answers, pushes
):
    desk = bench.make(driver, orders)
    bench.put(order(1))
    assert (desk.answers, desk.pushes) == (answers, pushes)
    assert len(desk.due()) == pushes


def pushed(desk):
    """Take what is due and say that it was sent; returns (sample, number, codes) of each."""
    orders = desk.due()
    desk.sending([one.order_id for one in orders])
    desk.note([one.order_id for one in orders], "sent")
    return [(one.sample_id, one.rerun_number, one.codes) for one in orders]


async def test_what_is_due_is_what_the_instrument_was_not_sent_sample_by_sample(bench):
    desk = bench.make("abbott-celldyn-ruby")
    rows = [order(1), order(1, 1), order(2)]
    bench.put(*rows)
    assert pushed(desk) == [("S1", 0, BOTH), ("S1", 1, BOTH)]
    assert pushed(desk) == [("S2", 0, BOTH)]
    assert pushed(desk) == []
    bench.put(order(1, version=2, codes={"42": ["GLU", "ISE", "CA"]}), *rows[1:])
    assert pushed(desk) == [("S1", 0, ("CA",))]
    assert pushed(desk) == []


async def test_nothing_is_pushed_before_the_copy_is_known_to_be_complete(bench, tmp_path):
    bench = DeskBench(tmp_path, bench._journal, [order(1), order(2)])
    desk = bench.make("abbott-celldyn-ruby")
    assert desk.due() == []
    bench.copy.change([], [(1, "", 0)], whole=False)
    assert pushed(desk) == [("S2", 0, BOTH)]


async def test_nothing_is_pushed_or_taken_back_before_the_lease_is_held(bench):
    desk = bench.make("generic-hl7", "push")
    bench.put(order(1, 1), order(2))
    assert pushed(desk) == [("S1", 1, BOTH)]
    bench.cancel((1, "", 1))
    desk.is_held = False
    assert (desk.due(), desk.cancelled()) == ([], [])
    desk.is_held = True
    assert [one.sample_id for one in desk.cancelled()] == ["S1"]
    assert pushed(desk) == [("S2", 0, BOTH)]


@pytest.mark.parametrize("status", ["sent", "accepted"])
async def test_what_some_instrument_has_by_the_stores_is_not_pushed(bench, status):
    """Neither to another one, nor again to this one by a journal that knows nothing of it."""
    desk = bench.make("abbott-celldyn-ruby")
    bench.put(
        order(1, status=status, taken_by="42"),
        order(2, status=status, taken_by="43", codes={"42": ["GLU"], "43": ["GLU"]}),
        order(3),
    )
    assert pushed(desk) == [("S3", 0, BOTH)]
    assert pushed(desk) == []


async def test_what_another_instrument_takes_meanwhile_is_not_pushed(bench):
    desk = bench.make("abbott-celldyn-ruby")
    bench.put(order(1))
    bench.put(order(1, status="sent", taken_by="43"))
    assert desk.due() == []


async def test_a_refused_row_that_is_set_to_pending_is_pushed_again(bench):
    desk = bench.make("abbott-celldyn-ruby")
    bench.put(order(1))
    desk.note([one.order_id for one in desk.due()], "refused", "no tube")
    for status in ("pending", "refused"):
        bench.put(order(1, status=status))
        assert desk.due() == []
    bench.put(order(1))
    assert pushed(desk) == [("S1", 0, BOTH)]
    bench.put(order(1))
    assert desk.due() == []


async def test_a_push_that_was_not_taken_goes_out_again_under_the_same_ids(bench):
    desk = bench.make("abbott-celldyn-ruby")
    bench.put(order(1), order(2), order(3))
    first, second = desk.due(), desk.due()
    for orders in (first, second):
        desk.sending([one.order_id for one in orders])
        desk.put_back(orders)
    assert desk.due() == first
    assert desk.due() == second
    assert pushed(desk) == [("S3", 0, BOTH)]


async def test_what_was_not_taken_and_is_not_open_any_more_is_not_pushed_again(bench):
    desk = bench.make("abbott-celldyn-ruby")
    bench.put(order(1))
    orders = desk.due()
    desk.sending([one.order_id for one in orders])
    desk.put_back(orders)
    bench.put()
    assert desk.due() == []


async def test_a_refused_order_is_told_to_a_person_once(bench):
    bench.put(order(7))
    (drawn,) = (await bench.desk.find(0, [HostQuery(1, ("S7",))])).orders
    with capture_logs() as logs:
        for _ in range(2):
            bench.desk.note([drawn.order_id], "refused", "no tube")
    (line,) = logs
    assert (line["event"], line["alert"], line["report"]) == ("order_refused", True, 7)
    assert await bench.notes() == [(7, "refused", "no tube")]


async def found(bench, *samples):
    return [one.order_id for one in (await bench.desk.find(0, [HostQuery(1, samples)])).orders]


async def sent(bench, *samples):
    """Have orders of samples sent in one message; returns their ids."""
    order_ids = await found(bench, *samples)
    bench.desk.sending(order_ids)
    return order_ids


async def test_an_order_of_which_a_part_is_refused_is_refused_with_the_reasons(bench):
    bench.put(order(1), order(2))
    first, second = await sent(bench, "S1", "S2")
    spoken_of = bench.desk.take_fates(
        [
            OrderFate(accepted=True, order_id=first, code="GLU"),
            OrderFate(accepted=False, order_id=first, code="ISE", reason="no reagent"),
            OrderFate(accepted=False, order_id=first, code="ISE", reason="no reagent"),
            OrderFate(accepted=False, order_id=first),
            OrderFate(accepted=True, order_id=second),
            OrderFate(accepted=True, order_id="unknown"),
        ]
    )
    assert {first, second} <= spoken_of
    assert await bench.notes() == [
        (2, "accepted", ""),
        (1, "refused", "ISE no reagent, refused"),
    ]


async def test_a_message_that_is_refused_as_a_whole_refuses_all_its_orders(bench):
    bench.put(order(1), order(2), order(3))
    await sent(bench, "S1")
    message = await sent(bench, "S2", "S3")
    assert bench.desk.take_fates([OrderFate(accepted=False, reason="busy")]) == set(message)
    assert sorted(await bench.notes()) == [(2, "refused", "busy"), (3, "refused", "busy")]


async def test_a_fate_of_a_sample_and_a_code_is_of_the_order_that_holds_it(bench):
    bench.put(order(1, codes={"42": ["GLU"]}), order(2, sample="S1", codes={"42": ["ISE"]}))
    await sent(bench, "S1")
    bench.desk.take_fates([OrderFate(accepted=False, sample_id="S1", code="GLU", reason="late")])
    bench.desk.take_fates([OrderFate(accepted=True, sample_id="S9")])
    assert await bench.notes() == [(1, "refused", "GLU late")]


async def test_an_instrument_may_refuse_what_it_was_sent_before_a_restart(bench, tmp_path):
    rows = order(1, codes={"42": ["GLU"]}), order(2, sample="S1", codes={"42": ["ISE"]})
    bench.put(*rows)
    assert not bench.desk.has_sent
    bench.desk.note(await sent(bench, "S1"), "sent")
    before = await bench.notes()
    again = DeskBench(tmp_path, bench._journal, rows)
    assert again.desk.has_sent
    again.desk.take_fates([OrderFate(accepted=False, sample_id="S1", code="GLU", reason="no")])
    assert await again.notes() == [*before, (1, "refused", "GLU no")]


async def test_what_is_taken_back_is_handed_out_until_the_instrument_is_told(bench):
    desk = bench.make("generic-hl7")
    bench.put(order(1, 1))
    first = await sent(bench, "S1")
    second = await sent(bench, "S1")
    desk.note([*first, *second], "accepted")
    bench.cancel((1, "", 1))
    for _ in range(2):
        assert [one.order_id for one in desk.cancelled()] == [*first, *second]
    desk.cancel_sent(first)
    assert [one.order_id for one in desk.cancelled()] == second
    desk.cancel_sent(second)
    assert desk.cancelled() == []


async def test_orders_are_taken_back_sample_by_sample(bench):
    """In HL7 each sample is a message, and an answer must not wait for all of them."""
    desk = bench.make("generic-hl7")
    bench.put(order(1, 1), order(2, 1))
    await sent(bench, "S1", "S2")
    bench.cancel((1, "", 1), (2, "", 1))
    for sample in ("S1", "S2"):
        orders = desk.cancelled()
        assert [one.sample_id for one in orders] == [sample]
        desk.cancel_sent([one.order_id for one in orders])
    assert desk.cancelled() == []


@pytest.fixture
async def taken_back(bench):
    """An order of two codes that is being taken back."""
    desk = bench.make("generic-hl7")
    bench.put(order(1, 1))
    (order_id,) = await sent(bench, "S1")
    bench.cancel((1, "", 1))
    assert len(desk.cancelled()) == 1
    return order_id


def said(order_id, *accepted):
    """What an instrument says of each code of an order."""
    return [
        OrderFate(yes, order_id, "S1", code, "so it is")
        for code, yes in zip(BOTH, accepted, strict=True)
    ]


async def test_what_is_taken_back_is_not_refused_by_saying_so(bench, taken_back):
    with capture_logs() as logs:
        bench.desk.take_fates(said(taken_back, False, False))
    assert (logs, await bench.notes()) == ([], [])


@pytest.mark.parametrize("accepted", [(True, True), (True, False), (False, True)])
async def test_an_order_that_cannot_be_taken_back_any_more_is_told_to_a_person_once(
    bench, taken_back, accepted
):
    with capture_logs() as logs:
        bench.desk.take_fates(said(taken_back, *accepted))
    (line,) = logs
    told = (line["event"], line["alert"], line["order"])
    assert told == ("order_not_cancelled", True, taken_back)
    assert await bench.notes() == []


async def test_an_instrument_that_cannot_be_told_has_nothing_to_take_back(bench):
    desk = bench.make("abbott-celldyn-ruby")
    assert not desk.cancels
    bench.put(order(1, 1))
    assert pushed(desk) == [("S1", 1, BOTH)]
    bench.cancel((1, "", 1))
    assert desk.cancelled() == []
