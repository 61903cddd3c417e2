"""What people, devices and programs ask of one report: each decided, committed, answered.

Command line and HTTP call these methods; the pipeline's are in `service`. Every change is
decided on what was read, committed with a compare-and-set, and decided again when somebody
else was faster. A Conflict names the `version` of the report at which it was decided. With the
same `event_id` the same change has the same answer for ever.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from rerund.rerun.auto_check import auto_check
from rerund.rerun.case import ReportCase
from rerund.rerun.confirm import Confirmation, confirm
from rerund.rerun.draft import SYSTEM_USER, Draft
from rerund.rerun.instants import iso, seconds
from rerund.rerun.lab import Lab
from rerund.rerun.order_actions import note_orders, order_again
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.records import ANY_DEVICE, OPEN_WAITING, EventKind, EventRow, WaitingRow
from rerund.rerun.refusals import Conflict, NotFound
from rerund.rerun.requests import RerunRequest, cancel, request
from rerund.rerun.rules import Rules
from rerund.rerun.service_stores import LabCache, Stores, load_cases, write
from rerund.rerun.submitted import Submission, Submitted, receive_submitted
from rerund.rerun.views import SampleView, activity_line, sample_view, show
from rerund.rerun.workspace import Alert, AlertHook, alerts_of, no_alert
from rerund.stores.ports import ReportBusy, StaleReport, StoreUnavailable

ATTEMPTS = 20
"""How often a change is decided again before the report counts as too busy."""

T = TypeVar("T")

Answer = dict[str, object]
Decided = EventRow | Answer
"""An event to write, or only an answer where there is nothing to write."""


class Asked(NamedTuple):
    """Which report, by whom, under which id of the caller's, and the kinds it may become."""

    lab_id: int
    lab_report_id: int
    user: int
    event_id: str | None
    kinds: tuple[EventKind, ...]


