"""A profile made ready to read: its rules compiled for one set of delimiters and one zone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from drivers.fields import R_RECORD, Column, Context, Fields, Picker, RawText
from drivers.marks import STANDARD_KINDS, KindReader, Mark, MarkReader
from drivers.profile import Profile
from drivers.quirks import QUIRKS
from drivers.result import Comparator, Confidence, Evidence, NextAction, Patient, RunKind
from drivers.sections import KindMark
from drivers.source import FieldPath, Source
from drivers.times import NEVER, Instant, parse_date, parse_instant
from drivers.values import Value, compile_value


class Code(NamedTuple):
    """Which test a result is of."""

    test_code: str
    dilution: str | None
    replicate: int


class Details(NamedTuple):
    """What stands beside a value."""

    units: str | None
    reference_range: str | None
    flags: tuple[str, ...]
    limit: Comparator | None
    mark: Mark


class Outline(msgspec.Struct, frozen=True, gc=False):
    """All of a result but its value and its time, which are the same in few messages.

    A struct, because its members are read faster than a tuple with names is taken apart.
    """

    test_code: str
    dilution: str | None
    replicate: int
    units: str | None
    reference_range: str | None
    flags: tuple[str, ...]
    limit: Comparator | None
    result_status: str | None
    unusable: str | None
    run_kind: RunKind
    next_action: NextAction
    evidence: Evidence
    confidence: Confidence
    raw_marker: str | None


class Reader:
    """The columns of a result, and the rules for what is around it.

    `rows` says where the fields of a result's records stand in its row, `standard_kinds` what
    the standard's own marks of QC and training are.
    """

    comment = "C"
    """The record of comments."""

    def __init__(
        self,
        profile: Profile,
        picker: Picker,
        zone: tzinfo,
        rows: Mapping[str, int] = R_RECORD,
        standard_kinds: Iterable[KindMark] = STANDARD_KINDS,
    ):
        self.profile = profile
        self.picker = picker
        self.rows = rows
        self.kinds = KindReader(profile, picker, standard_kinds)
        self._zone = zone
        self._marks = MarkReader(profile, picker)
        self._read_value = compile_value(profile.result)
        self._quirks = [QUIRKS[name] for name in profile.quirks]
        section = profile.result
        self.comment_paths = [path for path in section.flags if path.record == self.comment]
        self._flags = [path for path in section.flags if path.record != self.comment]
        times = list(section.run_at)
        main = times.index("main") if "main" in times else len(times)
        self._codes = Column(self._code_paths(), self._code, rows)
        self.value = self._value_column(section.value)
        self.outline = Column(
            (*self._code_paths(), *self._detail_paths()), self._read_outline, rows
        )
        self.own_time = self._time_column(times[:main])
        self.other_time = self._time_column(times[main + 1 :])
        patient = profile.patient
        self._patients = Column(
            _paths(*patient.ids, patient.name, patient.birth_date, patient.sex),
            self._patient,
            rows,
        )
        self.inherits_time = main < len(times)
        self.also = [(also.code, self._value_column(also.value)) for also in section.also]
        widths = [column.width for _, column in self.also]
        widths += [self.outline.width, self.value.width]
        widths += [self.own_time.width, self.other_time.width]
        self._padding = [""] * max(widths)

    def pad(self, rows: Iterable[Fields]) -> list[Fields]:
        """Return the rows, none shorter than the columns look."""
        padding = self._padding
        width = len(padding)
        return [row if len(row) >= width else [*row, *padding[len(row) :]] for row in rows]

    def _value_column(self, source: Source) -> Column[Value]:
        def compute(raw: RawText) -> Value:
            return self._value(self.picker.find(source, raw))

        return Column(_paths(source), compute, self.rows)

    def _value(self, text: str) -> Value:
        value = self._read_value(text)
        for quirk in self._quirks:
            value = quirk(value)
        return value

    def _time_column(self, sources: Sequence[Source | str]) -> Column[Instant]:
        candidates = [source for source in sources if isinstance(source, Source)]

        def compute(raw: RawText) -> Instant:
            found = NEVER
            for source in candidates:
                instant = parse_instant(self.picker.find(source, raw), self._zone)
                if instant.text or instant.problem == "impossible_time":
                    return instant
                found = instant if instant.problem else found
            return found

        return Column(_paths(*candidates), compute, self.rows)

    def _read_outline(self, raw: RawText) -> Outline:
        # Tests are few; what stands beside them may be as many things as there are values.
        code, details = self._codes.meaning(raw), self._details(raw)
        mark = details.mark
        return Outline(
            code.test_code,
            code.dilution,
            code.replicate,
            details.units,
            details.reference_range,
            details.flags,
            details.limit,
            mark.result_status,
            mark.invalid_reason,
            mark.run_kind,
            mark.next_action,
            mark.evidence,
            mark.confidence,
            mark.raw_marker,
        )

    def _code_paths(self) -> Iterable[FieldPath]:
        section = self.profile.result
        return _paths(section.test_code, section.dilution, section.replicate)

    def _code(self, raw: RawText) -> Code:
        section, find = self.profile.result, self.picker.find
        dilution = find(section.dilution, raw) if section.dilution else ""
        replicate = find(section.replicate, raw) if section.replicate else ""
        return Code(
            find(section.test_code, raw),
            None if dilution in section.undiluted else dilution or None,
            int(replicate) if replicate.isascii() and replicate.isdigit() else 0,
        )

    def _detail_paths(self) -> Iterable[FieldPath]:
        section = self.profile.result
        places = _paths(section.units, section.reference_range)
        return (*places, *self._flags, *self._marks.paths)

    def _details(self, raw: RawText) -> Details:
        section = self.profile.result
        flags = self._texts(self._flags, raw)
        limits = [section.flag_comparators[f] for f in flags if f in section.flag_comparators]
        return Details(
            self.picker.find(section.units, raw) or None,
            self.picker.find(section.reference_range, raw) or None,
            tuple(flags),
            limits[0] if limits else None,
            self._marks.read(raw),
        )

    def comment_flags(self, fields: Fields) -> list[str]:
        """Return the flags in a comment record that follows a result."""
        return self._texts(
            self.comment_paths,
            lambda _, position: fields[position - 1] if position <= len(fields) else "",
        )

    def _texts(self, paths: Iterable[FieldPath], raw: RawText) -> list[str]:
        texts = (
            text for path in paths for text in self.picker.every(path, raw(path.record, path.field))
        )
        return [text for text in texts if text not in self.profile.result.no_flag]

    def patient(self, context: Context) -> Patient | None:
        """Return who the sample is from; None when the message does not say."""
        return self._patients.bind(context)[()]

    def _patient(self, raw: RawText) -> Patient | None:
        section, find = self.profile.patient, self.picker.find
        ids = tuple(filter(None, [find(source, raw) for source in section.ids]))
        name = " ".join(find(section.name, raw).replace("^", " ").split())
        birth_date = parse_date(find(section.birth_date, raw))
        sex = find(section.sex, raw)
        if not (ids or name or birth_date or sex):
            return None
        return Patient(ids, name or None, birth_date, sex or None)


def _paths(*sources: Source | None) -> tuple[FieldPath, ...]:
    return tuple(path for source in sources if source for path in source.paths())
