"""`rerund rerun`: what technicians see of a report, choose and are refused."""

import json
from datetime import UTC, datetime

import pytest

from rerund.cli.exits import REFUSED, USAGE
from rerund.rerun.rules import Rules
from tests.rerund.conftest import Site
from tests.rerund.site import rerund
from tests.rerund.stores_at import open_embedded

LAB = """
[[format]]
id = 1
name = "CBC"
parameter = [
  { index = 1, name = "WBC", units = "10*3/uL" RULE },
  { index = 2, name = "RBC", units = "10*6/uL" },
  { index = 3, name = "HGB", units = "g/dL" },
]
[[device]]
id = "42"
name = "Sysmex XN-1000"
mapping = [
  { test_code = "WBC", format = 1, index = 1 },
  { test_code = "RBC", format = 1, index = 2 },
  { test_code = "HGB", format = 1, index = 3 },
]
"""
REPORT = """
[[report]]
id = 1
sample = "S1"
format = 1
registered_at = 2026-05-20T08:30:00Z
"""

RULE = ', auto_rerun = "custom", auto_rerun_custom = { upper = "30.0" }'

CONFIG = """
[daemon]
state_dir = "{state}"

[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://127.0.0.1:0"
"""


class Bench:
    """A lab's store, the instrument that fills it, and the command line beside it."""

    def __init__(self, folder):
        self.config = folder / "rerund.toml"
        self.config.write_text(CONFIG.format(state=folder / "state"))
        (folder / "state").mkdir()
        self.folder = folder
        self.load()

    def load(self, rule="", report=REPORT):
        lab = self.folder / "lab.toml"
        lab.write_text(LAB.replace(" RULE", rule) + report)
        self.ok("lab", "load", lab)

    def __call__(self, *words):
        return rerund(*words, "-c", self.config)

    def ok(self, *words):
        done = self(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def says(self, *words):
        return json.loads(self.ok(*words, "--json"))

    def sends(self, at, **values):
        """Let the instrument's values be registered as they come, at a time of the test's day."""
        with open_embedded(self.folder / "state" / "store.db") as opened:
            site = Site(opened.stores, lambda **_: None, Rules())
            site.entry = int(at[-9:-1].replace(":", "") if len(at) > 5 else at.replace(":", ""))
            site.send(at, **values)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.sends("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return bench


@pytest.fixture
def under_review(bench):
    bench.sends("09:20", WBC="12.0", HGB="13.9", rerun=-1)
    return bench


def test_a_report_is_shown_with_what_waits_for_review(under_review):
    shown = under_review.ok("rerun", "show", 1)
    assert "report 1: sampleRedrawFlag 4 (rerun values to review), version 2, next rerun 2" in shown
    lines = [line.split() for line in shown.splitlines()]
    by = ["Sysmex", "XN-1000"]
    assert ["1", "WBC", "12.5", "10*3/uL", "2026-05-20T09:00:00Z", *by, "original"] in lines
    again = ["3", "HGB", "1", "13.9", "g/dL", "2026-05-20T09:20:00Z", *by, "machine_rerun", "no"]
    assert again in lines


def test_an_open_rerun_is_shown_with_what_came_and_what_is_overdue(bench):
    bench.ok("rerun", "request", 1, "--index", 1, "--index", 3, "--user", 7)
    shown = bench.ok("rerun", "show", 1)
    assert "open rerun 1 (Manual, requested by user 7 at 20" in shown
    assert "): WBC, HGB" in shown
    assert "requested 1, 3; came none; failed none" in shown
    assert "OVERDUE" not in shown
    text = bench.config.read_text()
    bench.config.write_text(text + "\n[rerun]\nrerun_overdue = 0.000001\n")
    assert "Z, OVERDUE): WBC, HGB" in bench.ok("rerun", "show", 1)


def test_an_open_rerun_is_shown_with_why_how_and_where_it_was_asked_for(bench):
    why = ["--reason", "clot?", "--dilution", "1:10", "--device", "42"]
    bench.ok("rerun", "request", 1, "--index", 1, *why)
    shown = bench.ok("rerun", "show", 1)
    assert "  reason: clot?; dilution: 1:10; instrument: 42\n" in shown
    bench.ok("rerun", "cancel", 1)
    bench.ok("rerun", "request", 1, "--index", 1)
    assert "reason:" not in bench.ok("rerun", "show", 1)


def test_the_activity_log_is_shown_oldest_first(bench):
    assert bench.ok("rerun", "log", 1) == "nothing was logged of report 1\n"
    bench.sends("09:20", WBC="12.0", HGB="13.9", rerun=-1)
    bench.ok("rerun", "confirm", 1, "--take", "1=1", "--user", 8)
    bench.ok("rerun", "request", 1, "--index", 3, "--user", 7, "--reason", "clot?")
    lines = bench.ok("rerun", "log", 1).splitlines()[3:-1]
    said = [line.split(maxsplit=1)[1] for line in lines]
    assert [" ".join(line.split()) for line in said] == [
        "979 rerun values received 1 rerund 1: 12.5 → 12.0, 3: 14.0 → 13.9",
        "980 rerun values confirmed 1 user 8 1: 12.5 → 12.0, 3: 14.0, rerun_numbers 1=1",
        "981 rerun requested 2 user 7 3: 14.0, requested_parameters 3, type Manual, reason clot?",
    ]


def test_the_activity_log_is_answered_as_json(under_review):
    under_review.ok("rerun", "cancel", 1, "--reason", "lost")
    came, cancelled = under_review.says("rerun", "log", 1)
    assert (came["code"], came["name"]) == (979, "RERUN_VALUES_RECEIVED")
    assert (cancelled["code"], cancelled["new"]) == (985, {"reason": "lost"})
    assert cancelled["old"]["rerun_numbers"] == [1]


def test_choices_are_confirmed_and_told(under_review):
    told = under_review.ok("rerun", "confirm", 1, "--take", "1=1", "--take", "3=0", "--version", 2)
    assert told.splitlines() == [
        "rerun 1 of report 1 settled; sampleRedrawFlag 0",
        "  WBC: 12.0 of rerun 1, was 12.5",
        "  kept as they were: 3",
    ]
    originals = under_review.says("rerun", "show", 1)["originals"]
    assert [(v["value"], v["source"]) for v in originals] == [
        ("12.0", "rerun"),
        ("4.5", "original"),
        ("14.0", "original"),
    ]
    lines = under_review.ok("rerun", "show", 1).splitlines()
    assert lines[4].split()[:3] == ["1", "WBC", "12.0"]
    assert lines[4].split()[-2:] == ["rerun", "1"]


def test_a_confirmation_is_answered_as_json(under_review):
    answer = under_review.says("rerun", "confirm", 1)
    assert (answer["confirmed"], answer["kept"], answer["settled"]) == ([], [1, 3], [1])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["confirm", 1, "--version", 1], "changed: the report has changed, version 2"),
        (["confirm", 1, "--take", "1=7"], "unknown_rerun"),
        (["confirm", 99], "not_found"),
        (["auto-check", 99], "not_found"),
        (["log", 99], "not_found"),
        (["request", 1, "--index", 9], "unknown_parameter"),
    ],
)
def test_a_refusal_is_told_with_its_code(under_review, words, code):
    refused = under_review("rerun", *words)
    assert refused.exit_code == REFUSED
    assert code in refused.stderr
    assert under_review.says("rerun", "show", 1)["sampleRedrawFlag"] == 4


