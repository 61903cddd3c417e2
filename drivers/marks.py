"""What the codes of an instrument say about a run: its status, its kind, what will follow."""

from typing import NamedTuple

from drivers.fields import Context, Picker, Texts
from drivers.profile import Profile
from drivers.result import Confidence, Evidence, Kind, NextAction, RunKind
from drivers.sections import KindMark, RerunMark, StatusMeaning
from drivers.source import FieldPath


class Mark(NamedTuple):
    """The part of a result that its status and its rerun marks decide."""

    result_status: str | None
    invalid_reason: str | None
    run_kind: RunKind
    next_action: NextAction
    evidence: Evidence
    confidence: Confidence
    raw_marker: str | None


# LIS02-A2 9.9 and HL7 table 0085 for "deleted"; a questionable value keeps its own code.
_LETTERS: dict[StatusMeaning, str] = {
    "final": "F",
    "preliminary": "P",
    "partial": "S",
    "correction": "C",
    "pending": "I",
    "cannot_be_done": "X",
    "withdrawn": "D",
    "retransmission": "F",
}
_UNUSABLE: set[StatusMeaning] = {"pending", "cannot_be_done", "withdrawn"}
_RUN_KINDS: dict[StatusMeaning, RunKind] = {
    "correction": "correction",
    "withdrawn": "withdrawal",
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

    def read(self, texts: Texts) -> Mark:
        """The marks that these field texts hold."""
        codes = _codes(self._picker, self._status, texts)
        code = next((code for code in codes if code in self._meanings), codes[0] if codes else None)
        meaning = self._meanings.get(code or "")
        letter = _LETTERS.get(meaning, code) if meaning else code
        hits = [(mark, hit) for mark in self._marks for hit in [self._hit(mark, texts)] if hit]
        run = next((found for found in hits if found[0].run_kind), None)
        following = next((found for found in hits if found[0].next_action), None)
        markers = list(dict.fromkeys(found[1] for found in (run, following) if found))
        if run is not None and run[0].run_kind is not None:
            kind, evidence, confidence = run[0].run_kind, run[0].evidence, run[0].confidence
        else:
            kind = _RUN_KINDS.get(meaning, "unknown") if meaning else "unknown"
            evidence, confidence = ("none" if kind == "unknown" else "explicit"), "high"
        status_marker = f"{self._status}={code}"
        if (letter != code or meaning in _RUN_KINDS) and status_marker not in markers:
            markers.append(status_marker)
        return Mark(
            letter,
            meaning if meaning in _UNUSABLE else None,
            kind,
            (following[0].next_action if following else None) or "none",
            evidence,
            confidence,
            ",".join(markers) or None,
        )

    def _hit(self, mark: RerunMark, texts: Texts) -> str | None:
        for code in _codes(self._picker, mark.field, texts):
            if mark.holds(code):
                return f"{mark.field}={code}"
        return None


def _codes(picker: Picker, path: FieldPath, texts: Texts) -> list[str]:
    """Every code in a field: some instruments send several, `F\\Q` (Thermo Indiko)."""
    raw = texts[path.record, path.field]
    if path.repeat is None:
        return picker.repeats(path, raw)
    text = picker.pick(path, raw)
    return [text] if text else []


# LIS02-A2 6.12 (H.12: T training, D debugging, Q quality control) and 8.4.12 (O.12).
_STANDARD_KINDS = tuple(
    KindMark.model_validate({"field": field, "equals": code, "kind": kind})
    for field, code, kind in (
        ("H.12", "Q", "qc"),
        ("H.12", ["T", "D"], "training"),
        ("O.12", "Q", "qc"),
    )
)


class KindReader:
    """Tells QC, calibration and training from patient samples, as one profile says."""

    def __init__(self, profile: Profile, picker: Picker):
        self._marks = (*profile.kind, *_STANDARD_KINDS)
        self._picker = picker

    def read(self, context: Context, sample_id: str) -> Kind:
        """The kind of the sample whose header, patient and order are in `context`."""
        for mark in self._marks:
            if self._holds(mark, context, sample_id):
                return mark.kind
        return "patient"

    def _holds(self, mark: KindMark, context: Context, sample_id: str) -> bool:
        if mark.field == "sample_id":
            return mark.holds(sample_id)
        return any(map(mark.holds, _codes(self._picker, mark.field, context.texts([mark.field]))))
