"""What the codes of an instrument say about a run: its status, its kind, what will follow."""

from collections.abc import Iterable
from typing import NamedTuple

from drivers.fields import Context, Picker, RawText
from drivers.memo import Memo
from drivers.profile import Profile
from drivers.result import Confidence, Evidence, Kind, NextAction, RunKind
from drivers.sections import KindMark, RerunMark, StatusMeaning
from drivers.source import FieldPath


class Mark(NamedTuple):
    """The part of a result that its status and its rerun marks decide."""

    result_status: str | None = None
    invalid_reason: str | None = None
    run_kind: RunKind = "unknown"
    next_action: NextAction = "none"
    evidence: Evidence = "none"
    confidence: Confidence = "high"
    raw_marker: str | None = None


# LIS02-A2 9.9, and HL7 table 0085 for what was withdrawn. A questionable value has its own code.
_LETTERS: dict[StatusMeaning, str] = {
    "final": "F",
    "preliminary": "P",
    "partial": "S",
    "correction": "C",
    "pending": "I",
    "cannot_be_done": "X",
    "withdrawn": "D",
    "status_update": "F",
    "retransmission": "F",
}
_UNUSABLE: frozenset[StatusMeaning] = frozenset(("pending", "cannot_be_done", "withdrawn"))
_RUN_KINDS: dict[StatusMeaning, RunKind] = {
    "correction": "correction",
    "withdrawn": "withdrawal",
    "status_update": "status_update",
    "retransmission": "retransmission",
}


class MarkReader:
    """Reads status and rerun marks as one profile says."""

    def __init__(self, profile: Profile, picker: Picker):
        self._picker = picker
        self._status = profile.result.status
        self._meanings = profile.result.status_codes
        self._marks = profile.rerun.mark
        self.paths = (self._status, *(mark.field for mark in self._marks))

    def read(self, raw: RawText) -> Mark:
        """Return what the status and the marks in these fields say."""
        mark = self._read_status(raw)
        for rule in reversed(self._marks):  # the first of a profile's marks decides
            code = self._code(rule, raw)
            if code:
                mark = _apply(mark, rule, f"{rule.field}={code}")
        return mark

    def _read_status(self, raw: RawText) -> Mark:
        codes = self._picker.repeats(self._status, raw(self._status.record, self._status.field))
        if not codes:
            return Mark()
        code = next((code for code in codes if code in self._meanings), codes[0])
        meaning = self._meanings.get(code)
        if meaning is None:
            return Mark(code)
        letter = _LETTERS.get(meaning, code)
        run_kind = _RUN_KINDS.get(meaning, "unknown")
        return Mark(
            letter,
            meaning if meaning in _UNUSABLE else None,
            run_kind,
            evidence="none" if run_kind == "unknown" else "explicit",
            raw_marker=f"{self._status}={code}"
            if letter != code or run_kind != "unknown"
            else None,
        )

    def _code(self, rule: RerunMark, raw: RawText) -> str | None:
        codes = self._picker.repeats(rule.field, raw(rule.field.record, rule.field.field))
        return next(filter(rule.holds, codes), None)


def _apply(mark: Mark, rule: RerunMark, marker: str) -> Mark:
    markers = [marker, *(mark.raw_marker or "").split(",")]
    mark = mark._replace(raw_marker=",".join(filter(None, dict.fromkeys(markers))))
    if rule.next_action is not None:
        mark = mark._replace(next_action=rule.next_action)
    if rule.run_kind is not None:
        mark = mark._replace(
            run_kind=rule.run_kind, evidence=rule.evidence, confidence=rule.confidence
        )
    return mark


# LIS02-A2 6.12 (H.12: T training, D debugging, Q quality control) and 8.4.12 (O.12).
STANDARD_KINDS = tuple(
    KindMark.model_validate({"field": field, "equals": code, "kind": kind})
    for field, code, kind in (
        ("H.12", "Q", "qc"),
        ("H.12", ["T", "D"], "training"),
        ("O.12", "Q", "qc"),
    )
)


class KindReader:
    """Tells QC, calibration and training from patient samples, as one profile says."""

    def __init__(
        self, profile: Profile, picker: Picker, standard: Iterable[KindMark] = STANDARD_KINDS
    ):
        self._rules = (*profile.kind, *standard)
        self._picker = picker
        self._paths = [rule.field for rule in self._rules if isinstance(rule.field, FieldPath)]
        self._open: Memo[tuple[str, ...], list[KindMark]] = Memo(self._open_rules)

    def read(self, context: Context, sample_id: str) -> Kind:
        """Return the kind of the sample whose header, patient and order are in `context`."""
        texts = tuple([context.field(path.record, path.field) for path in self._paths])
        for rule in self._open[texts]:
            if rule.field != "sample_id" or rule.holds(sample_id):
                return rule.kind
        return "patient"

    def _open_rules(self, texts: tuple[str, ...]) -> list[KindMark]:
        """The rules that these field texts fulfil, and those that ask for the sample id."""
        raw = iter(texts)
        return [
            rule
            for rule in self._rules
            if rule.field == "sample_id"
            or any(map(rule.holds, self._picker.repeats(rule.field, next(raw))))
        ]
