"""Contract of `NumberCache`: numbers that others may see, and notices."""


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
    heard = []
    leave = numbers.subscribe(1, lambda: heard.append("first"))
    numbers.subscribe(1, lambda: heard.append("second"))
    numbers.subscribe(2, lambda: heard.append("another lab"))
    numbers.notify(1)
    assert heard == ["first", "second"]
    leave()
    numbers.notify(1)
    assert heard == ["first", "second", "second"]
