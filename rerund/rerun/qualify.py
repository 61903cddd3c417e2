"""Qualifying values: which are reruns, under which number, and which belong together.

Decided where the message is read, from the local copy of the waiting list and the
history alone, so that it works while every store is down.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from drivers.result import Result, SampleResults
from rerund.rerun.classify import CHANGING_KINDS, REPEATED_KINDS, Findings
from rerund.rerun.history import SampleHistory
from rerund.rerun.identity import in_run_order, seconds_between
from rerund.rerun.model import MACHINE_RERUN, OpenRerun, RerunType


class Verdict(NamedTuple):
    """The run state of a value, and the run that it belongs to within its message.

    `number` is the rerun number, `ordinal` counts the runs of a message that the
    instrument triggered by itself, from 1.
    """

    state: Literal["original", "change", "rerun"]
    number: int = 0
    rerun_type: RerunType | None = None
    ordinal: int = 0
    requested: OpenRerun | None = None

    @property
    def group(self) -> str:
        """The name of the group of values with this verdict."""
        if self.requested is not None:
            return f"{self.state}-{self.number}-{self.requested.lab_report_id}"
        return f"{self.state}-{self.ordinal}" if self.ordinal else self.state


ORIGINAL = Verdict("original")
CHANGE = Verdict("change")


def machine_rerun(ordinal: int) -> Verdict:
    """Return the verdict on values of a run that the instrument triggered by itself."""
    return Verdict("rerun", MACHINE_RERUN, "machine_rerun", ordinal)


def qualify_rerun(
    sample: SampleResults,
    history: SampleHistory,
    findings: Findings,
    open_reruns: Sequence[OpenRerun],
    device_id: str,
) -> list[tuple[Result, Verdict]]:
    """Give each classified value that is no retransmission its verdict, in run order.

    `open_reruns` are those of the sample; the id of a failed barcode read has none.
    """
    values = [r for r in in_run_order(sample.results) if r.run_kind != "retransmission"]
    if sample.kind != "patient":
        return [(result, ORIGINAL) for result in values]
    return _Qualifier(history, findings, open_reruns, device_id).qualify(values)


class _Qualifier:
    """The verdicts on the values of one patient sample in one message."""

    def __init__(
        self,
        history: SampleHistory,
        findings: Findings,
        open_reruns: Sequence[OpenRerun],
        device_id: str,
    ) -> None:
        self.history = history
        self.contradicted = findings.contradicted
        self.device_id = device_id
        self.open_reruns = sorted(
            (rerun for rerun in open_reruns if rerun.closed_at is None),
            key=lambda rerun: (rerun.requested_at, rerun.lab_report_id, rerun.rerun_number),
        )
        self.taken: dict[str, set[tuple[str, int]]] = {}

    def qualify(self, values: Sequence[Result]) -> list[tuple[Result, Verdict]]:
        """Look for requested values first: they decide where other repeats belong."""
        requested = {result.result_id: self._requested(result) for result in values}
        numbered = [verdict for verdict in requested.values() if verdict is not None]
        return [
            (result, requested[result.result_id] or self._unrequested(result, numbered))
            for result in values
        ]

    def _requested(self, result: Result) -> Verdict | None:
        if result.run_kind in CHANGING_KINDS:
            return None
        for rerun in self.open_reruns:
            if self._remains(result, rerun) and self._fits(result, rerun):
                verdict = Verdict("rerun", rerun.rerun_number, rerun.rerun_type, requested=rerun)
                if self._take(result, verdict):
                    return verdict
        return None

    def _remains(self, result: Result, rerun: OpenRerun) -> bool:
        if rerun.device_id not in ("", self.device_id):
            return False
        return result.test_code in rerun.tests.get(self.device_id, ())

    def _fits(self, result: Result, rerun: OpenRerun) -> bool:
        """Say whether a value can be one of the run that was requested."""
        age = seconds_between(rerun.requested_at, result.run_at)
        if age is not None and age < -self.history.setting.windows.clock_tolerance:
            return False
        # The copy may not have heard yet of a value that came while the stores were down.
        return not any(
            run.rerun_number == rerun.rerun_number
            and run.usable
            and (seconds_between(rerun.requested_at, run.received_at) or 0.0) >= 0.0
            for run in self.history.earlier(result)
        )

    def _unrequested(self, result: Result, numbered: Sequence[Verdict]) -> Verdict:
        if result.run_kind in CHANGING_KINDS:
            return CHANGE
        if result.run_kind not in REPEATED_KINDS and result.result_id not in self.contradicted:
            return ORIGINAL
        for verdict in numbered:
            assert verdict.requested is not None  # numbers come from open reruns only
            if self._fits(result, verdict.requested) and self._take(result, verdict):
                return verdict
        ordinal = 1
        while not self._take(result, machine_rerun(ordinal)):
            ordinal += 1
        return machine_rerun(ordinal)

    def _take(self, result: Result, verdict: Verdict) -> bool:
        """Put a value into a run, unless the run has one of that test already."""
        tests = self.taken.setdefault(verdict.group, set())
        test = (result.test_code, result.replicate)
        if test in tests:
            return False
        tests.add(test)
        return True
