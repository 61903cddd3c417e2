"""Writing the messages of one form: templates filled with facts, in one coding."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from drivers.hl7.layouts import Layout
from drivers.hl7.order_section import Hl7OrderSection
from drivers.hl7.template import Template
from protocols.hl7 import charset
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.message import build
from protocols.hl7.segment import Coding
from protocols.hl7.text import Delimiters, escape

Fields = list[str]

_ENDS = re.compile("[\r\n\x0b\x1c]")
"""What a field of a question may hold, and no field that is sent."""

_WIDE = frozenset({"DSP", "DSC"})
"""Segments whose empty fields at the end are written, as manuals show them."""


class Envelope(NamedTuple):
    """The MSH of what is written, less its kind: mirrored from a question, or the profile's.

    `asked` are the raw fields of the question, QPD.3 for one.
    """

    parties: tuple[str, str, str, str] = ("", "", "", "")
    processing_id: str = "P"
    version: str = "2.5.1"
    charset: str = ""
    asked: Mapping[str, str] = MappingProxyType({})


class Writer:
    """Writes segments by the templates of a form and of the profile over them."""

    def __init__(
        self,
        section: Hl7OrderSection,
        layout: Layout,
        coding: Coding,
        envelope: Envelope,
        stamp: Callable[[], Stamp],
        utf16_escapes: bool = False,
        pushed: bool = False,
    ):
        self.section = section
        self.layout = layout
        self.coding = coding
        self.envelope = envelope
        self.stamp = stamp
        self._utf16_escapes = utf16_escapes
        self.time = ""
        self._fields = {**layout.fields, **section.fields, **(section.push if pushed else {})}
        self._rerun_fields = {**self._fields, **section.rerun_fields}
        self._none = {**self._fields, **layout.none, **section.none}
        self._reply = {**layout.reply, **section.reply}

    def header(self, kind: str, *, reply: bool = False) -> Fields:
        """Return the MSH of a message of a kind, `OML^O33^OML_O33`; begins its time."""
        stamp = self.stamp()
        self.time = stamp.time
        envelope = self.envelope
        marks = self.coding.delimiters
        fields = ["MSH", "", "", *envelope.parties, escape(stamp.time, marks), ""]
        fields += [kind.replace("^", marks.component), escape(stamp.control_id, marks)]
        fields += [envelope.processing_id, envelope.version, *[""] * 5, envelope.charset]
        templates = self._reply if reply else self._fields
        return self._fill("MSH", fields, templates, self.facts({}))

    def segment(self, name: str, facts: Mapping[str, str], *, rerun: bool = False) -> Fields:
        """Return a segment by its templates."""
        templates = self._rerun_fields if rerun else self._fields
        return self._fill(name, [name], templates, self.facts(facts))

    def segment_of_none(self, name: str, facts: Mapping[str, str]) -> Fields:
        """Return a segment of a message that says that there are no orders."""
        return self._fill(name, [name], self._none, self.facts(facts))

    def facts(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Add to facts what every template may name: the time, and what was asked."""
        return {**self.envelope.asked, "time": self.time, **facts}

    def marked(self, template: Template, facts: Mapping[str, str]) -> str:
        """Return the raw field of a template."""
        return template.render(facts, self.coding.delimiters)

    def build(self, segments: Iterable[Sequence[str]]) -> bytes:
        """Return the message; what its character set does not have is replaced, never a failure."""
        delimiters, codec = self.coding
        trimmed = []
        for segment in segments:
            fields = list(segment)
            while fields[0] not in _WIDE and len(fields) > 1 and not fields[-1]:
                fields.pop()
            trimmed.append([self._encodable(field, codec) for field in fields])
        return build(trimmed, delimiters, codec)

    def _fill(
        self,
        name: str,
        fields: Fields,
        templates: Mapping[str, Template],
        facts: Mapping[str, str],
    ) -> Fields:
        for place, template in templates.items():
            segment, _, position = place.partition(".")
            if segment != name:
                continue
            index = int(position)
            fields += [""] * (index + 1 - len(fields))
            fields[index] = template.render(facts, self.coding.delimiters)
        return fields

    def _encodable(self, field: str, codec: str) -> str:
        field = without_ends(field, self.coding.delimiters)
        if field.isascii() or _encodes(field, codec):
            return field
        return "".join(c if _encodes(c, codec) else self._stand_in(c) for c in field)

    def _stand_in(self, character: str) -> str:
        if not self._utf16_escapes:
            return "?"
        mark = self.coding.delimiters.escape
        units = character.encode("utf-16-be", "replace").hex().upper()
        return f"{mark}Z{units}{mark}"


def without_ends(field: str, delimiters: Delimiters) -> str:
    """Return a raw field with the ends of segments and blocks in it escaped."""
    return _ENDS.sub(lambda end: escape(end[0], delimiters), field)


def _encodes(text: str, codec: str) -> bool:
    try:
        charset.encode(text, codec)
    except UnicodeEncodeError:
        return False
    return True


def valued(segments: Iterable[Fields]) -> list[Fields]:
    """Leave out the segments that say nothing."""
    return [segment for segment in segments if any(segment[1:])]
