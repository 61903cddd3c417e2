"""Contract of `NumberCache`: numbers that others may see, and notices."""

from tests.rerund.stores.heard import Heard


def test_a_published_number_is_known_until_it_is_removed(numbers, beside):
    numbers.publish(1, {1: 2, 2: 5})
    assert [beside.numbers.active_number(1, report) for report in (1, 2, 3)] == [2, 5, None]
    beside.numbers.publish(1, {1: 3, 2: None, 3: None})
    assert [numbers.active_number(1, report) for report in (1, 2, 3)] == [3, None, None]


def test_numbers_are_those_of_a_lab(numbers):
    numbers.publish(1, {1: 2})
    assert numbers.active_number(2, 1) is None
    numbers.publish(2, {1: None})
    assert numbers.active_number(1, 1) == 2


def test_nothing_to_publish_is_nothing(numbers):
    numbers.publish(1, {})
    assert numbers.active_number(1, 1) is None


def test_a_notice_reaches_the_subscribers_of_the_lab_until_they_leave(numbers):
    first, second, another = Heard(), Heard(), Heard()
    leave = numbers.subscribe(1, first)
    numbers.subscribe(1, second)
    numbers.subscribe(2, another)
    numbers.notify(1)
    first.wait_for(1)
    second.wait_for(1)
    leave()
    numbers.notify(1)
    numbers.notify(2)
    second.wait_for(2)
    another.wait_for(1)
    assert [heard.times for heard in (first, second, another)] == [1, 2, 1]
