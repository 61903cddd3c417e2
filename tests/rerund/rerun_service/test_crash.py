"""A crash before or after any step of any write ends in the state of no crash."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from rerund.rerun.actions import ATTEMPTS
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.refusals import Conflict
from rerund.rerun.requests import RerunRequest
from rerund.rerun.rules import Rules
from rerund.rerun.service_stores import Stores
from rerund.stores.ports import StaleReport, StoreRejected, StoreUnavailable
from rerund.stores.settings import StoreSettings
from tests.rerund.conftest import EVERYWHERE, ON_SERVERS, Site, opened, ruled
from tests.rerund.stores_at import settings_of
from tests.servers.images import PutBack, image

WRITES = (
    "commit",
    "note_orders",
    "mark_applied",
    "mark_checked",
    "apply",
    "publish",
    "notify",
    "begin_request",
    "end_request",
)


class Crash(BaseException):
    """The process ends here."""


class Points:
    """Counts the numbered points before and after each write, and fails at one of them."""

    def __init__(self, fail_at: int | None = None, error: type[BaseException] = Crash):
        self.fail_at = fail_at
        self.error = error
        self.count = 0
        self.reached: str | None = None

    def point(self, name: str) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.reached = name
            if self.error is StoreUnavailable:
                raise StoreUnavailable(name)
            raise self.error(name)

    def around(self, store: Any) -> Any:
        return Faulty(store, self)


class Faulty:
    """A store whose writes pass two points, one before and one after."""

    def __init__(self, store: Any, points: Points):
        self._store = store
        self._points = points

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in WRITES:
            return method

        def passing(*args: Any) -> Any:
            self._points.point(f"before {name}")
            answer = method(*args)
            self._points.point(f"after {name}")
            return answer

        return passing


def story(site) -> list[Callable[[], Any]]:
    """A day of a sample and its neighbour, each step by itself repeatable."""
    payloads = {
        "early": site.payload("08:50", sample="S2", HGB="13.0", BASO="0.1"),
        "original": site.payload("09:00", WBC="12.5", RBC="4.5", HGB="14.0"),
        "triggered": site.payload("09:20", WBC="12.1", rerun=-1),
        "first part": site.payload("10:20", WBC="12.0", rerun=2),
        "second part": site.payload("10:30", HGB="----", RBC="4.4", rerun=2),
        "refused": site.payload("10:50", WBC="12.9", rerun=2),
        "again": site.payload("11:10", RBC="4.6", rerun=-1),
        "abnormal": site.payload("12:00", PLT="900", MCV="95"),
    }

    def register(*names: str) -> Callable[[], Any]:
        return lambda: site.again(*(payloads[name] for name in names))

    return [
        register("early"),
        register("original"),
        register("triggered"),
        lambda: site.request(1, 3, at="10:00", event_id="request-1"),
        lambda: site.service.note_orders(1, [SENT]),
        register("first part"),
        register("second part", "refused"),
        lambda: site.cancel(at="11:00", event_id="cancel-1"),
        register("again"),
        lambda: site.request(2, at="11:20", event_id="request-2"),
        lambda: site.submit(4, (2, "4.7"), (3, "13.8"), at="11:30", event_id="submit-1"),
        lambda: site.confirm((2, 4), at="11:40", version=None, event_id="confirm-1"),
        lambda: site.submit(-1, (1, "11.0"), at="11:45"),
        lambda: site.confirm(at="11:50", version=None, event_id="confirm-2"),
        register("abnormal"),
        lambda: site.submit(6, (4, "880"), at="12:05", event_id="submit-2"),
        lambda: site.cancel(at="12:10", event_id="cancel-2"),
        lambda: site.lab(STRICTER),
        lambda: site.auto_check("12:20", event_id="check-1"),
        lambda: site.confirm(at="12:30", version=None, close_open=True, event_id="confirm-3"),
        lambda: site.service.sweep(1),
    ]


SENT = OrderNote(
    lab_report_id=1,
    row_device_id="",
    rerun_number=2,
    device_id="42",
    status="sent",
)
RULED = ruled((4, "800"))
STRICTER = ruled((4, "800"), (5, "90"))


class Before(NamedTuple):
    """A day before one of its steps, how to be there again, and how many points the step has."""

    put_back: PutBack
    clock: float
    points: int


def with_points(site, points: Points) -> Site:
    """The same site, its writes passing points."""
    site.stores = Stores(*(points.around(store) for store in site.stores))
    site.restart()
    return site


class Day(NamedTuple):
    """A day without a crash: how it was before each step, and what was there after it."""

    settings: StoreSettings
    before: list[Before]
    states: list[Any]


@pytest.fixture
def day(tmp_path, servers, where) -> Iterator[Day]:
    folder = tmp_path / "stores"
    folder.mkdir()
    with settings_of(servers, folder, *where) as settings:
        before, states = [], []
        with opened(settings, Rules()) as site:
            site.lab(RULED)
            site.report(1)
            site.report(2, sample="S2")
            plain = site.stores
            for number, step in enumerate(story(site)):
                put_back = image(settings, tmp_path / f"before-{number}")
                clock, points = site.clock.at, Points()
                with_points(site, points)
                step()
                site.stores = plain
                site.restart().sweep(1)
                before.append(Before(put_back, clock, points.count))
                states.append(site.everything())
        yield Day(settings, before, states)


PARTS = 2
"""A day has many points, so the workers share them."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(
    ("where", "error"),
    [((), Crash), ((), StoreUnavailable), (ON_SERVERS, Crash)],
    ids=["embedded, crash", "embedded, store away", "servers, crash"],
    indirect=["where"],
)
def test_a_crash_at_any_point_leaves_no_trace(day, error, part):
    for number, before in enumerate(day.before):
        for point in range(1 + part, before.points + 1, PARTS):
            before.put_back()
            with opened(day.settings, Rules(), empty=False) as site:
                reached = crash(site, number, before, Points(point, error))
                after = day.states[min(number + 1, len(day.states) - 1)]
                assert site.everything() == after, reached


