"""A server that failed is left alone for a while."""

import pytest
from structlog.testing import capture_logs

from rerund.stores.outage import FIRST_PAUSE, LONGEST_PAUSE, Outage


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def outage(clock):
    return Outage("cache", clock)


def test_a_server_that_works_is_always_asked(outage):
    outage.worked()
    assert [outage.may_try() for _ in range(3)] == [True] * 3


def test_after_a_failure_nothing_is_tried_until_the_pause_is_over(outage, clock):
    pause = outage.failed(OSError())
    assert not outage.may_try()
    clock.now += pause - 0.01
    assert not outage.may_try()
    clock.now += 0.02
    assert outage.may_try()


def test_after_the_pause_only_one_tries(outage, clock):
    clock.now += outage.failed(OSError())
    assert [outage.may_try() for _ in range(3)] == [True, False, False]


def test_pauses_double_up_to_the_longest_and_begin_again(outage):
    pauses = [outage.failed(OSError()) for _ in range(9)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-2:] == [LONGEST_PAUSE] * 2
    outage.worked()
    assert outage.may_try()
    assert outage.failed(OSError()) == FIRST_PAUSE


def test_an_outage_is_logged_once_and_so_is_its_end(outage):
    with capture_logs() as logs:
        for _ in range(2):
            outage.failed(OSError("secret"))
        for _ in range(2):
            outage.worked()
        outage.failed(TimeoutError())
    said = [(line["event"], line.get("reason")) for line in logs]
    assert said == [
        ("cache_away", "OSError"),
        ("cache_back", None),
        ("cache_away", "TimeoutError"),
    ]
