"""The keeper of the leases, its clock moved by hand: renewed in time, refused, taken over."""

import threading

import pytest
from structlog.testing import capture_logs

from rerund.registrar_leases import LEASE, RENEWALS, LeaseKeeper, LeaseThread
from rerund.stores.ports import StoreUnavailable
from tests.rerund.conftest import LAB

DEVICES = {"42": "Sysmex XN-1000", "43": "Pentra"}
OVER = -1.0


class Watched:
    """A report store that counts what is asked of it, and may be away."""

    def __init__(self, store):
        self._store = store
        self.asked = []
        self.away = False

    def __getattr__(self, name):
        return getattr(self._store, name)

    def take_leases(self, lab_id, owner, devices, seconds):
        self.asked.append(sorted(devices))
        if self.away:
            raise StoreUnavailable("report store")
        return self._store.take_leases(lab_id, owner, devices, seconds)


class Daemon:
    """A keeper, and what it told."""

    def __init__(self, store, owner="a", unknown=()):
        self.store = Watched(store)
        self.told = []
        self.ledger_fails = None
        self.keeper = LeaseKeeper(
            LAB, owner, DEVICES, self.store, self._leases, self._history, unknown=unknown
        )

    def _leases(self, leases):
        self.told += [(lease.device_id, lease.held) for lease in leases]

    def _history(self, device_id):
        if self.ledger_fails:
            raise self.ledger_fails
        self.told.append((device_id, "history"))

    def turn(self, now):
        """Run a turn; returns the instruments that were asked for and what was told."""
        self.store.asked, self.told = [], []
        while self.keeper.turn(now):
            pass
        return [key for asked in self.store.asked for key in asked], self.told


@pytest.fixture
def store(site):
    return site.stores.reports


def expire(store, owner, *devices):
    """Let the leases of an owner run out, as if it had not renewed them."""
    store.take_leases(LAB, owner, {key: DEVICES[key] for key in devices or DEVICES}, OVER)


def test_leases_are_taken_at_once_and_renewed_at_a_third_of_their_time(store):
    daemon = Daemon(store)
    third = LEASE / RENEWALS
    assert daemon.turn(0.0) == (["42", "43"], [("42", True), ("43", True)])
    assert daemon.turn(third - 1) == ([], [])
    assert daemon.turn(third) == (["42", "43"], [])
    assert daemon.turn(2 * third - 1) == ([], [])


def test_a_refused_instrument_is_told_once_and_tried_at_every_turn(store):
    store.take_leases(LAB, "b", {"42": "Sysmex XN-1000"}, LEASE)
    daemon = Daemon(store)
    assert daemon.turn(0.0) == (["42", "43"], [("42", False), ("43", True)])
    assert daemon.turn(1.0) == (["42"], [])
    assert daemon.turn(2.0) == (["42"], [])
    assert daemon.turn(LEASE / RENEWALS) == (["42", "43"], [])


@pytest.mark.parametrize("ending", ["released", "expired"])
def test_a_free_instrument_is_taken_after_its_history_is_told(store, ending):
    other, daemon = Daemon(store, "b"), Daemon(store)
    other.turn(0.0)
    daemon.turn(0.0)
    if ending == "released":
        other.keeper.release()
    else:
        expire(store, "b")
    _, told = daemon.turn(1.0)
    assert told == [("42", "history"), ("42", True), ("43", "history"), ("43", True)]


def test_its_own_lease_of_before_a_restart_is_taken_at_once_without_history(store):
    Daemon(store).turn(0.0)
    assert Daemon(store).turn(0.0)[1] == [("42", True), ("43", True)]


def test_an_unknown_history_is_told_when_the_instrument_is_held(store):
    store.take_leases(LAB, "b", {"43": "Pentra"}, LEASE)
    daemon = Daemon(store, unknown=DEVICES)
    assert daemon.turn(0.0)[1] == [("43", False), ("42", "history"), ("42", True)]
    store.release_leases(LAB, "b")
    assert daemon.turn(1.0)[1] == [("43", "history"), ("43", True)]