def crash(site, number: int, before: Before, points: Points) -> str:
    """Crash in a step; a new service does it again, and the next one; answers the point."""
    step, *later = story(site)[number:]
    site.clock.at = before.clock
    plain = site.stores
    with_points(site, points)
    with suppress(Crash, StoreUnavailable):
        step()
    assert points.reached is not None
    site.stores = plain
    site.restart()
    step()
    for following in later[:1]:
        following()
    site.service.sweep(1)
    return f"step {number}: {points.reached}"


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "request": lambda site: site.request(2, at="10:10", event_id="key"),
    "confirm": lambda site: site.confirm((1, 1), at="10:10", event_id="key"),
    "cancel": lambda site: site.cancel(at="10:10", event_id="key"),
    "submit": lambda site: site.submit(-1, (1, "11.0"), at="10:10", event_id="key"),
    "submit without a key": lambda site: site.submit(-1, (1, "11.0"), at="10:10"),
}


@EVERYWHERE
@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
def test_a_client_that_does_not_ask_again_finds_all_or_nothing(new_site, action):
    def outcome(points: Points) -> Any:
        site = new_site()
        site.report()
        site.send("09:00", WBC="12.5", RBC="4.5")
        site.send("09:20", WBC="12.0", rerun=-1)
        plain = site.stores
        with_points(site, points)
        with suppress(Crash):
            action(site)
        site.stores = plain
        site.restart().sweep(1)
        return site.everything()

    counting = Points()
    done, never = outcome(counting), outcome(Points(1))
    assert done != never
    found = [outcome(Points(number)) for number in range(1, counting.count + 1)]
    assert found[0] == never
    assert all(state == done for state in found[1:])


@EVERYWHERE
@pytest.mark.parametrize("error", [StoreUnavailable, StoreRejected])
def test_a_store_that_fails_after_the_decision_does_not_change_the_answer(site, error):
    site.report()
    plain = site.stores
    site.stores = plain._replace(reruns=Points(1, error).around(plain.reruns))
    site.restart()
    with capture_logs() as logs:
        assert site.request(1)["rerun_number"] == 1
    told = [line for line in logs if line["event"] == "carried_later"]
    assert [(line["reports"], line["error"]) for line in told] == [([1], error.__name__)]
    assert (site.flag(), site.stores.reports.unapplied_reports(1, 10)) == (3, [1])
    site.service.sweep(1)
    assert site.stores.reports.unapplied_reports(1, 10) == []
    assert plain.numbers.active_number(1, 1) == 1


@EVERYWHERE
def test_a_commit_whose_answer_is_lost_stands(site):
    site.report()
    plain = site.stores
    site.stores = plain._replace(reports=AnswerLost(plain.reports))
    site.restart()
    assert site.request(1)["rerun_number"] == 1
    assert (site.flag(), site.log()) == (3, [981])


