"""Registering the sorted values of a payload in one report: one event."""

from collections import Counter

import msgspec

from rerund.rerun.auto_check import check_originals
from rerund.rerun.case import ReportCase
from rerund.rerun.corrections import apply_correction
from rerund.rerun.delivery import Delivery
from rerund.rerun.documents import SampleRerun
from rerund.rerun.draft import Draft
from rerund.rerun.instants import seconds
from rerund.rerun.lab import Lab
from rerund.rerun.model import RerunType
from rerund.rerun.opening import measure_ordered, touch_waiting
from rerund.rerun.placing import Placed, event_id, place
from rerund.rerun.receive_log import log_failed, log_received
from rerund.rerun.records import EventRow
from rerund.rerun.rules import Rules
from rerund.rerun.slots import arrived_late, fill_slot, rerun_value, run_kind_of
from rerund.rerun.sorting import Sorted, Sorter
from rerund.rerun.states import Action, ActivityCode, Event

RERUN_TYPE: dict[str, RerunType] = {
    "Manual": "manual_rerun",
    "Auto": "auto_rerun",
    "Instrument": "machine_rerun",
}


_FAILED = ActivityCode.RERUN_FAILED


class Answer(msgspec.Struct):
    """What became of the values of a payload in a report, by index."""

    rerun_number: int | None = None
    accepted: list[int] = []
    ignored: list[int] = []
    refused: list[dict[str, object]] = []


def receive(
    case: ReportCase, delivery: Delivery, lab: Lab, known: set[str], rules: Rules, at: str
) -> EventRow | None:
    """Register the values of a payload that this report has not had; None when there is none.

    `known` are the result ids whose run the ledger holds under another result id; `at` is
    the instant of registering.
    """
    placed = place(case, delivery, lab)
    if not placed:
        return None
    draft = Draft(case, event_id(case, placed), "values", at)
    return register(draft, placed, Sorter(case, delivery, known, rules), rules)


def register(draft: Draft, placed: list[Placed], sorter: Sorter, rules: Rules) -> EventRow:
    """Register values that have their place in the event of `draft`."""
    values = sorter.sort(placed)
    if len(values.corrections) == len(placed):
        draft.kind = "correction"
    receiver = _Receiver(draft, sorter, rules)
    receiver.apply(values)
    return receiver.close()


