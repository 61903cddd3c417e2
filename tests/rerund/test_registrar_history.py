"""The history of an instrument from the ledger, in parts that fit into memory."""

import pytest

from rerund.registrar_history import STEP, history
from rerund.rerun.instants import iso
from tests.rerund.conftest import EVERYWHERE, LAB

pytestmark = EVERYWHERE

HOURS = 3


def parts(site, device="42"):
    return [
        [run.value for _, run in part]
        for part in history(site.stores.reports, LAB, device, HOURS * STEP)
    ]


@pytest.fixture
def received(site):
    """Let results arrive so many seconds ago, as whoever received them thought."""

    def receive(**ago):
        now = site.clock.at
        for value, seconds in ago.items():
            at = iso(now - seconds)
            site.again(site.payload(at, received=at, sample=value, WBC=value.strip("v")))
        site.clock.at = now

    return receive


@pytest.mark.parametrize(
    ("ago", "part"),
    [
        (HOURS * STEP + 1, None),
        (HOURS * STEP, 0),
        (2 * STEP + 1, 0),
        (2 * STEP, 1),
        (1, 2),
        (0, 2),
        (-2 * STEP, 2),
    ],
)
def test_a_run_is_in_the_part_of_its_hour_and_one_from_the_future_in_the_last(
    site, received, ago, part
):
    received(v5=ago)
    expected = [["5"] if number == part else [] for number in range(HOURS)]
    assert parts(site) == expected
    assert parts(site, "43") == [[]] * HOURS


def test_parts_are_in_order_of_arrival(site, received):
    received(v1=2 * STEP + 20, v2=2 * STEP + 10, v3=STEP + 5, v4=5)
    assert parts(site) == [["1", "2"], ["3"], ["4"]]
