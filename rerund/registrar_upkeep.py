"""What the registrar looks after besides payloads: late orders, crash leftovers, the copy."""

from collections.abc import Callable, Hashable

import structlog

from rerund.rerun.service import SWEEP_BATCH, RerunService
from rerund.rerun.service_stores import LabCache
from rerund.stores.ports import ReportBusy, ReportStore, StoreUnavailable
from rerund.waiting_list import WaitingListRefresh

log = structlog.get_logger(__name__)

SWEEP_EVERY = 600.0
PURGE_EVERY = 3600.0
OVERDUE_EVERY = 60.0

AGAIN_AFTER = 60.0
"""Seconds after which what failed is tried again."""


class Upkeep:
    """Work that follows from changes made by others, and work that is done now and then.

    `now` is monotonic seconds. Every turn is short: what is left is done in the next one.
    """

    def __init__(
        self,
        lab_id: int,
        service: RerunService,
        reports: ReportStore,
        refresh: WaitingListRefresh,
        poll_interval: float = 1.0,
    ):
        self._lab_id = lab_id
        self._service = service
        self._reports = reports
        self._labs = LabCache(reports)
        self._refresh = refresh
        self._poll_interval = poll_interval
        self._look_at = 0.0
        self._token: Hashable = object()
        self._lab_version: Hashable = object()
        self._sweep_at = 0.0
        self._sweep_after: str | None = None
        self._purge_at = 0.0
        self._overdue_at = 0.0
        self._not_before: dict[str, float] = {}

    def turn(self, now: float) -> None:
        """Look what has changed and act on it, once a poll interval or on a notice.

        Raises StoreUnavailable; of anything else a person is told, and the rest goes on.
        """
        if now < self._look_at and not self._refresh.noticed:
            return
        token = self._reports.change_token(self._lab_id, self._refresh.closed_within)
        version = self._reports.lab_data_version(self._lab_id)
        # The copy is in the instruments' codes, so it changes with the mappings too.
        copied = (token, version)
        self._try("waiting_list", now, lambda: self._refresh.refresh(self._labs.get, copied))
        self._try("sweep", now, lambda: self._sweep(token))
        self._try("unmatched", now, lambda: self._sweep_unmatched(version, now))
        self._try("purge", now, lambda: self._purge(now))
        self._try("overdue", now, lambda: self._tell_overdue(now))
        self._look_at = now + self._poll_interval

    def _try(self, what: str, now: float, work: Callable[[], object]) -> None:
        """Do one thing; what fails is tried again after a while and keeps nothing else waiting."""
        if now < self._not_before.get(what, now):
            return
        try:
            work()
        except ReportBusy:
            return  # Whoever changes the report will have done so by the next turn.
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - each is a task of its own, delivery another
            self._not_before[what] = now + AGAIN_AFTER
            _tell(what, error)

    def _sweep(self, token: Hashable) -> None:
        if token != self._token and self._service.sweep(self._lab_id) < SWEEP_BATCH:
            self._token = token

    def _purge(self, now: float) -> None:
        if now >= self._purge_at:
            self._service.purge()
            self._purge_at = now + PURGE_EVERY

    def _tell_overdue(self, now: float) -> None:
        if now >= self._overdue_at:
            self._service.overdue(self._lab_id)
            self._overdue_at = now + OVERDUE_EVERY

    def _sweep_unmatched(self, version: Hashable, now: float) -> None:
        """Begin a sweep when it is due, and go on with one by a page: deliveries come between."""
        due = self._sweep_after is None and now >= self._sweep_at
        if due or version != self._lab_version:
            self._lab_version, self._sweep_after = version, ""
        if self._sweep_after is None:
            return
        self._sweep_after = self._service.sweep_unmatched(self._lab_id, self._sweep_after)
        if self._sweep_after is None:
            self._sweep_at = now + SWEEP_EVERY


def _tell(what: str, error: Exception) -> None:
    log.error("upkeep_failed", alert=True, what=what, error=type(error).__name__)