class AnswerLost:
    """A report store whose line breaks between its commit and the answer."""

    def __init__(self, store: Any):
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, transaction: Any) -> None:
        self._store.commit(transaction)
        raise StoreUnavailable("report store")


class Interrupted:
    """A report store where something happens before each of the first calls of a method."""

    def __init__(self, store: Any, *happenings: Callable[[], Any], method: str = "commit"):
        self._store = store
        self._happenings = list(happenings)
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._happenings:
            self._happenings.pop(0)()
        return getattr(self._store, name)


@EVERYWHERE
def test_alerts_are_told_though_a_store_fails_after_the_commit(site):
    site.report(1)
    site.report(2, sample="S2")
    mismatched = site.payload("09:00", HGB="8.7", fields={"units": "mmol/L"})
    unmapped = site.payload("09:00", sample="S2", BASO="0.1")
    plain = site.stores

    def goes_away() -> None:
        raise StoreUnavailable("report store")

    reports = Interrupted(plain.reports, goes_away, method="mark_checked")
    site.stores = plain._replace(reports=reports)
    site.restart()
    with pytest.raises(StoreUnavailable):
        site.again(mismatched, unmapped)
    site.again(mismatched, unmapped)
    assert [alert.code for alert in site.alerts] == ["unit_mismatch"]


@EVERYWHERE
def test_a_lost_race_is_decided_again(site):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    payload = site.payload("09:20", WBC="12.0", rerun=-1)
    plain = site.service

    def somebody_requests() -> None:
        plain.request(1, 1, RerunRequest(requested_parameters=(1,)), user=8)

    site.stores = site.stores._replace(reports=Interrupted(site.stores.reports, somebody_requests))
    site.restart()
    site.again(payload)
    assert (site.flag(), site.reruns()) == (4, [(1, 1, "12.0", True)])
    assert site.log() == [981, 979]


@EVERYWHERE
@pytest.mark.parametrize("method", ["report_values", "waiting_rows", "ledger_of_samples"])
def test_a_report_that_changes_while_it_is_read_is_read_again(site, method):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    payload = site.payload("09:20", WBC="12.0", rerun=-1)
    plain = site.service

    def somebody_requests() -> None:
        plain.request(1, 1, RerunRequest(requested_parameters=(1,)), user=8)

    site.stores = site.stores._replace(
        reports=Interrupted(site.stores.reports, somebody_requests, method=method)
    )
    site.restart()
    site.again(payload)
    assert (site.flag(), site.reruns()) == (4, [(1, 1, "12.0", True)])


@EVERYWHERE
def test_a_number_that_is_published_late_does_not_cover_the_newer_one(site):
    site.report()
    plain = site.service
    stores = site.stores

    def somebody_cancels() -> None:
        plain.cancel(1, 1, user=8)

    late = Interrupted(stores.numbers, somebody_cancels, method="publish")
    site.stores = stores._replace(numbers=late)
    site.restart()
    site.request(1)
    assert (site.flag(), stores.numbers.active_number(1, 1)) == (0, None)


@EVERYWHERE
def test_two_requests_at_once_open_one_rerun(site):
    site.report()
    plain = site.service
    asked = RerunRequest(requested_parameters=(1,))
    site.stores = site.stores._replace(
        reports=Interrupted(site.stores.reports, lambda: plain.request(1, 1, asked, user=8))
    )
    site.restart()
    with pytest.raises(Conflict) as refused:
        site.request(1)
    assert refused.value.code == "rerun_open"
    assert site.log() == [981]


@EVERYWHERE
def test_the_same_event_from_two_clients_at_once_has_one_answer(site):
    site.report()
    plain, answers = site.service, []
    asked = RerunRequest(requested_parameters=(1,))

    def same_request() -> None:
        answers.append(plain.request(1, 1, asked, user=7, event_id="key"))

    site.stores = site.stores._replace(reports=Interrupted(site.stores.reports, same_request))
    site.restart()
    assert [site.request(1, event_id="key")] == answers


@EVERYWHERE
def test_a_report_that_always_changes_is_too_busy(site):
    site.report()
    before = site.everything()

    def changed() -> None:
        raise StaleReport(1, 1)

    plain = site.stores
    site.stores = plain._replace(reports=Interrupted(plain.reports, *[changed] * ATTEMPTS))
    site.restart()
    with pytest.raises(StoreUnavailable, match="too busy"):
        site.send("09:00", WBC="12.5")
    site.stores = plain
    assert site.everything() == before
