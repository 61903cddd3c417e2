"""Classifying a run: what the instrument's mark and the history say a value is.

The first rule that fits decides: quality control, the same run again, the instrument's
mark, the place in the message, a changed dilution, an earlier usable run, an original.
Marks and history may contradict each other; then `conflict` is set and nothing is lost.
Results are completed in place.
"""

from collections.abc import Sequence

import msgspec

from drivers.result import Confidence, Evidence, Result, RunKind, SampleResults
from rerund.rerun.history import SampleHistory
from rerund.rerun.identity import dilution_factor, identity, in_run_order
from rerund.rerun.model import KnownRun

REPEATED_KINDS = frozenset(("repeat", "repeat_diluted", "rerun"))
CHANGING_KINDS = frozenset(("correction", "withdrawal", "status_update"))


class Findings(msgspec.Struct):
    """What classification learned besides the marks on the results, by result id.

    `contradicted` are marked as no repeat although history holds an earlier run;
    `retransmitted` are the known runs that came again; `compared` every run looked at.
    """

    contradicted: set[str] = msgspec.field(default_factory=set)
    retransmitted: list[str] = msgspec.field(default_factory=list)
    compared: dict[str, None] = msgspec.field(default_factory=dict)


def classify_first(results: Sequence[Result], confidence: Confidence) -> bool:
    """Classify unmarked values of a sample that was never seen; False when rules are needed."""
    for result in results:
        if result.run_kind != "unknown" or result.replicate:
            return False
    if len({result.test_code for result in results}) != len(results):
        return False
    for result in results:
        result.run_kind = "original"
    if confidence != "high":  # the default
        for result in results:
            result.confidence = confidence
    return True


def classify(sample: SampleResults, history: SampleHistory) -> Findings:
    """Classify every value of a sample of one message against what is known."""
    findings = Findings()
    _number_replicates(sample.results)
    for result in sample.results:
        history.settle_clock(result)
    decide = _Classifier(sample, history, findings).classify
    for result in in_run_order(sample.results):
        decide(result)
        history.add(result)
    return findings