class Actions:
    """Answers people, for any report of any lab of the stores."""

    def __init__(self, stores: Stores, rules: Rules | None = None, alert: AlertHook = no_alert):
        self._stores = stores
        self._rules = rules or Rules()
        self._alert = alert
        self._labs = LabCache(stores.reports)

    def request(
        self,
        lab_id: int,
        lab_report_id: int,
        asked: RerunRequest,
        *,
        user: int,
        event_id: str | None = None,
    ) -> Answer:
        """Request a manual rerun; answers the SampleRerun and `also_in`.

        Raises NotFound, Impossible or Conflict (`rerun_open`, `number_taken` with
        `next`, `redrawn`, `completed`). The same `event_id` again has the same answer.
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> Decided:
            also_in = self._also_in(case, lab, asked)
            return request(case, lab, asked, draft, also_in)

        return self._change(Asked(lab_id, lab_report_id, user, event_id, ("request",)), decide)

    def confirm(
        self,
        lab_id: int,
        lab_report_id: int,
        confirmation: Confirmation,
        *,
        user: int,
        event_id: str | None = None,
    ) -> Answer:
        """Show the values chosen and settle every run; answers what was confirmed and kept.

        Raises NotFound, Impossible (then nothing changes) or Conflict (`changed` with
        `version`, `rerun_open`, `nothing_to_review`, `redrawn`, `completed`).
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> Decided:
            del lab
            return confirm(case, confirmation, draft)

        return self._change(Asked(lab_id, lab_report_id, user, event_id, ("confirm",)), decide)

    def cancel(
        self,
        lab_id: int,
        lab_report_id: int,
        *,
        user: int,
        version: int | None = None,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> Answer:
        """Give up the open rerun, or all runs under review; answers numbers and flag.

        Raises NotFound or Conflict (`changed`, `nothing_to_cancel`, `redrawn`).
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> Decided:
            del lab
            return cancel(case, draft, version, reason)

        return self._change(Asked(lab_id, lab_report_id, user, event_id, ("cancel",)), decide)

    def auto_check(
        self,
        lab_id: int,
        lab_report_id: int,
        *,
        dry_run: bool = False,
        user: int = SYSTEM_USER,
        event_id: str | None = None,
    ) -> Answer:
        """Check the originals of a report by its auto rules, and open a rerun unless `dry_run`.

        Answers what qualified, and the reason when no rerun was created. Raises NotFound or
        Conflict (`redrawn`).
        """

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> Decided:
            del lab
            return auto_check(case, draft, self._rules, dry_run=dry_run)

        return self._change(Asked(lab_id, lab_report_id, user, event_id, ("auto_check",)), decide)

    def receive(
        self,
        lab_id: int,
        lab_report_id: int,
        submitted: Submitted,
        *,
        user: int,
        event_id: str | None = None,
    ) -> Answer:
        """Register rerun values that name the report and its indexes themselves.

        Values of a run that is known are answered as ignored, those of a closed rerun as
        refused. Raises NotFound or Impossible.
        """
        submission = Submission(submitted, event_id is not None, self._rules)
        alerts: list[Alert] = []

        def decide(case: ReportCase, lab: Lab, draft: Draft) -> Decided:
            before = len(case.ledger)
            decided = receive_submitted(case, lab, submission, draft)
            alerts[:] = alerts_of(case, case.ledger[before:])
            return decided

        kinds: tuple[EventKind, ...] = ("values", "correction")
        answer = self._change(Asked(lab_id, lab_report_id, user, event_id, kinds), decide)
        for alert in alerts:
            self._alert(alert)
        return answer

    def note_orders(self, lab_id: int, notes: Sequence[OrderNote]) -> None:
        """Set what became of orders that went to instruments, all in one transaction.

        Told again in their order, the rows end as they are; a row that is closed or has gone
        is left alone. Raises StoreUnavailable and StoreRejected.
        """
        note_orders(self._stores, lab_id, notes)

    def order_again(
        self,
        lab_id: int,
        lab_report_id: int,
        rerun_number: int | None = None,
        device_id: str | None = None,
    ) -> list[WaitingRow]:
        """Have open orders of a report that went to an instrument sent once more.

        Only those of a number (0 is the original order), only those that are pinned to an
        instrument or were taken by it. Answers the rows as they are now. Raises NotFound or
        Conflict (`nothing_sent`).
        """

        def attempt(again: bool) -> list[WaitingRow]:
            del again
            self._check_report(lab_id, lab_report_id)
            return order_again(self._stores, lab_id, lab_report_id, rerun_number, device_id)

        return self._decide(attempt)

    def _decide(self, attempt: Callable[[bool], T]) -> T:
        for turn in range(ATTEMPTS):
            try:
                return attempt(turn > 0)
            except StaleReport:
                continue
        raise ReportBusy("report store", "the report is too busy")

    def _change(self, asked: Asked, decide: Callable[[ReportCase, Lab, Draft], Decided]) -> Answer:
        event_id = asked.event_id or str(uuid.uuid4())

        def attempt(again: bool) -> Answer:
            if asked.event_id or again:
                done = self._done(asked, event_id)
                if done is not None:
                    return done
            case, lab = self._case(asked.lab_id, asked.lab_report_id)
            now = iso(self._stores.reports.now())
            draft = Draft(case, event_id, asked.kinds[0], now, asked.user)
            try:
                decided = decide(case, lab, draft)
            except Conflict as refusal:
                refusal.details.setdefault("version", draft.version - 1)
                raise
            if isinstance(decided, dict):
                return decided
            self._write_change(asked.lab_id, case, decided)
            return decided.answer

        return self._decide(attempt)

    def _done(self, asked: Asked, event_id: str) -> Answer | None:
        """The answer of an event that was decided before. Raises Conflict for another one's id."""
        done = self._stores.reports.event(asked.lab_id, event_id)
        if done is None:
            return None
        if done.lab_report_id != asked.lab_report_id or done.kind not in asked.kinds:
            raise Conflict("event_id_taken", "the event id belongs to another event")
        return done.answer

    def _write_change(self, lab_id: int, case: ReportCase, event: EventRow) -> None:
        try:
            write(self._stores, lab_id, case.effects())
        except StoreUnavailable:
            # The commit may have been made though its answer was lost: then it stands.
            if self._stores.reports.event(lab_id, event.event_id) is None:
                raise

    def _case(self, lab_id: int, lab_report_id: int) -> tuple[ReportCase, Lab]:
        stores, lab = self._stores, self._labs.get(lab_id)
        rows = stores.reports.reports(lab_id, [lab_report_id])
        if not rows:
            raise _no_report(lab_report_id)
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

    def activity(self, lab_id: int, lab_report_id: int) -> list[dict[str, object]]:
        """The activity log of one report, oldest first. Raises NotFound."""
        self._check_report(lab_id, lab_report_id)
        return [activity_line(row) for row in self._stores.reports.activity(lab_id, lab_report_id)]

    def pinned_device(self, lab_id: int, lab_report_id: int) -> str:
        """The instrument that alone may run the open rerun of a report; '' for any."""
        rows = self._stores.reports.waiting_rows(lab_id, [lab_report_id])
        reruns = [row for row in rows if row.rerun_number and row.status in OPEN_WAITING]
        return reruns[0].device_id if reruns else ANY_DEVICE

    def _check_report(self, lab_id: int, lab_report_id: int) -> None:
        if not self._stores.reports.reports(lab_id, [lab_report_id]):
            raise _no_report(lab_report_id)

    def results(self, lab_id: int, sample_id: str) -> SampleView:
        """Everything known of a sample, values without a report too."""

        def attempt(again: bool) -> SampleView:
            del again
            stores, lab = self._stores, self._labs.get(lab_id)
            rows = stores.reports.reports_of_samples(lab_id, [sample_id])
            ledger = stores.reports.ledger_of_samples(lab_id, [sample_id])
            return sample_view(sample_id, load_cases(stores, lab, rows, ledger), ledger)

        return self._decide(attempt)


def _no_report(lab_report_id: int) -> NotFound:
    return NotFound("not_found", f"there is no report {lab_report_id} in this lab")
