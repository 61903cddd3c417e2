"""The rerun service: the one way by which the pipeline and people change reports.

Registrar, command line and HTTP call the same methods. Every change is decided on what
was read, committed with a compare-and-set, and decided again when somebody else was
faster. All methods may be used from several threads and processes at once.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import structlog

from rerund.rerun.case import ReportCase
from rerund.rerun.delivery import Delivery, from_payload
from rerund.rerun.draft import Draft
from rerund.rerun.instants import iso, seconds
from rerund.rerun.lab import Lab
from rerund.rerun.model import Payload, PayloadContext
from rerund.rerun.records import EventKind, EventRow, ReportRow
from rerund.rerun.refusals import NotFound
from rerund.rerun.requests import RerunRequest, cancel, request
from rerund.rerun.rules import DAY, Rules
from rerund.rerun.service_stores import LabCache, Stores, finish, load_cases, write
from rerund.rerun.views import SampleView, sample_view, show
from rerund.rerun.workspace import Alert, AlertHook, Workspace
from rerund.stores.ports import StaleReport, StoreUnavailable

ATTEMPTS = 20
"""How often a change is decided again before the report counts as too busy."""

SWEEP_BATCH = 50
TOMBSTONE_DAYS = 7

log = structlog.get_logger(__name__)

T = TypeVar("T")


def _no_alert(alert: Alert) -> None:
    del alert


class RerunService:
    """Registers payloads and answers people, for any lab of the stores."""

    def __init__(self, stores: Stores, rules: Rules | None = None, alert: AlertHook = _no_alert):
        self._stores = stores
        self._rules = rules or Rules()
        self._alert = alert
        self._labs = LabCache(stores.reports)

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

    def _decide(self, attempt: Callable[[bool], T]) -> T:
        for turn in range(ATTEMPTS):
            try:
                return attempt(turn > 0)
            except StaleReport:
                continue
        raise StoreUnavailable("report store", "the report is too busy")

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
        checked = workspace.unchecked()
        if checked:
            self._stores.reports.mark_checked(lab_id, checked)
        for alert in workspace.alerts:
            self._alert(alert)

    def sweep(self, lab_id: int) -> int:
        """Finish what a crash left, and register results whose report has appeared since.

        Answers how many reports were looked at; less than `SWEEP_BATCH` means that
        nothing is left to do now.
        """
        reports = self._stores.reports
        unfinished = reports.unapplied_reports(lab_id, SWEEP_BATCH)
        finish(self._stores, lab_id, unfinished)
        new = reports.unchecked_reports(lab_id, SWEEP_BATCH)
        if new:
            self._register_late(lab_id, {row.sample_id for row in new})
            reports.mark_checked(lab_id, [row.lab_report_id for row in new])
        return max(len(unfinished), len(new))

    def sweep_unmatched(self, lab_id: int) -> int:
        """Register every result that a mapping or report made since can take.

        Meant for a start, for changed lab data and now and then; answers how many
        samples were looked at.
        """
        rules, reports = self._rules, self._stores.reports
        since = iso(reports.now() - rules.ledger_window)
        looked_at, after = 0, ""
        while samples := reports.matchable_samples(lab_id, since, after, SWEEP_BATCH):
            self._register_late(lab_id, samples)
            looked_at += len(samples)
            after = max(samples)
        return looked_at

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
        """Remove the tombstones of deleted documents after a week; answers how many."""
        age = TOMBSTONE_DAYS * DAY
        return self._stores.reruns.purge(self._stores.reports.now() - age)

    def request(
        self,
        lab_id: int,
        lab_report_id: int,
        asked: RerunRequest,
        *,
        user: int,
        event_id: str | None = None,
    ) -> dict[str, object]:
        """Request a manual rerun; answers the SampleRerun and `also_in`.

        Raises NotFound, Impossible or Conflict (`rerun_open`, `number_taken` with
        `next`, `redrawn`, `completed`). The same `event_id` again has the same answer.
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> EventRow:
            also_in = self._also_in(case, lab, asked)
            return request(case, lab, asked, draft, also_in)

        return self._change(lab_id, lab_report_id, ("request", user, event_id), decide)

    def cancel(
        self,
        lab_id: int,
        lab_report_id: int,
        *,
        user: int,
        version: int | None = None,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> dict[str, object]:
        """Give up the open rerun, or all runs under review; answers numbers and flag.

        Raises NotFound or Conflict (`changed`, `nothing_to_cancel`, `redrawn`).
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> EventRow:
            del lab
            return cancel(case, draft, version, reason)

        return self._change(lab_id, lab_report_id, ("cancel", user, event_id), decide)

    def _change(
        self,
        lab_id: int,
        lab_report_id: int,
        how: tuple[EventKind, int, str | None],
        decide: Callable[[ReportCase, Lab, Draft], EventRow],
    ) -> dict[str, object]:
        kind, user, named = how
        event_id = named or str(uuid.uuid4())

        def attempt(again: bool) -> dict[str, object]:
            if named or again:
                done = self._stores.reports.event(lab_id, event_id)
                if done is not None:
                    return done.answer
            case, lab = self._case(lab_id, lab_report_id)
            draft = Draft(case, event_id, kind, iso(self._stores.reports.now()), user)
            event = decide(case, lab, draft)
            self._write_change(lab_id, case, event)
            return event.answer

        return self._decide(attempt)

    def _write_change(self, lab_id: int, case: ReportCase, event: EventRow) -> None:
        try:
            write(self._stores, lab_id, case.effects())
        except StoreUnavailable:
            # Once decided the answer stands and a sweep carries it on; else it never was.
            if self._stores.reports.event(lab_id, event.event_id) is None:
                raise

    def _case(self, lab_id: int, lab_report_id: int) -> tuple[ReportCase, Lab]:
        stores, lab = self._stores, self._labs.get(lab_id)
        rows = stores.reports.reports(lab_id, [lab_report_id])
        if not rows:
            raise NotFound("not_found", f"there is no report {lab_report_id} in this lab")
        ledger = stores.reports.ledger_of_reports(lab_id, [lab_report_id])
        return load_cases(stores, lab, rows, ledger)[0], lab

    def _also_in(self, case: ReportCase, lab: Lab, asked: RerunRequest) -> list[dict[str, object]]:
        names = lab.get_rerun_format_machine_names_map(
            case.row.report_format_id, asked.requested_parameters
        )
        if asked.device_id:
            names = {key: codes for key, codes in names.items() if key == asked.device_id}
        found: list[dict[str, object]] = []
        for row in self._stores.reports.reports_of_samples(case.row.lab_id, [case.row.sample_id]):
            apart = abs(seconds(row.registered_at) - seconds(case.row.registered_at))
            if row.lab_report_id == case.row.lab_report_id or row.is_completed or row.is_signed:
                continue
            indexes = lab.indexes_of_order_codes(row.report_format_id, names)
            if indexes and apart <= self._rules.sample_id_window:
                found.append({"lab_report_id": row.lab_report_id, "indexes": indexes})
        return found

    def show(self, lab_id: int, lab_report_id: int) -> dict[str, object]:
        """The fetch answer of one report. Raises NotFound."""

        def attempt(again: bool) -> dict[str, object]:
            del again
            case, _ = self._case(lab_id, lab_report_id)
            return show(case)

        return self._decide(attempt)

    def results(self, lab_id: int, sample_id: str) -> SampleView:
        """Everything known of a sample, values without a report too."""

        def attempt(again: bool) -> SampleView:
            del again
            stores, lab = self._stores, self._labs.get(lab_id)
            rows = stores.reports.reports_of_samples(lab_id, [sample_id])
            ledger = stores.reports.ledger_of_samples(lab_id, [sample_id])
            return sample_view(sample_id, load_cases(stores, lab, rows, ledger), ledger)

        return self._decide(attempt)
