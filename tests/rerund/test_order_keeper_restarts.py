"""The registrar's keeper of orders: the daemon's copy, and notes told to the stores."""

import time

import msgspec
import pytest

from rerund.registrar_channel import OrdersChanged
from rerund.registrar_orders import OrderKeeper
from rerund.registrar_process import ORDERS_AT_ONCE, Channel
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder
from rerund.stores.ports import StoreRejected, StoreUnavailable
from tests.rerund.conftest import LAB

pack = msgspec.msgpack.encode


class Copy(list):
    """Hears changes as the daemon does."""

    def __call__(self, change):
        self.append(change)


@pytest.fixture
def ordered(site):
    """Two reports, each with an open rerun."""
    for number, sample in ((1, "S1"), (2, "S2")):
        site.report(number, sample)
        site.send("09:00", sample=sample, WBC="12.5")
        site.request(1, report=number)
    return site


def keeper(site, copy, copied=()):
    reports = site.stores.reports
    return OrderKeeper(LAB, ["42", "43"], site.service, reports, site.rules, copy, copied)


def note(status="sent", report=1, **fields):
    row = {"row_device_id": "", "rerun_number": 1, "device_id": "42", **fields}
    return OrderNote(lab_report_id=report, status=status, **row)


def notes(*made):
    return list(enumerate(map(pack, made), 1))


def refreshed(site, copied=()):
    """The first change of a registrar that was started on a copy."""
    copy = Copy()
    keeper(site, copy, copied).refresh(100.0)
    (change,) = copy
    return change


def test_the_first_change_is_everything_even_over_a_copy_that_is_right(ordered):
    first = refreshed(ordered)
    again = refreshed(ordered, map(pack, first.orders))
    assert again == first
    assert (again.whole, len(again.orders), again.gone) == (True, 2, [])


def test_what_went_while_no_registrar_ran_is_gone_and_cancelled(ordered):
    copied = [pack(order) for order in refreshed(ordered).orders]
    ordered.cancel(1)
    ordered.send("10:30", sample="S2", rerun=1, WBC="12.1")
    change = refreshed(ordered, copied)
    assert change.whole
    assert change.orders == []
    assert sorted(change.gone) == [(1, "", 1), (2, "", 1)]
    assert change.cancelled == [(1, "", 1)]


def test_later_changes_are_only_what_has_changed(ordered):
    copy = Copy()
    kept = keeper(ordered, copy)
    now = time.monotonic()
    kept.refresh(now)
    kept.tell(notes(note()))
    ordered.cancel(2)
    kept.refresh(now + 1000)
    kept.refresh(now + 1001)
    _, change, nothing = copy
    ((order,), gone, cancelled, whole) = change
    assert (order.key, order.status, order.taken_by) == ((1, "", 1), "sent", "42")
    assert (gone, cancelled, whole) == ([(2, "", 1)], [(2, "", 1)], False)
    assert not any(nothing)


def test_many_notes_are_one_transaction(ordered, monkeypatch):
    reports = ordered.stores.reports
    told = []
    take = reports.note_orders
    monkeypatch.setattr(
        reports, "note_orders", lambda lab, some: told.append(len(some)) or take(lab, some), False
    )
    made = [note(), note("accepted"), note(report=2)]
    assert keeper(ordered, Copy()).tell(notes(*made)) == [1, 2, 3]
    assert told == [3]
    rows = reports.waiting_rows(LAB, [1, 2])
    assert [row.status for row in rows] == ["accepted", "sent"]


def test_a_note_that_no_store_takes_keeps_no_other_waiting(ordered, monkeypatch):
    reports = ordered.stores.reports
    take = reports.note_orders

    def picky(lab, some):
        if any(one.reason == "bad" for one in some):
            raise StoreRejected("report store")
        return take(lab, some)

    monkeypatch.setattr(reports, "note_orders", picky, raising=False)
    made = [*notes(note("refused", reason="bad"), note(report=2)), (3, b"no note")]
    assert keeper(ordered, Copy()).tell(made) == [1, 2, 3]
    rows = reports.waiting_rows(LAB, [1, 2])
    assert [row.status for row in rows] == ["pending", "sent"]


def test_notes_wait_for_a_store_that_is_away(ordered, monkeypatch):
    def away(lab, some):
        raise StoreUnavailable("report store")

    monkeypatch.setattr(ordered.stores.reports, "note_orders", away, raising=False)
    with pytest.raises(StoreUnavailable):
        keeper(ordered, Copy()).tell(notes(note()))


def local(number):
    return LocalOrder(
        lab_report_id=number,
        device_id="",
        rerun_number=0,
        sample_id=f"S{number}",
        version=1,
        status="pending",
        priority=None,
        created_at="2026-05-20T09:00:00.000Z",
        codes={"42": ["CBC"]},
    )


@pytest.mark.parametrize(
    ("orders", "parts"),
    [(0, 1), (1, 1), (ORDERS_AT_ONCE, 1), (ORDERS_AT_ONCE + 1, 2), (2 * ORDERS_AT_ONCE, 2)],
)
def test_the_last_part_of_a_change_says_so(orders, parts, monkeypatch):
    sent: list[OrdersChanged] = []
    channel = object.__new__(Channel)
    monkeypatch.setattr(Channel, "_send", lambda self, message: sent.append(message))
    everything = [local(number) for number in range(orders)]
    channel.change_orders((everything, [(9, "", 0)], [(9, "", 0)], True))
    assert [message.last for message in sent] == [False] * (parts - 1) + [True]
    assert [message.whole for message in sent] == [True] + [False] * (parts - 1)
    assert [order for message in sent for order in message.orders] == everything
    assert [message.cancelled for message in sent] == [[(9, "", 0)]] + [[]] * (parts - 1)