class _Classifier:
    """The rules for the values of one sample in one message."""

    def __init__(self, sample: SampleResults, history: SampleHistory, findings: Findings) -> None:
        self.is_patient = sample.kind == "patient"
        self.is_known_id = sample.id_reliable
        self.history = history
        self.findings = findings
        self.can_contradict = history.setting.complete and sample.id_reliable
        self.replicated = _replicated_tests(sample.results)

    def classify(self, result: Result) -> None:
        """Decide what one value is; the first rule that fits."""
        if self._is_known(result):
            return
        if not self.is_patient:
            _decide(result, "qc", "explicit", "high")
            return
        earlier = self.history.earlier(result)
        self._compared(earlier)
        if result.run_kind == "retransmission":
            # An operator's "send again" may be the first time that we see the run.
            _decide(result, "unknown", "none", "high")
            result.conflict = True
        if result.run_kind in ("unknown", "replicate"):
            self._infer(result, earlier)
        else:
            self._heed_mark(result, earlier)
        if result.run_kind in REPEATED_KINDS and self.history.arrived_late(result):
            result.conflict = True

    # The same run again

    def _is_known(self, result: Result) -> bool:
        if self._repeats_in_message(result):
            return True
        same = self.history.same(result)
        if self._came_again(result, same):
            self._retransmitted(result, same)
            return True
        if not same or result.run_at is None or not self.is_patient:
            return False
        if result.run_kind == "withdrawal":  # the mark says more than the changed status
            return False
        _decide(result, "status_update", "history", "high")
        result.supersedes = same[-1].result_id
        self._compared(same)
        return True

    def _came_again(self, result: Result, same: Sequence[KnownRun]) -> bool:
        setting = self.history.setting
        if same and result.run_kind == "retransmission":
            return True
        if result.run_at is None or not self.is_known_id:
            return setting.repeats_previous
        return any(_same_state(run, result) for run in same)

    def _repeats_in_message(self, result: Result) -> bool:
        """Say whether the message lists the very same run twice."""
        if result.run_at is None:
            return False
        for other in self.history.before_in_message(result):
            if identity(other) == identity(result) and _same_state(other, result):
                _decide(result, "retransmission", "run_index", "high")
                result.supersedes = other.result_id
                return True
        return False

    def _retransmitted(self, result: Result, same: Sequence[KnownRun]) -> None:
        if result.run_kind != "retransmission":
            _decide(result, "retransmission", "history", "high")
        if same:
            alike = [run for run in same if _same_state(run, result)]
            known = (alike or same)[-1]
            result.supersedes = known.result_id
            self.findings.retransmitted.append(known.result_id)
            self._compared(same)

    def _compared(self, runs: Sequence[KnownRun]) -> None:
        self.findings.compared.update(dict.fromkeys(run.result_id for run in runs))

    # The instrument's mark

    def _heed_mark(self, result: Result, earlier: Sequence[KnownRun]) -> None:
        kind = result.run_kind
        if kind in CHANGING_KINDS:
            changed = self.history.superseded_by(result)
            result.supersedes = changed.result_id if changed else None
            result.conflict = changed is None and self.can_contradict
        elif kind in REPEATED_KINDS:
            self._heed_repeat(result, earlier)
        elif earlier or self.history.before_in_message(result):
            result.conflict = True
            self.findings.contradicted.add(result.result_id)

    def _heed_repeat(self, result: Result, earlier: Sequence[KnownRun]) -> None:
        before = self.history.before_in_message(result)
        if result.run_kind == "repeat" and _is_diluted_repeat(result, earlier, before):
            result.run_kind = "repeat_diluted"
        if earlier or before:
            return
        if result.run_kind == "rerun" and self.history.has_tests():
            result.run_kind = "reflex"
        else:
            result.conflict = result.conflict or self.can_contradict

    # No mark

    def _infer(self, result: Result, earlier: Sequence[KnownRun]) -> None:
        before = self.history.before_in_message(result)
        if before:
            self._infer_successive(result, before)
        elif any(_other_dilution(run, result) for run in earlier):
            _decide(result, "repeat_diluted", "history", "medium")
        elif any(self.history.usable(run) for run in earlier):
            # Without a run time, an equal value may as well be the same run sent again.
            again = result.run_at is None and bool(self.history.same(result))
            _decide(result, "repeat", "history", "low" if again else "medium")
        elif result.run_kind == "replicate" or result.test_code in self.replicated:
            _decide(result, "replicate", "run_index", "high")
        else:
            sure = self.history.setting.complete and self.is_known_id
            _decide(result, "original", "none", "high" if sure else "low")

    def _infer_successive(self, result: Result, before: Sequence[Result]) -> None:
        confidence: Confidence = "high"
        if result.run_at is None and any(other.value == result.value for other in before):
            confidence = "low"
        if any(_other_dilution(other, result) for other in before):
            _decide(result, "repeat_diluted", "dilution_changed", confidence)
        else:
            _decide(result, "repeat", "run_index", confidence)


def _decide(result: Result, kind: RunKind, evidence: Evidence, confidence: Confidence) -> None:
    result.run_kind = kind
    result.evidence = evidence
    result.confidence = confidence


def _same_state(run: KnownRun | Result, result: Result) -> bool:
    return run.result_status == result.result_status and run.abnormal_flags == result.abnormal_flags


def _other_dilution(run: KnownRun | Result, result: Result) -> bool:
    return dilution_factor(run.dilution) != dilution_factor(result.dilution)


def _is_diluted_repeat(
    result: Result, earlier: Sequence[KnownRun], before: Sequence[Result]
) -> bool:
    """Say whether a marked repeat was made with another dilution than the run before it."""
    others: list[KnownRun | Result] = [*earlier, *before]
    if others:
        return any(_other_dilution(other, result) for other in others)
    return dilution_factor(result.dilution) != "1"


def _number_replicates(results: Sequence[Result]) -> None:
    """Count the parts of n-fold orders that came marked but without a number."""
    counts: dict[str, int] = {}
    for result in results:
        if result.run_kind == "replicate" and not result.replicate:
            counts[result.test_code] = counts.get(result.test_code, 0) + 1
            result.replicate = counts[result.test_code]


def _replicated_tests(results: Sequence[Result]) -> set[str]:
    """Return the tests of which a message holds part 2 or later of an n-fold order."""
    return {result.test_code for result in results if result.replicate > 1}
