"""Random days of a sample: what must hold after each step, whatever came before."""

from random import Random

import pytest

from rerund.rerun.refusals import Refusal
from rerund.rerun.states import Event, decide
from tests.rerund.conftest import EVERYWHERE, ruled

pytestmark = EVERYWHERE

STEPS = 30
PLACES = {"WBC": 1, "RBC": 2, "HGB": 3, "PLT": 4}


class Day:
    """Thirty random steps, one minute apart, of two reports of one sample."""

    def __init__(self, site, seed):
        self.site = site
        self.random = Random(seed)
        self.minute = 0
        self.sent = []
        self.refusals = set()

    def now(self):
        self.minute += 1
        return f"{9 + self.minute // 60:02}:{self.minute % 60:02}"

    def step(self):
        steps = (self.values, self.values, self.values, self.again, self.request, self.cancel)
        people = (self.confirm, self.submit, self.auto_check)
        self.random.choice((*steps, *people, self.correction, self.sweep))()

    def values(self):
        chosen = self.random.sample(sorted(PLACES), self.random.randint(1, 3))
        values = {code: self.random.choice(["5.0", "6.0", "----"]) for code in chosen}
        number = self.random.choice([0, 0, -1, -1, 1, 2, self.site.row().last_rerun_number or 1])
        run = {"run_key": f"run-{self.random.randint(1, 4)}"} if number else {}
        at = self.now()
        self.sent.append(self.site.send(at, rerun=number, context=run, **values))

    def again(self):
        if self.sent:
            self.site.again(self.random.choice(self.sent))

    def correction(self):
        if not self.sent:
            return
        old = self.random.choice(self.sent)[0]
        kind = self.random.choice(["correction", "withdrawal", "status_update"])
        fields = {"run_kind": kind, "supersedes": old.results[0].result_id}
        at = self.now()
        value = {old.results[0].test_code: "7.0"}
        self.sent.append(self.site.send(at, fields=fields, **value))

    def request(self):
        indexes = self.random.sample([1, 2, 3, 4], self.random.randint(1, 2))
        self._ask(lambda at: self.site.request(*indexes, at=at))

    def cancel(self):
        self._ask(lambda at: self.site.cancel(at=at))

    def confirm(self):
        """Choose among what waits for review, or what does not."""
        values = self.site.stores.reruns.values(1, [1])
        chosen = {v.index: v.rerun_number for v in values if self.random.random() < 0.5}
        close = self.random.random() < 0.5
        self._ask(lambda at: self.site.confirm(*chosen.items(), at=at, close_open=close))

    def submit(self):
        number = self.random.choice([-1, 1, self.site.row().last_rerun_number or -1])
        values = [(index, self.random.choice(["5.5", "----"])) for index in (1, 2)]
        self._ask(lambda at: self.site.submit(number, *values, at=at))

    def auto_check(self):
        self._ask(lambda at: self.site.auto_check(at=at))

    def _ask(self, action):
        try:
            action(self.now())
        except Refusal as refusal:
            self.refusals.add(refusal.code)

    def sweep(self):
        self.site.service.sweep(1)


@pytest.fixture(params=range(15), ids="seed {}".format)
def day(site, request):
    site.lab(ruled((4, "5.5")))
    site.report(1)
    site.report(2, form=2, at="09:10")
    return Day(site, request.param)


def test_the_flag_always_says_what_is_open_and_what_waits_for_review(day):
    site = day.site
    for _ in range(STEPS):
        day.step()
        for report in (1, 2):
            reruns = site.stores.reruns.reruns(1, [report])
            active = [rerun for rerun in reruns if rerun.is_active]
            flag = site.flag(report)
            assert flag == (3 if active else 4 if reruns else 0)
            assert len(active) <= 1
            known = site.stores.numbers.active_number(1, report)
            assert known == (active[0].rerun_number if active else None)
    assert day.refusals <= EXPECTED


EXPECTED = {
    "rerun_open",
    "nothing_to_cancel",
    "nothing_to_review",
    "unusable",
    "unit_mismatch",
    "unknown_rerun",
}


def test_the_events_in_order_through_the_pure_table_give_the_same_flags(day):
    for _ in range(STEPS):
        day.step()
    for report in (1, 2):
        flag = 0
        for version, event in enumerate(day.site.stores.reports.events(1, report), 1):
            assert (event.version, event.flag_before) == (version, flag)
            for name, before, after in event.inputs["steps"]:
                assert before == flag
                flag = int(decide(flag, Event(name)).to)
                assert flag == after
            assert event.flag_after == flag
        assert day.site.row(report).rerun_version == len(day.site.stores.reports.events(1, report))
        assert day.site.flag(report) == flag


def test_numbers_only_grow_and_every_value_is_somewhere_once(day):
    for _ in range(STEPS):
        day.step()
    site = day.site
    events = site.stores.reports.events(1, 1)
    given = [number for e in events for number in sorted(r.rerun_number for r in e.reruns)]
    assert list(dict.fromkeys(given)) == list(range(1, site.row().last_rerun_number + 1))
    rows = [(row.result_id, row.lab_report_id, row.index) for row in site.ledger()]
    assert len(rows) == len(set(rows))
    sent = {result.result_id for payload, _ in day.sent for result in payload.results}
    assert {row.result_id for row in site.ledger() if row.origin.driver != "http"} == sent


def test_nothing_overwrites_what_a_report_shows_but_a_choice_or_a_correction(day):
    reports = day.site.stores.reports
    for _ in range(STEPS):
        before = {row.index: row for row in reports.report_values(1, [1])}
        events = len(reports.events(1, 1))
        day.step()
        steps = {step[0] for e in reports.events(1, 1)[events:] for step in e.inputs["steps"]}
        after = {row.index: row for row in reports.report_values(1, [1])}
        assert before.keys() <= after.keys()
        if not steps & {"confirm", "confirm_closing", "correction"}:
            assert {index: after[index] for index in before} == before


def test_the_ledger_forgets_no_value(day):
    kept = {}
    for _ in range(STEPS):
        day.step()
        rows = {(r.result_id, r.lab_report_id, r.index): r.result.value for r in day.site.ledger()}
        assert rows.items() >= kept.items()
        kept = rows


def test_an_index_is_repeated_by_rule_once(day):
    for _ in range(STEPS):
        day.step()
    asked = [
        line.new["requested_parameters"]
        for line in day.site.stores.reports.activity(1, 1)
        if line.code == 981 and line.new["type"] == "Auto"
    ]
    indexes = [index for some in asked for index in some]
    assert sorted(indexes) == sorted(set(indexes)) == day.site.row().auto_rerun_indexes


def test_everything_again_changes_nothing(day):
    for _ in range(STEPS):
        day.step()
    day.site.service.sweep(1)
    before = day.site.everything()
    for payload in day.sent:
        day.site.again(payload)
    if day.sent:
        day.site.again(*day.sent)
    assert day.site.everything() == before


def test_fulfilled_and_failed_never_overlap_and_match_the_values(day):
    for _ in range(STEPS):
        day.step()
    for rerun in day.site.stores.reruns.reruns(1, [1, 2]):
        assert not set(rerun.fulfilled_parameters) & set(rerun.failed_parameters)
        values = [
            value
            for value in day.site.stores.reruns.values(1, [rerun.lab_report_id])
            if value.rerun_number == rerun.rerun_number
        ]
        good = {value.index for value in values if value.invalid_reason is None}
        assert set(rerun.fulfilled_parameters) <= good
