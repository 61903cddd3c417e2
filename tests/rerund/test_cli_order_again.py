"""`rerund order again`: what went to an instrument waits again."""

import pytest

from rerund.rerun.order_notes import OrderNote
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from tests.rerund.stores_at import open_embedded
from tests.rerund.test_cli_rerun import Bench


@pytest.fixture
def bench(tmp_path):
    """A report with its original order, and the order of a rerun for instrument 42."""
    bench = Bench(tmp_path)
    bench.ok("rerun", "request", 1, "--index", 1, "--device", "42")
    return bench


def tell(bench, number, status, reason=""):
    note = OrderNote(
        lab_report_id=1,
        row_device_id="42" if number else "",
        rerun_number=number,
        device_id="42",
        status=status,
        reason=reason,
    )
    with open_embedded(bench.folder / "state" / "store.db") as opened:
        RerunService(opened.stores, Rules()).note_orders(1, [note])


def statuses(bench):
    rows = bench.says("order", "waiting", "--report", 1)
    return {row["rerun_number"]: (row["status"], row["taken_by"]) for row in rows}


def test_every_order_that_went_to_an_instrument_waits_again(bench):
    tell(bench, 0, "refused", "no reagent")
    tell(bench, 1, "accepted")
    assert statuses(bench) == {0: ("refused", None), 1: ("accepted", "42")}
    said = bench.ok("order", "again", 1).splitlines()
    assert said == [
        "the original order of report 1 waits for any instrument again",
        "rerun 1 of report 1 waits for instrument 42 again",
    ]
    assert statuses(bench) == {0: ("pending", None), 1: ("pending", None)}


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [(("--rerun", 0), [0]), (("--rerun", 1), [1]), (("--device", "42"), [0, 1])],
)
def test_the_orders_may_be_chosen(bench, choice, numbers):
    tell(bench, 0, "sent")
    tell(bench, 1, "sent")
    rows = bench.says("order", "again", 1, *choice)
    assert [(row["rerun_number"], row["status"]) for row in rows] == [
        (number, "pending") for number in numbers
    ]
    left = [number for number, state in statuses(bench).items() if state == ("sent", "42")]
    assert left == [number for number in (0, 1) if number not in numbers]


def test_it_says_what_it_can_not_do(bench):
    done = bench("order", "again", 1)
    assert (done.exit_code, "nothing_sent" in done.output) == (1, True)
    done = bench("order", "again", 99)
    assert (done.exit_code, "not_found" in done.output) == (1, True)


def test_the_listing_says_who_has_an_order(bench):
    tell(bench, 1, "accepted")
    lines = bench.ok("order", "waiting", "--report", 1).splitlines()
    assert any("taken by" in line for line in lines)
    assert any(line.split()[-2:] == ["accepted", "42"] for line in lines)