class _Receiver:
    def __init__(self, draft: Draft, sorter: Sorter, rules: Rules):
        self._draft = draft
        self._case = draft.case
        self._sorter = sorter
        self._rules = rules
        self._answer = Answer(None, [], [], [])
        self._numbers: list[int] = []

    def apply(self, values: Sorted) -> None:
        for value, reason in values.ignored:
            self._ignore(value, reason)
        for correction in values.corrections:
            apply_correction(self._draft, correction)
            self._answer.accepted.append(correction.value.index)
        self._originals(values)
        check_originals(self._draft, self._to_check(values), self._rules)
        if values.open_rerun is not None:
            self.register_manual_triggered_rerun(values.open_rerun, values.counted)
        for number, joined in values.joined.items():
            self._join(number, joined)
        if values.run:
            self.register_machine_triggered_rerun(values.run)
        if values.refused:
            self._refuse(values.refused)

    def close(self) -> EventRow:
        self._answer.rerun_number = max(self._numbers, default=None)
        self._draft.number = self._answer.rerun_number or self._draft.number
        answer = msgspec.structs.asdict(self._answer)
        answer["sampleRedrawFlag"] = self._case.row.flag
        rerun = self._case.reruns.get(self._answer.rerun_number or 0)
        answer["fulfilled"] = rerun.fulfilled_parameters if rerun else []
        return self._draft.close(answer)

    def _ignore(self, value: Placed, reason: str) -> None:
        value.row.outcome, value.row.reason = "ignored", reason
        self._case.touch_row(value.row)
        if reason == "unit_mismatch":  # whoever sent it has something to mend
            self._answer.refused.append({"index": value.index, "reason": reason})
        else:
            self._answer.ignored.append(value.index)

    def _originals(self, values: Sorted) -> None:
        counted = {id(value) for value in values.counted}
        replicates = _replicates(values)
        for value in values.slots:
            self._draft.step(Event.ORIGINAL)
            fill_slot(self._draft, value, replicates[value.index])
            if id(value) not in counted:
                self._keep_original(value, None)
        measure_ordered(self._draft, [value.index for value in values.slots])
        for value, reason in values.aside:
            self._keep_original(value, reason)

    def _to_check(self, values: Sorted) -> list[int]:
        """Originals that are shown or changed now, and those that nothing can be shown of."""
        counted = {id(value) for value in values.counted}
        shown = [value.index for value in values.slots if id(value) not in counted]
        changed = [one.value.index for one in values.corrections if one.shown]
        unusable = [value.index for value, reason in values.aside if reason == "unusable"]
        return [*shown, *changed, *([] if self._sorter.is_rerun else unusable)]

    def _keep_original(self, value: Placed, reason: str | None) -> None:
        row = value.row
        row.outcome, row.reason = ("registered" if reason == "parallel" else "original"), reason
        row.settled = "kept" if reason == "parallel" else None
        self._case.touch_row(row)
        self._answer.accepted.append(value.index)

    def register_manual_triggered_rerun(self, rerun: SampleRerun, counted: list[Placed]) -> None:
        """Store values under the open rerun, whoever asked for it, and count them."""
        self._store(rerun, counted, requested=True)
        rerun.add_received_parameters_to_fulfilled_parameters(v.index for v in counted if v.usable)
        rerun.add_failed_parameters(v.index for v in counted if not v.usable)
        last = rerun.is_rerun_fulfilled()
        event = Event.LAST_REQUESTED_VALUES if last else Event.REQUESTED_VALUES
        transition = self._draft.step(event)
        if transition.action is Action.FULFILL_RERUN:
            rerun.fulfill_rerun()
        self._write(rerun)
        self._narrow_waiting_list(rerun)
        log_received(self._draft, rerun.rerun_number, counted, transition.log)
        if last and rerun.failed_parameters:
            log_failed(self._draft, _FAILED, rerun.rerun_number, rerun.failed_parameters, "failed")

    def _join(self, number: int, joined: list[Placed]) -> None:
        rerun = self._case.reruns[number]
        self._store(rerun, joined, requested=False)
        if not rerun.requested_parameters:
            _count(rerun, joined)
        self._write(rerun)
        event = Event.REQUESTED_VALUES if rerun.is_active else Event.RUN
        log_received(self._draft, number, joined, self._draft.step(event).log)

    def register_machine_triggered_rerun(self, run: list[Placed]) -> None:
        """Store a run that nobody asked for under the next number of the report."""
        transition = self._draft.step(Event.RUN)
        if transition.action is Action.REFUSE_VALUES:
            self._refuse_values([(value, 0) for value in run], "redrawn", transition.log)
            return
        rerun = self._new_run(run[0])
        self._store(rerun, run, requested=False)
        _count(rerun, run)
        self._write(rerun)
        log_received(self._draft, rerun.rerun_number, run, transition.log)

    def _new_run(self, first: Placed) -> SampleRerun:
        row, number, now = self._case.row, self._draft.next_number(), int(seconds(self._draft.at))
        return SampleRerun(
            lab_id=row.lab_id,
            lab_report_id=row.lab_report_id,
            sample_id=row.sample_id,
            type="Instrument",
            rerun_number=number,
            is_active=False,
            requested_parameters=[],
            dilution=first.result.dilution,
            run_key=self._case.key_of_run(first.row.run_key, number),
            created_by=self._draft.user,
            created_at=now,
            updated_by=self._draft.user,
            updated_at=now,
            version=self._draft.version,
        )

    def _store(self, rerun: SampleRerun, values: list[Placed], *, requested: bool) -> None:
        for value in values:
            self._mark(value)
            row = value.row
            row.outcome, row.rerun_number = "registered", rerun.rerun_number
            row.requested = requested
            row.reason = _why_failed(value)
            self._case.touch_row(row)
            self._draft.write_value(
                rerun_value(
                    self._draft,
                    value,
                    rerun.rerun_number,
                    RERUN_TYPE[rerun.type],
                    requested=requested,
                )
            )
            self._answer.accepted.append(value.index)
        names = [value.parameter.parameter_name for value in values]
        if not rerun.requested_parameters:
            rerun.parameter_names = list(dict.fromkeys([*rerun.parameter_names, *names]))
        self._numbers.append(rerun.rerun_number)

    def _mark(self, value: Placed) -> None:
        slot = self._case.slots.get(value.index)
        value.result = msgspec.structs.replace(
            value.result,
            run_kind=run_kind_of(value, parallel=self._sorter.is_parallel(value)),
            conflict=value.result.conflict or arrived_late(value, slot),
        )
        value.row.result = value.result

    def _write(self, rerun: SampleRerun) -> None:
        rerun.updated_by, rerun.updated_at = self._draft.user, int(seconds(self._draft.at))
        self._draft.write_rerun(rerun)

    def _narrow_waiting_list(self, rerun: SampleRerun) -> None:
        for row in self._case.waiting:
            if row.rerun_number == rerun.rerun_number:
                row.remaining = rerun.remaining_parameters()
                if not rerun.is_active:
                    row.status = "resulted"
                touch_waiting(self._draft, row)

    def _refuse(self, refused: list[tuple[Placed, int]]) -> None:
        transition = self._draft.step(Event.CLOSED_RERUN_VALUES)
        self._refuse_values(refused, "rerun_closed", transition.log)

    def _refuse_values(
        self, refused: list[tuple[Placed, int]], reason: str, log: ActivityCode | None
    ) -> None:
        logged = {
            row.rerun_number
            for row in self._case.ledger
            if row.outcome == "refused" and row.reason == reason
        }
        for value, number in refused:
            row = value.row
            row.outcome, row.reason, row.rerun_number = "refused", reason, number
            self._case.touch_row(row)
            self._answer.refused.append({"index": value.index, "reason": reason})
        for number in sorted({number for _, number in refused} - logged):
            indexes = sorted({value.index for value, of in refused if of == number})
            log_failed(self._draft, log, number, indexes, reason)


def _why_failed(value: Placed) -> str | None:
    if value.shown is None:
        return "unit_mismatch"
    return None if value.usable else "failed"


def _count(rerun: SampleRerun, values: list[Placed]) -> None:
    for value in values:
        if value.usable or value.index not in rerun.fulfilled_parameters:
            rerun.count(value.index, usable=value.usable)


def _replicates(values: Sorted) -> Counter[int]:
    """How many replicates of each index came."""
    placed = [*values.slots, *(value for value, _ in values.aside)]
    replicates = {(value.index, value.result.replicate) for value in placed}
    return Counter(index for index, replicate in replicates if replicate)
