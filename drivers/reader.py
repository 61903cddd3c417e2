"""A profile made ready to read: its rules compiled for one set of delimiters and one zone."""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import NamedTuple

from drivers.fields import Column, Context, Picker, Texts
from drivers.marks import KindReader, MarkReader
from drivers.memo import Memo
from drivers.profile import Profile
from drivers.quirks import QUIRKS
from drivers.result import Comparator, Patient
from drivers.source import FieldPath, Source
from drivers.times import NEVER, Instant, parse_date, parse_instant
from drivers.values import Value, compile_value
from protocols.astm.text import Delimiters


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
    comparator: Comparator | None


class Reader:
    """The columns of a result, and the rules for what is around it."""

    def __init__(self, profile: Profile, delimiters: Delimiters, zone: tzinfo):
        self.profile = profile
        self.picker = Picker(delimiters, profile.dialect)
        self.zone = zone
        self.kinds = KindReader(profile, self.picker)
        self.quirks = [QUIRKS[name] for name in profile.quirks]
        self._values = Memo(compile_value(profile.result))
        self._compile_columns(profile)

    def _compile_columns(self, profile: Profile) -> None:
        section = profile.result
        marks = MarkReader(profile, self.picker)
        code_sources = [section.test_code, section.dilution, section.replicate]
        detail_sources = (section.units, section.reference_range)
        sources = list(section.run_at)
        cut = sources.index("main") if "main" in sources else len(sources)
        self.inherits_time = cut < len(sources)
        self.code = Column(_paths(*code_sources), self._read_code)
        self.value = Column(_paths(section.value), self._value_reader(section.value))
        self.also = [
            (also.code, Column(_paths(also.value), self._value_reader(also.value)))
            for also in section.also
        ]
        self.details = Column((*_paths(*detail_sources), section.flags), self._read_details)
        self.mark = Column(marks.paths, marks.read)
        self.own_time = self._time_column(sources[:cut])
        self.other_time = self._time_column(sources[cut + 1 :])
        widths = [column.width for _, column in self.also]
        widths += [self.code.width, self.value.width, self.details.width, self.mark.width]
        widths += [self.own_time.width, self.other_time.width]
        self.padding = [""] * max(widths)

    def _time_column(self, sources: Sequence[Source | str]) -> Column[Instant]:
        own = [source for source in sources if isinstance(source, Source)]

        def read(texts: Texts) -> Instant:
            first = NEVER
            for source in own:
                instant = parse_instant(self.picker.find(source, texts), self.zone)
                if instant.text or instant.problem == "impossible_time":
                    return instant
                first = first if first.problem else instant
            return first

        return Column(_paths(*own), read)

    def _value_reader(self, source: Source) -> Callable[[Texts], Value]:
        def read(texts: Texts) -> Value:
            return self._values[self.picker.find(source, texts)]

        return read

    def _read_code(self, texts: Texts) -> Code:
        section = self.profile.result
        find = self.picker.find
        dilution = find(section.dilution, texts) if section.dilution else ""
        replicate = find(section.replicate, texts) if section.replicate else ""
        return Code(
            find(section.test_code, texts),
            None if dilution in section.undiluted else dilution or None,
            int(replicate) if replicate.isascii() and replicate.isdigit() else 0,
        )

    def _read_details(self, texts: Texts) -> Details:
        section = self.profile.result
        path = section.flags
        flags = tuple(self.picker.repeats(path, texts[path.record, path.field]))
        comparator = next(
            (section.flag_comparators[flag] for flag in flags if flag in section.flag_comparators),
            None,
        )
        units = self.picker.find(section.units, texts)
        reference_range = self.picker.find(section.reference_range, texts)
        return Details(units or None, reference_range or None, flags, comparator)

    def find(self, source: Source, context: Context) -> str:
        """The text that a source finds around a result."""
        return self.picker.find(source, context.texts(source.paths()))

    def patient(self, context: Context) -> Patient | None:
        """Who the sample is from; None when the message does not say."""
        section = self.profile.patient
        ids = tuple(filter(None, (self.find(source, context) for source in section.ids)))
        name = " ".join(self.find(section.name, context).replace("^", " ").split())
        birth_date = parse_date(self.find(section.birth_date, context))
        sex = self.find(section.sex, context)
        if not (ids or name or birth_date or sex):
            return None
        return Patient(ids, name or None, birth_date, sex or None)


def _paths(*sources: Source | None) -> tuple[FieldPath, ...]:
    return tuple(path for source in sources if source for path in source.paths())
