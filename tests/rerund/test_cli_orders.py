"""`rerund order`: what instruments are asked to measure, and what became of it."""

import json

import pytest

from rerund.cli.exits import REFUSED
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from tests.rerund.site import rerund
from tests.rerund.stores_at import open_embedded
from tests.rerund.test_cli_rerun import CONFIG, LAB


class Bench:
    """A lab's store, and the command line beside it."""

    def __init__(self, folder):
        self.config = folder / "rerund.toml"
        self.config.write_text(CONFIG.format(state=folder / "state"))
        (folder / "state").mkdir()
        (folder / "lab.toml").write_text(LAB.replace("RULE", ""))
        self.store = folder / "state" / "store.db"
        self.ok("lab", "load", folder / "lab.toml")

    def ok(self, *words):
        done = rerund(*words, "-c", self.config)
        assert done.exit_code == 0, done.output
        return done.stdout

    def says(self, *words):
        return json.loads(self.ok(*words, "--json"))

    def refused(self, *words):
        done = rerund(*words, "-c", self.config)
        assert done.exit_code == REFUSED, done.output
        return done.stderr

    def waiting(self, *words):
        """Return (report, rerun, remaining, status) of the rows that are told."""
        return [
            (row["lab_report_id"], row["rerun_number"], row["remaining"], row["status"])
            for row in self.says("order", "waiting", *words)
        ]

    def add(self, sample, report, *words):
        self.ok("order", "add", sample, "--format", 1, "--report", report, *words)

    def note(self, report, status, number=0, reason=""):
        with open_embedded(self.store) as opened:
            service = RerunService(opened.stores, Rules(), lambda alert: None)
            note = OrderNote(
                lab_report_id=report,
                row_device_id="",
                rerun_number=number,
                device_id="42",
                status=status,
                reason=reason,
            )
            service.note_orders(1, [note])


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_an_order_is_all_of_its_format_or_what_is_said(bench):
    bench.add("S1", 1)
    bench.add("S2", 2, "--index", 3, "--index", 1, "--priority", "S")
    first, second = bench.says("order", "waiting")
    assert (first["requested"], first["priority"]) == ([1, 2, 3], None)
    assert (second["requested"], second["priority"], second["sample_id"]) == ([3, 1], "S", "S2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--index", 9), "index: report format 1 has no parameter 9"),
        (("--priority", "as soon as possible"), "priority: 1 to 16 characters"),
    ],
)
def test_what_cannot_be_ordered_is_refused_and_nothing_registered(bench, words, said):
    assert said in bench.refused("order", "add", "S1", "--format", 1, *words)
    assert (bench.says("order", "list"), bench.waiting()) == ([], [])


def test_the_same_report_again_changes_nothing(bench):
    bench.add("S1", 1, "--index", 1)
    before = bench.says("order", "waiting")
    bench.add("S1", 1)
    bench.add("S1", 1, "--index", 2, "--priority", "S")
    assert bench.says("order", "waiting") == before


def test_a_clash_of_reports_leaves_the_order(bench):
    bench.add("S1", 1)
    assert "report 1" in bench.refused("order", "add", "S2", "--format", 1, "--report", 1)
    assert bench.waiting() == [(1, 0, [1, 2, 3], "pending")]


def test_open_ones_are_told_and_closed_ones_of_a_sample_or_a_report(bench):
    for report, sample in ((1, "S1"), (2, "S2"), (3, "S1")):
        bench.add(sample, report, "--index", 1)
    bench.ok("rerun", "request", 1, "--index", 2)
    bench.ok("rerun", "cancel", 1, "--reason", "not needed")
    assert bench.waiting() == [(number, 0, [1], "pending") for number in (1, 2, 3)]
    of_one = [(1, 0, [1], "pending"), (1, 1, [2], "cancelled")]
    assert bench.waiting("--report", 1) == of_one
    assert bench.waiting("--sample", "S1") == [*of_one, (3, 0, [1], "pending")]
    assert bench.waiting("--sample", "S2", "--report", 1) == [*of_one, (2, 0, [1], "pending")]
    assert bench.waiting("--sample", "S9") == []
    assert bench.waiting("--report", 9) == []


def test_what_became_of_it_is_told(bench):
    bench.add("S1", 1)
    bench.add("S2", 2)
    bench.note(1, "accepted")
    bench.note(2, "refused", reason="no reagent")
    assert [row[3] for row in bench.waiting()] == ["accepted", "refused"]
    table = bench.ok("order", "waiting")
    for word in ("S1", "accepted", "S2", "refused", "42: no reagent", "1 2 3", "any"):
        assert word in table


def test_of_reports_that_are_open_only_what_is_open_is_told(bench):
    """A report whose original waits and whose rerun is cancelled has one open row."""
    bench.add("S1", 1)
    bench.ok("rerun", "request", 1, "--index", 2)
    assert bench.waiting() == [(1, 0, [1, 2, 3], "pending"), (1, 1, [2], "pending")]
    bench.ok("rerun", "cancel", 1, "--reason", "not needed")
    assert bench.waiting() == [(1, 0, [1, 2, 3], "pending")]


def test_what_an_instrument_has_is_sent_once_more_on_request(bench):
    bench.add("S1", 1, "--index", 1)
    bench.ok("rerun", "request", 1, "--index", 2)
    assert "nothing_sent" in bench.refused("order", "again", 1)
    bench.note(1, "accepted")
    bench.note(1, "refused", number=1, reason="no reagent")
    assert "nothing_sent" in bench.refused("order", "again", 1, "--rerun", 0, "--device", 43)
    said = bench.ok("order", "again", 1, "--rerun", 1)
    assert said == "rerun 1 of report 1 waits for any instrument again\n"
    assert bench.waiting() == [(1, 0, [1], "accepted"), (1, 1, [2], "pending")]
    (row,) = bench.says("order", "again", 1, "--device", 42)
    assert (row["rerun_number"], row["status"], row["taken_by"]) == (0, "pending", None)


def test_of_a_report_that_is_not_there_nothing_is_sent_again(bench):
    assert "9" in bench.refused("order", "again", 9)
