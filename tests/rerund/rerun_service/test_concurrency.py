"""Several services on one report at once: nothing lost, no number twice, one order of events."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from rerund.rerun.confirm import Choice, Confirmation
from rerund.rerun.refusals import Refusal
from rerund.rerun.requests import RerunRequest
from rerund.rerun.service import RerunService
from rerund.rerun.states import Event, decide
from rerund.stores.ports import StoreUnavailable
from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE

WORKERS, STEPS = 4, 12
EXPECTED = {"rerun_open", "changed", "nothing_to_review", "nothing_to_cancel"}


@pytest.fixture
def busy(site):
    """A report that four workers have changed at the same time, and what they sent."""
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    site.clock.set("2026-05-20T10:00:00Z")
    runs = [
        [site.payload("10:20", WBC=f"{worker}.{step}", rerun=-1) for step in range(STEPS)]
        for worker in range(WORKERS)
    ]

    def work(worker):
        service, random = RerunService(site.stores, site.rules), Random(worker)
        for run in runs[worker]:
            until_done(lambda run=run: service.register(1, [run]))
            if random.random() < 0.5:
                until_done(lambda: ask(service, random))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    return site


def until_done(action):
    """Try again for ever, as the registrar does."""
    while True:
        try:
            return action()
        except StoreUnavailable:
            continue


def ask(service, random):
    """Ask for one of the things that people ask for, with what they saw."""
    seen = service.show(1, 1)
    numbers = [value["rerun_number"] for value in seen["reruns"]]
    version = seen["version"]
    try:
        match random.choice(["request", "request", "confirm", "cancel"]):
            case "request":
                service.request(1, 1, RerunRequest(requested_parameters=(1,)), user=7)
            case "cancel":
                service.cancel(1, 1, user=7, version=version)
            case "confirm":
                taken = [Choice(index=1, rerun_number=random.choice(numbers))] if numbers else []
                chosen = Confirmation(version=version, values=tuple(taken), close_open=True)
                service.confirm(1, 1, chosen, user=7)
    except Refusal as refusal:
        if refusal.code not in EXPECTED:
            raise


def test_the_events_are_one_chain_through_the_table(busy):
    events = busy.stores.reports.events(1, 1)
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    flag = 0
    for event in events:
        assert event.flag_before == flag
        for name, before, after in event.inputs["steps"]:
            assert before == flag
            flag = int(decide(flag, Event(name)).to)
            assert after == flag
    assert (busy.flag(), busy.row().rerun_version) == (flag, len(events))


def test_every_value_is_kept_once_and_every_number_given_once(busy):
    rows = [row for row in busy.ledger() if row.outcome == "registered"]
    assert len(rows) == WORKERS * STEPS
    events = busy.stores.reports.events(1, 1)
    requested = [event.rerun_number for event in events if event.kind == "request"]
    runs = {row.run_key: row.rerun_number for row in rows if not row.requested}
    given = [*requested, *runs.values()]
    assert sorted(given) == list(range(1, busy.row().last_rerun_number + 1))


def test_documents_and_cache_are_those_of_the_last_event(busy):
    assert busy.stores.reports.unapplied_reports(1, 10) == []
    reruns = busy.stores.reruns.reruns(1, [1])
    active = [rerun.rerun_number for rerun in reruns if rerun.is_active]
    assert busy.flag() == (3 if active else 4 if reruns else 0)
    assert busy.stores.numbers.active_number(1, 1) == (active[0] if active else None)
    waiting = {value.rerun_number for value in busy.stores.reruns.values(1, [1])}
    unsettled = {r.rerun_number for r in busy.ledger() if r.rerun_number and not r.settled}
    assert waiting == unsettled


def test_what_is_shown_is_what_the_last_confirmation_chose(busy):
    events = busy.stores.reports.events(1, 1)
    confirmed = [one for e in events if e.kind == "confirm" for one in e.answer["confirmed"]]
    shown = busy.slots()
    assert shown[1] == (confirmed[-1]["value"] if confirmed else "12.5")
    assert (shown[2], shown[3]) == ("4.5", "14.0")
    olds = ["12.5", *(one["value"] for one in confirmed)]
    assert [one["old"] for one in confirmed] == olds[: len(confirmed)]
