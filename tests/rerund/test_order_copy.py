"""The local copy of the open orders, as changes come in."""

import pytest

from rerund.order_copy import OrderCopy
from tests.rerund.ordered import order


def keys(orders):
    return [one.key for one in orders]


@pytest.fixture
def copy():
    copy = OrderCopy([order(1), order(1, 1), order(2, codes={"43": ["K"]})])
    copy.changes = []
    copy.on_change = lambda orders, gone: copy.changes.append((keys(orders), sorted(gone)))
    return copy


def test_orders_are_those_of_the_sample_that_the_instrument_can_measure(copy):
    assert keys(copy.of_sample("S1", "42")) == [(1, "", 0), (1, "", 1)]
    assert copy.of_sample("S1", "43") == []
    assert copy.of_sample("S3", "42") == []
    assert keys(copy.of_device("43")) == [(2, "", 0)]


def test_the_oldest_come_first(copy):
    copy.change([order(3, created_at="2026-05-20T08:00:00.000Z")], [], whole=False)
    assert keys(copy.of_device("42")) == [(3, "", 0), (1, "", 0), (1, "", 1)]


def test_a_change_replaces_adds_and_removes(copy):
    again = order(1, version=2, sample="S9")
    copy.change([again, order(4)], [(1, "", 1), (7, "", 0)], whole=False)
    assert copy.of_sample("S1", "42") == []
    assert copy.of_sample("S9", "42") == [again]
    assert keys(copy.of_device("42")) == [(1, "", 0), (4, "", 0)]
    assert copy.changes == [([(1, "", 0), (4, "", 0)], [(1, "", 1), (7, "", 0)])]


def test_of_a_whole_copy_what_is_not_in_it_is_gone(copy):
    copy.change([order(5), order(1)], [], whole=True)
    assert keys(copy.of_device("42")) == [(1, "", 0), (5, "", 0)]
    assert copy.of_device("43") == []
    assert copy.changes == [([(5, "", 0), (1, "", 0)], [(1, "", 1), (2, "", 0)])]


def test_a_copy_from_the_disk_has_no_age_until_the_stores_confirm_it(copy):
    assert (copy.age, copy.complete_at) == (None, None)
    copy.change([], [], whole=False)
    assert 0.0 <= copy.age < 60.0
    assert copy.changes == []


def test_a_whole_copy_in_parts_is_swapped_in_with_the_last(copy):
    before = keys(copy.of_device("42"))
    copy.change([order(5)], [], whole=True, last=False)
    copy.change([order(6)], [], whole=False, last=False)
    assert (keys(copy.of_device("42")), copy.age, copy.changes) == (before, None, [])
    assert copy.get((5, "", 0)) is None
    copy.change([order(7)], [(6, "", 0)], whole=False)
    assert keys(copy.of_device("42")) == [(5, "", 0), (7, "", 0)]
    assert copy.age is not None
    assert len(copy.changes) == 1


def test_a_copy_that_is_begun_anew_has_nothing_of_what_was_begun(copy):
    copy.change([order(5)], [], whole=True, last=False)
    copy.change([order(6)], [], whole=True)
    assert keys(copy.of_device("42")) == [(6, "", 0)]
    assert copy.changes[0][0] == [(6, "", 0)]


def test_orders_that_want_the_same_share_their_codes(copy):
    copy.change([order(5, codes={"42": ["K"]}), order(6, codes={"42": ["K"]})], [], whole=False)
    assert copy.get((5, "", 0)).codes is copy.get((6, "", 0)).codes
