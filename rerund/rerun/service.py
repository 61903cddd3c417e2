"""The rerun service: the one way by which the pipeline and people change reports.

Registrar, command line and HTTP call the same methods: what people ask is in `actions`,
what the pipeline registers and what is looked after now and then is here. All methods may
be used from several threads and processes at once.
"""

from collections.abc import Collection, Sequence

import structlog

from rerund.rerun.actions import Actions
from rerund.rerun.delivery import Delivery, from_payload
from rerund.rerun.instants import iso, seconds
from rerund.rerun.model import Payload, PayloadContext
from rerund.rerun.records import OPEN_WAITING, ReportRow, WaitingRow
from rerund.rerun.rules import DAY, Rules
from rerund.rerun.service_stores import Stores, finish, load_cases, write
from rerund.rerun.workspace import Alert, AlertHook, Workspace, no_alert
from rerund.stores.ports import StoreUnavailable

SWEEP_BATCH = 50
TOMBSTONE_DAYS = 7
REQUEST_DAYS = 7

STUCK_SECONDS = 600.0
"""How long a report is left alone whose documents a store refused."""

log = structlog.get_logger(__name__)


class RerunService(Actions):
    """Registers payloads and answers people, for any lab of the stores."""

    def __init__(self, stores: Stores, rules: Rules | None = None, alert: AlertHook = no_alert):
        super().__init__(stores, rules, alert)
        self._overdue: set[tuple[int, int, int]] = set()
        self._stuck: dict[tuple[int, int], float] = {}

    def register(self, lab_id: int, payloads: Sequence[tuple[Payload, PayloadContext]]) -> None:
        """Register payloads in their order, all in one transaction; twice changes nothing.

        Raises StoreUnavailable (try again: nothing is lost, whatever was committed) and
        StoreRejected (one of them will never be taken).
        """

        def attempt(again: bool) -> None:
            deliveries = [from_payload(lab_id, *payload) for payload in payloads]
            workspace = self._workspace(lab_id, deliveries, look_up_all=again)
            for delivery in deliveries:
                workspace.register(delivery)
            self._write(lab_id, workspace)

        self._decide(attempt)

    def _workspace(
        self, lab_id: int, deliveries: Sequence[Delivery], *, look_up_all: bool
    ) -> Workspace:
        samples: set[str] = set()
        loose: set[str] = set()
        for delivery in deliveries:
            if delivery.origin.kind == "patient" and delivery.origin.id_reliable:
                samples.add(delivery.origin.sample_id)
            if look_up_all or delivery.origin.sample_id not in samples:
                loose.update(result.result_id for result in delivery.results)
        since = min((delivery.run_time() for delivery in deliveries), default=0.0)
        rows = self._stores.reports.reports_of_samples(lab_id, samples)
        return self._load(lab_id, rows, samples, loose, since)

    def _load(
        self,
        lab_id: int,
        rows: Sequence[ReportRow],
        samples: Collection[str],
        result_ids: Collection[str],
        since: float,
    ) -> Workspace:
        stores, lab = self._stores, self._labs.get(lab_id)
        horizon = max(0.0, since - self._rules.ledger_window)
        rows = [row for row in rows if seconds(row.registered_at) >= horizon]
        ledger = stores.reports.ledger_of_samples(lab_id, samples, iso(horizon))
        seen = {row.row_id for row in ledger}
        by_result = stores.reports.ledger_by_result(lab_id, result_ids)
        ledger += [row for row in by_result if row.row_id not in seen]
        cases = load_cases(stores, lab, rows, ledger)
        return Workspace(lab, cases, ledger, self._rules, iso(stores.reports.now()))

    def _write(self, lab_id: int, workspace: Workspace) -> None:
        write(self._stores, lab_id, workspace.transaction())
        # Told as soon as it is decided: the same values again are no news and alert nobody.
        for alert in workspace.alerts:
            self._alert(alert)
        checked = workspace.unchecked()
        if checked:
            self._stores.reports.mark_checked(lab_id, checked)

    def sweep(self, lab_id: int) -> int:
        """Finish what a crash left, and register results whose report has appeared since.

        Answers how many reports were looked at; less than `SWEEP_BATCH` means that
        nothing is left to do now.
        """
        reports = self._stores.reports
        unfinished = self._finish(lab_id)
        new = reports.unchecked_reports(lab_id, SWEEP_BATCH)
        if new:
            self._register_late(lab_id, {row.sample_id for row in new})
            reports.mark_checked(lab_id, [row.lab_report_id for row in new])
        return max(unfinished, len(new))

    def _finish(self, lab_id: int) -> int:
        """Carry what was committed and not applied; answers how many reports were looked at.

        A report whose documents a store refuses is left for a while, and keeps no other waiting.
        """
        reports, looked_at, after = self._stores.reports, 0, -1
        while looked_at < SWEEP_BATCH:
            page = reports.unapplied_reports(lab_id, SWEEP_BATCH, after)
            if not page:
                break
            after = page[-1]
            now = reports.now()
            due = [number for number in page if self._stuck.get((lab_id, number), now) <= now]
            if due:
                looked_at += len(due)
                self._finish_reports(lab_id, due)
        return looked_at

    def _finish_reports(self, lab_id: int, lab_report_ids: Sequence[int]) -> None:
        try:
            finish(self._stores, lab_id, lab_report_ids)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one report must not keep the others waiting
            if len(lab_report_ids) > 1:
                for lab_report_id in lab_report_ids:
                    self._finish_reports(lab_id, [lab_report_id])
                return
            self._leave_stuck(lab_id, lab_report_ids[0], error)
        else:
            for number in lab_report_ids:
                self._stuck.pop((lab_id, number), None)

    def _leave_stuck(self, lab_id: int, number: int, error: Exception) -> None:
        self._stuck[lab_id, number] = self._stores.reports.now() + STUCK_SECONDS
        log.error("report_unfinished", alert=True, report=number, error=type(error).__name__)

    def sweep_unmatched(self, lab_id: int, after: str = "") -> str | None:
        """Register results that a mapping or report made since can take, of some samples.

        Meant for a start, for changed lab data and now and then. Answers the sample to go on
        after, so that a caller may do something else in between; None when all are done.
        """
        rules, reports = self._rules, self._stores.reports
        since = iso(reports.now() - rules.ledger_window)
        samples = reports.matchable_samples(lab_id, since, after, SWEEP_BATCH)
        if samples:
            self._register_late(lab_id, samples)
        return samples[-1] if len(samples) == SWEEP_BATCH else None

    def _register_late(self, lab_id: int, samples: Collection[str]) -> None:
        def attempt(again: bool) -> None:
            del again
            reports = self._stores.reports
            rows = reports.reports_of_samples(lab_id, samples)
            workspace = self._load(lab_id, rows, samples, (), reports.now())
            for sample_id in sorted(samples):
                workspace.register_late(sample_id)
            self._write(lab_id, workspace)

        try:
            self._decide(attempt)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one sample must not keep the others waiting
            if len(samples) == 1:
                self._give_up(lab_id, samples, error)
                return
            for sample_id in sorted(samples):
                self._register_late(lab_id, [sample_id])

    def _give_up(self, lab_id: int, samples: Collection[str], error: Exception) -> None:
        """Leave a sample's earlier results to the next look at what is unmatched."""
        rows = self._stores.reports.reports_of_samples(lab_id, samples)
        reports = [row.lab_report_id for row in rows]
        log.error("late_results_failed", alert=True, reports=reports, error=type(error).__name__)
        self._stores.reports.mark_checked(lab_id, reports)

    def purge(self) -> int:
        """Forget what is kept for a week: tombstones of documents, answers to requests.

        Answers how many there were.
        """
        reports = self._stores.reports
        now = reports.now()
        forgotten = reports.forget_requests(now - REQUEST_DAYS * DAY)
        return forgotten + self._stores.reruns.purge(now - TOMBSTONE_DAYS * DAY)

    def overdue(self, lab_id: int) -> list[Alert]:
        """Raise an alert for every open rerun that has become overdue, once; answers them.

        A service that was started again raises those that are still open once more.
        """
        now = self._stores.reports.now()
        rows = self._stores.reports.waiting_copy(lab_id, iso(now))
        open_now = {_rerun_of(row): row for row in rows if row.status in OPEN_WAITING}
        self._overdue &= {key for key in self._overdue if key[0] != lab_id or key in open_now}
        alerts: list[Alert] = []
        for key, row in open_now.items():
            late = now - seconds(row.created_at) > self._rules.rerun_overdue
            if late and key not in self._overdue:
                self._overdue.add(key)
                alerts.append(Alert("rerun_overdue", lab_id, row.lab_report_id, row.device_id, 0))
        for alert in alerts:
            self._alert(alert)
        return alerts


def _rerun_of(row: WaitingRow) -> tuple[int, int, int]:
    return row.lab_id, row.lab_report_id, row.rerun_number