@pytest.mark.parametrize("take", ["1", "1=", "=1", "WBC=1", "1=-1", "1=1=1", ""])
def test_a_choice_that_is_none_is_a_mistake_of_the_command_line(under_review, take):
    assert under_review("rerun", "confirm", 1, "--take", take).exit_code == USAGE


def test_an_open_rerun_is_given_up_when_told_to(bench):
    bench.ok("rerun", "request", 1, "--index", 1)
    refused = bench("rerun", "confirm", 1)
    assert (refused.exit_code, "rerun_open" in refused.stderr) == (REFUSED, True)
    assert "settled; sampleRedrawFlag 0" in bench.ok("rerun", "confirm", 1, "--close-open")


def test_an_auto_check_says_why_nothing_was_created(bench):
    assert bench.ok("rerun", "auto-check", 1) == (
        "no rerun of report 1 was created: no original qualifies\n"
    )
    answer = bench.says("rerun", "auto-check", 1, "--dry-run")
    assert (answer["qualified"], answer["created"]) == ([], False)


def test_an_auto_check_opens_a_rerun_of_what_qualifies(tmp_path):
    bench = Bench(tmp_path)
    now = datetime.now(UTC).replace(microsecond=0)
    bench.load(report=REPORT.replace("2026-05-20T08:30:00Z", now.isoformat()))
    bench.sends(now.isoformat().replace("+00:00", "Z"), WBC="31.0")
    bench.load(RULE, report="")
    dry = bench.ok("rerun", "auto-check", 1, "--dry-run")
    assert "no rerun of report 1 was created: nothing was requested" in dry
    assert ["1", "WBC", "31.0", "custom", "30.0"] in [line.split() for line in dry.splitlines()]
    assert bench.ok("rerun", "auto-check", 1).startswith("rerun 1 of report 1 requested\n")
    assert "open rerun 1 (Auto, requested by rule at 20" in bench.ok("rerun", "show", 1)
