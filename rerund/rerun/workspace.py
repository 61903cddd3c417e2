"""The reports and the ledger of some samples in memory, and payloads registered in them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from drivers.result import Result
from rerund.rerun.case import ReportCase
from rerund.rerun.delivery import Delivery, arrival, from_ledger, ledger_row, run_identity
from rerund.rerun.instants import seconds
from rerund.rerun.lab import Lab
from rerund.rerun.matching import Match, Run, match
from rerund.rerun.receive import receive
from rerund.rerun.records import NO_REPORT, LedgerRow, Origin, Transaction
from rerund.rerun.rules import Rules

AlertCode = Literal[
    "ambiguous_sample", "unit_mismatch", "late", "rerun_closed", "redrawn", "rerun_overdue"
]


class Alert(msgspec.Struct, frozen=True):
    """Something a person should look at. It names a report and an instrument, no patient."""

    code: AlertCode
    lab_id: int
    lab_report_id: int | None
    device_id: str
    entry_id: int


AlertHook = Callable[[Alert], None]

_ALERTED: tuple[AlertCode, ...] = ("unit_mismatch", "rerun_closed", "redrawn")


def no_alert(alert: Alert) -> None:
    """Tell nobody."""
    del alert


def alerts_of(case: ReportCase, added: Sequence[LedgerRow]) -> list[Alert]:
    """What a person should look at among the ledger rows that one payload added to a report."""
    codes = [code for code in _ALERTED if any(row.reason == code for row in added)]
    if any(row.late for row in added):
        codes.append("late")
    return [
        Alert(code, case.row.lab_id, case.row.lab_report_id, added[0].device_id, added[0].entry_id)
        for code in codes
    ]


class Workspace:
    """What a batch of payloads of one lab needs, and what it changes."""

    def __init__(
        self,
        lab: Lab,
        cases: Iterable[ReportCase],
        ledger: Iterable[LedgerRow],
        rules: Rules,
        at: str,
    ):
        self._lab = lab
        self._rules = rules
        self._at = at
        self._cases: dict[str, dict[int, ReportCase]] = {}
        for case in cases:
            self._cases.setdefault(case.row.sample_id, {})[case.row.lab_report_id] = case
        self._by_sample: dict[str, list[LedgerRow]] = {}
        self._by_result: dict[str, list[LedgerRow]] = {}
        self._by_identity: dict[str, list[LedgerRow]] = {}
        self._remembered: set[int] = set()
        for row in ledger:
            self._remember(row)
        self._loose: dict[int, LedgerRow] = {}
        self._late_done: set[str] = set()
        self.alerts: list[Alert] = []

    def _remember(self, row: LedgerRow) -> None:
        if id(row) in self._remembered:
            return
        self._remembered.add(id(row))
        self._by_sample.setdefault(row.sample_id, []).append(row)
        self._by_result.setdefault(row.result_id, []).append(row)
        if row.identity is not None:
            self._by_identity.setdefault(row.identity, []).append(row)

    def register(self, delivery: Delivery) -> None:
        """Register a payload, after what waited for a report of its sample."""
        if delivery.origin.kind == "patient" and delivery.origin.id_reliable:
            self.register_late(delivery.origin.sample_id)
        for result in delivery.results:
            for row in self._by_result.get(result.result_id, ()):
                if row.lab_report_id == NO_REPORT and row.outcome == "unmatched":
                    delivery.unplaced[result.result_id] = row
        self._register(delivery)

    def register_late(self, sample_id: str) -> None:
        """Register what came before its report or mapping, oldest entry first, once a batch.

        A report that has not looked for earlier results gets those of other reports too.
        """
        if sample_id in self._late_done:
            return
        self._late_done.add(sample_id)
        rows = self._by_sample.get(sample_id, [])
        cases = self._cases.get(sample_id, {}).values()
        if all(case.row.results_checked for case in cases):
            rows = [row for row in rows if row.outcome == "unmatched"]
        for delivery in from_ledger(rows):
            if delivery.origin.kind == "patient" and delivery.origin.id_reliable:
                self._register(delivery)

    def _register(self, delivery: Delivery) -> None:
        origin = delivery.origin
        if origin.kind != "patient":
            self._leave(delivery, "ignored", origin.kind)
            return
        if not origin.id_reliable:
            self._leave(delivery, "unmatched", "unreliable_id")
            return
        known = self._find_known(delivery)
        matched = self._match(delivery)
        for report in matched.reports:
            self._receive(self._cases[origin.sample_id][report.lab_report_id], delivery, known)
        left = self._leave(delivery, "unmatched", matched.reason or "no_mapping")
        if left and matched.reason == "ambiguous_sample":
            alert = Alert(
                "ambiguous_sample", delivery.lab_id, None, origin.device_id, origin.entry_id
            )
            self.alerts.append(alert)

    def _match(self, delivery: Delivery) -> Match:
        origin = delivery.origin
        run = Run(
            delivery.run_time(),
            origin.is_rerun,
            origin.patient.ids if origin.patient else (),
        )
        reports = [case.row for case in self._cases.get(origin.sample_id, {}).values()]
        return match(run, reports, self._rules)

    def _receive(self, case: ReportCase, delivery: Delivery, known: set[str]) -> None:
        before = len(case.ledger)
        receive(case, delivery, self._lab, known, self._rules, self._at)
        added = case.ledger[before:]
        for row in added:
            self._remember(row)
        self.alerts += alerts_of(case, added)

    def _find_known(self, delivery: Delivery) -> set[str]:
        """The values whose run the ledger holds already, though history did not say so.

        One with another status or other flags becomes a status update of that run.
        """
        known: set[str] = set()
        origin = delivery.origin
        for result in delivery.results if origin.sample_id in self._by_sample else ():
            key = run_identity(origin.device_id, origin.sample_id, result)
            row = _last_before(self._by_identity.get(key, ()), origin) if key else None
            if row is None or result.supersedes or not self._forgotten(row, result, origin):
                continue
            then = row.result
            if (then.result_status, then.abnormal_flags) == (
                result.result_status,
                result.abnormal_flags,
            ):
                known.add(result.result_id)
            else:
                result.run_kind, result.supersedes = "status_update", row.result_id
        return known

    def _forgotten(self, row: LedgerRow, result: Result, origin: Origin) -> bool:
        """Whether the history of the journal could not know of a run that came before.

        Within the window of the same journal its own decision stands.
        """
        age = seconds(origin.received_at) - seconds(row.received_at)
        unsure = result.confidence == "low" or _journal(row.result_id) != _journal(result.result_id)
        return unsure or age > self._rules.history_window

    def _leave(
        self, delivery: Delivery, outcome: Literal["ignored", "unmatched"], reason: str
    ) -> bool:
        """Keep what no report took, with all that a later registration needs.

        Answers whether that is news.
        """
        news = False
        for result in delivery.results:
            row = delivery.unplaced.get(result.result_id)
            if row is None:
                if result.result_id in self._by_result:
                    continue
                row = ledger_row(delivery, result)
                self._remember(row)
            elif row.reason == reason:
                continue
            row.outcome, row.reason = outcome, reason
            self._loose[id(row)] = row
            news = True
        return news

    def unchecked(self) -> list[int]:
        """The reports without events for which earlier results have now been looked for."""
        return [
            case.row.lab_report_id
            for case in self._looked_at()
            if not case.row.results_checked and not case.changed
        ]

    def _looked_at(self) -> Iterator[ReportCase]:
        for sample_id in self._late_done:
            yield from self._cases.get(sample_id, {}).values()

    def transaction(self) -> Transaction:
        """Everything that the registered payloads write, as one transaction."""
        for case in self._looked_at():
            if case.changed:
                case.row.results_checked = True
        effects = [
            case.effects()
            for cases in self._cases.values()
            for case in cases.values()
            if case.changed
        ]
        loose = [row for row in self._loose.values() if row.lab_report_id == NO_REPORT]
        return merge([*effects, Transaction(ledger=loose)])


def merge(parts: Sequence[Transaction]) -> Transaction:
    """Several transactions as one, its ledger rows in order of arrival."""
    ledger = [row for part in parts for row in part.ledger]
    return Transaction(
        reports=[row for part in parts for row in part.reports],
        events=[row for part in parts for row in part.events],
        ledger=sorted(ledger, key=arrival),
        values=[row for part in parts for row in part.values],
        waiting=[row for part in parts for row in part.waiting],
        activity=[row for part in parts for row in part.activity],
    )


def _last_before(rows: Sequence[LedgerRow], origin: Origin) -> LedgerRow | None:
    """The last of these rows that arrived before a payload.

    What waits for a report has its own row among them, and so has what arrived after it.
    """
    own = arrival(origin)
    return max((row for row in rows if arrival(row) < own), key=arrival, default=None)


def _journal(result_id: str) -> str:
    """The journal that a result id names first."""
    return result_id.partition("-")[0]