def test_a_history_that_could_not_be_read_is_read_before_the_line_opens(store):
    other, daemon = Daemon(store, "b"), Daemon(store)
    other.turn(0.0)
    daemon.turn(0.0)
    other.keeper.release()
    daemon.ledger_fails = StoreUnavailable("report store")
    with pytest.raises(StoreUnavailable):
        daemon.turn(1.0)
    assert daemon.told == []
    daemon.ledger_fails = None
    _, told = daemon.turn(2.0)
    assert told == [("42", "history"), ("42", True), ("43", "history"), ("43", True)]


def test_a_history_that_can_not_be_read_does_not_keep_a_line_closed(store):
    daemon = Daemon(store, unknown=["42"])
    daemon.ledger_fails = RuntimeError("12.5")
    with capture_logs() as logs:
        assert daemon.turn(0.0)[1] == [("43", True), ("42", True)]
    assert [(line["event"], line["instrument"]) for line in logs] == [("history_incomplete", "42")]
    assert "12.5" not in repr(logs)


def test_a_store_that_is_away_takes_nothing_away(store):
    daemon = Daemon(store)
    daemon.turn(0.0)
    daemon.store.away = True
    for now in (20.0, 40.0, 400.0):
        with pytest.raises(StoreUnavailable):
            daemon.turn(now)
        assert daemon.told == []
    daemon.store.away = False
    assert daemon.turn(401.0) == (["42", "43"], [])


def test_after_an_outage_whoever_had_an_instrument_comes_first(store):
    holder, waiting = Daemon(store, "b"), Daemon(store)
    holder.turn(0.0)
    waiting.turn(0.0)
    waiting.store.away = True
    with pytest.raises(StoreUnavailable):
        waiting.turn(1.0)
    waiting.store.away = False
    expire(store, "b")
    waiting.turn(400.0)
    assert waiting.turn(401.0) == ([], [])
    holder.turn(402.0)
    assert waiting.turn(401.0 + LEASE)[1] == []


def test_a_lease_that_another_has_taken_meanwhile_is_lost(store):
    daemon = Daemon(store)
    daemon.turn(0.0)
    expire(store, "a", "42")
    store.take_leases(LAB, "b", {"42": "Sysmex XN-1000"}, LEASE)
    assert daemon.turn(LEASE / RENEWALS)[1] == [("42", False)]


def test_a_release_frees_everything_at_once(store):
    daemon = Daemon(store)
    daemon.turn(0.0)
    daemon.keeper.release()
    assert [lease.held for lease in store.leases(LAB)] == [False, False]


@pytest.mark.parametrize("error", [StoreUnavailable("report store"), RuntimeError("12.5")])
@pytest.mark.parametrize("release", [True, False])
def test_the_thread_outlives_errors_and_releases_when_told_to(store, error, release, monkeypatch):
    monkeypatch.setattr("rerund.registrar_leases.LONGEST_RETRY", 0.01)
    daemon, left, held = Daemon(store), [error, error], threading.Event()
    turn = daemon.keeper.turn

    def fails_twice(now):
        if left:
            raise left.pop()
        held.set()
        return turn(now)

    daemon.keeper.turn = fails_twice
    thread = LeaseThread(daemon.keeper, 0.01)
    with capture_logs() as logs:
        thread.start()
        assert held.wait(60.0)
        thread.stop(60.0, release=release)
    assert [lease.held for lease in store.leases(LAB)] == [not release] * 2
    assert "12.5" not in repr(logs)


def test_a_store_that_is_away_does_not_keep_the_thread_from_ending(store):
    daemon = Daemon(store)
    daemon.keeper.release = lambda: (_ for _ in ()).throw(StoreUnavailable("report store"))
    thread = LeaseThread(daemon.keeper, 0.01)
    thread.start()
    with capture_logs() as logs:
        thread.stop(60.0, release=True)
    assert [line["event"] for line in logs] == ["leases_not_released"]
