"""Keeps the leases of a daemon's instruments, apart from everything that waits for a store.

    free, or one's own ──take──▶ held, renewed at a third of its time
    another's ──▶ refused, tried at every turn; taken when it is released or has expired

What the ledger knows of an instrument that was another daemon's is told before the lease is:
so the history is whole when the line opens. A store that is away refuses nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from rerund.stores.ports import Lease, ReportStore, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

LEASE = 60.0
"""Seconds that a lease outlives the daemon that does not renew it."""

RENEWALS = 3
"""Times that a lease is renewed within its time: two may fail."""

LONGEST_RETRY = 10.0

TellHistory = Callable[[str], None]
"""Hands over what the ledger knows of an instrument. Raises StoreUnavailable: tried again."""


class LeaseKeeper:
    """Takes, renews and gives back the leases of one daemon.

    `devices` are names by id, `unknown` those whose history is not whole, `tell` hears of
    every lease that has become held or refused.
    """

    def __init__(
        self,
        lab_id: int,
        owner: str,
        devices: Mapping[str, str],
        reports: ReportStore,
        tell: Callable[[Sequence[Lease]], None],
        tell_history: TellHistory,
        *,
        unknown: Iterable[str] = (),
    ):
        self._lab_id = lab_id
        self._owner = owner
        self._devices = devices
        self._reports = reports
        self._tell = tell
        self._tell_history = tell_history
        self._incomplete = set(unknown)
        self._known: dict[str, Lease] = {}
        self._told: dict[str, Lease] = {}
        self._renew_at = 0.0
        self._others_from = 0.0
        self._was_away = False

    def turn(self, now: float) -> bool:
        """Do what is due at `now` (monotonic seconds); answers whether more is to be done now.

        One history at a time: renewing must not wait for many. Raises StoreUnavailable: call
        again later.
        """
        try:
            leases = self._ask(now)
        except StoreError:
            self._was_away = True
            raise
        if {lease.device_id for lease in leases} - self._refused():
            self._renew_at = now + LEASE / RENEWALS
        self._known.update((lease.device_id, lease) for lease in leases)
        self._incomplete.update(lease.device_id for lease in leases if lease.taken_from)
        self._tell_news()
        for device_id in self._due_histories()[:1]:
            self._complete(device_id)
            self._tell_news()
        return bool(self._due_histories())

    def release(self) -> None:
        """Let others have the instruments at once. Raises StoreError."""
        self._reports.release_leases(self._lab_id, self._owner)

    def _ask(self, now: float) -> list[Lease]:
        if self._was_away:
            self._reports.now()
            # Whoever had the others may only just have the store again, too.
            self._was_away, self._others_from = False, now + LEASE
        devices = self._due(now)
        if not devices:
            return []
        return self._reports.take_leases(self._lab_id, self._owner, devices, LEASE)

    def _due(self, now: float) -> dict[str, str]:
        refused = self._refused()
        wanted = refused if now >= self._others_from else set()
        if now >= self._renew_at:
            wanted = wanted | (self._devices.keys() - refused)
        return {key: name for key, name in self._devices.items() if key in wanted}

    def _refused(self) -> set[str]:
        return {key for key, lease in self._known.items() if not lease.held}

    def _due_histories(self) -> list[str]:
        return [key for key in self._known if self._is_waiting(self._known[key])]

    def _is_waiting(self, lease: Lease) -> bool:
        return lease.held and lease.device_id in self._incomplete

    def _complete(self, device_id: str) -> None:
        try:
            self._tell_history(device_id)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a line must not stay closed for its history
            reason = type(error).__name__
            log.error("history_incomplete", alert=True, instrument=device_id, error=reason)  # noqa: TRY400
        self._incomplete.discard(device_id)

    def _tell_news(self) -> None:
        """Tell what has changed, that an instrument is held after its history."""
        news = [
            lease
            for lease in self._known.values()
            if self._is_news(lease) and not self._is_waiting(lease)
        ]
        if news:
            self._told.update((lease.device_id, lease) for lease in news)
            self._tell(news)

    def _is_news(self, lease: Lease) -> bool:
        told = self._told.get(lease.device_id)
        return told is None or (told.held, told.owner) != (lease.held, lease.owner)


class LeaseThread:
    """Runs a keeper on a thread of its own until it is stopped. `poll_interval` is seconds."""

    def __init__(self, keeper: LeaseKeeper, poll_interval: float):
        self._keeper = keeper
        self._poll_interval = poll_interval
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to take leases."""
        self._thread.start()

    def stop(self, timeout: float, *, release: bool) -> None:
        """End within about `timeout` seconds; with `release` others may have the instruments."""
        self._stopping.set()
        self._thread.join(timeout)
        if release and not self._thread.is_alive():
            try:
                self._keeper.release()
            except StoreError as error:
                log.warning("leases_not_released", reason=str(error))

    def _run(self) -> None:
        pause = self._turn(self._poll_interval)
        while not self._stopping.wait(pause):
            pause = self._turn(pause)

    def _turn(self, pause: float) -> float:
        """Run one turn; returns the seconds until the next."""
        try:
            if self._keeper.turn(time.monotonic()):
                return 0.0
        except StoreError as error:
            log.debug("leases_wait", reason=str(error))
            return min(2 * max(pause, self._poll_interval), LONGEST_RETRY)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the trying
            log.error("leases_failed", alert=True, error=type(error).__name__)  # noqa: TRY400
            return LONGEST_RETRY
        return self._poll_interval
