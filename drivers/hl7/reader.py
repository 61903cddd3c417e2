"""An HL7 profile made ready to read: its rules compiled for one coding and one time zone.

A row holds the fields of an OBX, and where a TCD follows it those behind them. What stands in
no row is looked for around it, so that an order without TCD is read by a reader of OBX alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from drivers.fields import Column, Context, Fields, RawText
from drivers.hl7.picker import Hl7Picker
from drivers.hl7.sections import (
    STANDARD_KINDS,
    Condition,
    Hl7ResultSection,
    OrderResultSection,
)
from drivers.marks import Mark
from drivers.profile import Hl7Profile
from drivers.reader import Code, Details, Reader
from drivers.source import FieldPath, Source
from drivers.values import DELETED, Value
from protocols.hl7.segment import Segment
from protocols.hl7.text import DELETE

Role = Literal["result", "skip", "attachment"]

_WHOLE_FIELD = FieldPath("OBX", 5)
_TYPED = (FieldPath("OBX", 2), _WHOLE_FIELD)

_WHOLE = Source(((_WHOLE_FIELD,),))
"""The value, as the data type in OBX-2 has it."""

_CODED = frozenset({"CE", "CWE", "CNE", "CF"})


class Hl7Reader(Reader):
    """The columns of a result, and the rules for what is around it."""

    comment = "NTE"

    def __init__(
        self,
        profile: Hl7Profile,
        picker: Hl7Picker,
        zone: tzinfo,
        segments: tuple[str, ...] = ("OBX",),
    ):
        self._section: Hl7ResultSection = profile.result
        self._order_result = profile.order_result
        self._texts_of = picker
        self._mark = picker.field_mark
        rows: dict[str, int] = {}
        width = 0
        for segment in segments:
            rows[segment] = width
            width += max(_width(profile, segment), 6)  # what a value is depends on OBX-2 and 5
        self._behind = [*rows.values(), width][1]
        self._blank = [""] * width
        super().__init__(profile, picker, zone, rows, STANDARD_KINDS)
        conditions = (*profile.result.skip, *profile.result.attachment)
        self._roles = Column([each.field for each in conditions], self._role, self.rows)

    def lay_out(self, segments: Iterable[Segment]) -> list[Fields]:
        """Return the rows of segments, no shorter than the profile looks."""
        mark, width = self._mark, len(self._blank)
        padding = mark * width
        # Splitting a longer text is faster than making a list longer.
        return [(segment.text + padding).split(mark, width) for segment in segments]

    def lay_out_pair(self, obx: Segment, details: Segment) -> Fields:
        """Return the row of an OBX and of the TCD that follows it."""
        row = [*obx.fields[: self._behind], *self._blank[len(obx.fields) : self._behind]]
        return [*row, *details.fields, *self._blank]

    def listed(self, fields: Fields) -> list[list[str]]:
        """Return the fields once for each value in them; what is no list goes into each.

        The members of a list are components: `44.1^112.3` are the values of two controls.
        """
        order = self._order_result
        if order is None or not order.lists:
            return [[*fields]]
        lists = [self._texts_of.components(field) for field in fields]
        value = order.value.paths()[0].field
        return [
            [parts[number] if len(parts) > number else parts[0] for parts in lists]
            for number in range(len(lists[value]) if len(lists) > value else 1)
        ]

    def parts(self, raw: str) -> list[str]:
        """Return the raw components of the first repetition of a field."""
        return self._texts_of.components(raw)

    def roles(self, context: Context, rows: Sequence[Fields]) -> list[Role]:
        """Return what each row is."""
        return [*self._roles.meanings(context, rows)]

    def holds(self, condition: Condition, raw: RawText) -> bool:
        """Whether a field, or one of its repetitions, says what the condition asks for."""
        path = condition.field
        return any(map(condition.holds, self.picker.repeats(path, raw(path.record, path.field))))

    def _role(self, raw: RawText) -> Role:
        if any(self.holds(each, raw) for each in self._section.attachment):
            return "attachment"
        return "skip" if any(self.holds(each, raw) for each in self._section.skip) else "result"

    def _code(self, raw: RawText) -> Code:
        code = super()._code(raw)
        suffix = "".join(each.code for each in self._section.suffix if self.holds(each, raw))
        return code._replace(test_code=code.test_code + suffix) if suffix else code

    def _code_paths(self) -> Iterable[FieldPath]:
        return (*super()._code_paths(), *(each.field for each in self._section.suffix))

    def _value_column(self, source: Source) -> Column[Value]:
        if source != _WHOLE and not self._section.absent:
            return super()._value_column(source)

        def compute(raw: RawText) -> Value:
            if raw("OBX", 5) == DELETE and source == _WHOLE:
                return DELETED
            return self._value(self._find_value(source, raw))

        return Column((*source.paths(), *_TYPED), compute, self.rows)

    def _find_value(self, source: Source, raw: RawText) -> str:
        if source == _WHOLE:
            text = self._typed(raw("OBX", 2), raw("OBX", 5))
            return "" if self._is_absent(text) else text
        for alternative in source.alternatives:
            text = self.picker.find(Source((alternative,), source.joiner, source.pattern), raw)
            if text and not self._is_absent(text):
                return text
        return ""

    def _is_absent(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._section.absent)

    def _typed(self, data_type: str, raw: str) -> str:
        """The text of OBX-5 by its data type: `<^0.1` is <0.1, `POS^Positive` is Positive."""
        picker = self._texts_of
        if data_type == "SN":
            return picker.decode("".join(picker.components(raw)).strip()).removeprefix("=")
        if data_type in _CODED:
            code, *rest = picker.components(raw)
            return picker.pick(_WHOLE_FIELD, (rest[0] if rest else "") or code)
        return picker.pick(_WHOLE_FIELD, raw)

    def _details(self, raw: RawText) -> Details:
        details = super()._details(raw)
        if self._section.original_value is None or details.mark.run_kind != "unknown":
            return details
        if not self._is_edited(self._section.original_value, raw):
            return details
        return details._replace(mark=_edited(details.mark, str(self._section.original_value)))

    def _detail_paths(self) -> Iterable[FieldPath]:
        original = self._section.original_value
        if original is None:
            return super()._detail_paths()
        return (*super()._detail_paths(), *original.paths(), *self._section.value.paths(), *_TYPED)

    def _is_edited(self, original_value: Source, raw: RawText) -> bool:
        """Whether the value is another than the one beside it, which the instrument measured."""
        first = self._read_value(self._find_value(original_value, raw))
        value = self._read_value(self._find_value(self._section.value, raw))
        if first.invalid_reason:
            return False
        if first.numeric and value.numeric:
            return Decimal(first.numeric) != Decimal(value.numeric)
        return first.text != value.text


def _edited(mark: Mark, path: str) -> Mark:
    return mark._replace(run_kind="correction", evidence="explicit", raw_marker=f"{path}=edited")


def order_profile(profile: Hl7Profile, section: OrderResultSection) -> Hl7Profile:
    """Return a profile for results that stand in an OBR, without marks of reruns."""
    result = profile.result.model_copy(
        update={
            "test_code": section.test_code,
            "value": section.value,
            "units": section.units,
            "run_at": (section.run_at,),
            "dilution": None,
            "replicate": None,
            "also": (),
            "original_value": None,
        }
    )
    specimen = profile.specimen.model_copy(update={"id": section.specimen, "stand_in": None})
    rerun = profile.rerun.model_copy(update={"mark": ()})
    return profile.model_copy(update={"result": result, "specimen": specimen, "rerun": rerun})


def _width(profile: Hl7Profile, segment: str) -> int:
    """How many fields of a segment the profile looks at, the name of the segment included."""
    sections = (profile.result, profile.rerun)
    positions = [p.field for each in sections for p in _paths(each) if p.record == segment]
    return max(positions, default=-1) + 1


def _paths(part: Any) -> Iterator[FieldPath]:
    """Every path in a table of a profile."""
    if isinstance(part, FieldPath):
        yield part
    elif isinstance(part, Source):
        yield from part.paths()
    elif isinstance(part, tuple):
        for each in part:
            yield from _paths(each)
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from _paths(getattr(part, name))
