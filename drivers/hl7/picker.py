"""Picking texts out of the fields of an HL7 message, by its delimiters and character set."""

import re

from drivers.fields import Picker, part_of
from drivers.source import ANY_COMPONENT, FieldPath
from protocols.astm.dialect import STANDARD
from protocols.astm.text import Delimiters as RecordDelimiters
from protocols.hl7 import charset
from protocols.hl7.segment import Coding
from protocols.hl7.text import DELETE, unescape


class Hl7Picker(Picker):
    """Picks the text of a path or a source, in messages of this coding.

    Two quotes delete what was sent before (2.5.3): there is no text in them.
    """

    def __init__(self, coding: Coding, utf16_escapes: bool = False):
        marks = coding.delimiters
        super().__init__(
            RecordDelimiters(marks.field, marks.repetition, marks.component, marks.escape), STANDARD
        )
        self._coding = coding
        self.field_mark = marks.field
        self._units = _utf16_units(marks.escape) if utf16_escapes else None

    def pick(self, path: FieldPath, raw: str) -> str:
        """Return the text of `path` in the field `raw`; empty when it has no such part."""
        if not raw:
            return ""
        text = self._select(path, raw)
        if path.subcomponent is not None:
            text = part_of(text, self._coding.delimiters.subcomponent, path.subcomponent)
        text = text.strip()
        return "" if text == DELETE else self.decode(text)

    def decode(self, text: str) -> str:
        """Return text with escape sequences decoded; what could not be read is U+FFFD."""
        if text.isascii() and self._escape not in text:
            return text
        text = charset.readable(unescape(text, self._coding.delimiters, self._coding.codec)).strip()
        return text if self._units is None else self._units.sub(_characters, text)

    def components(self, raw: str) -> list[str]:
        """Return the raw components of the first repetition of a field."""
        return raw.split(self._repeat, 1)[0].split(self._component)

    def _select(self, path: FieldPath, text: str) -> str:
        if path.component == ANY_COMPONENT:
            text = part_of(text, self._repeat, path.repeat or 1)
            blank = {"", DELETE}
            return next((c for c in text.split(self._component) if c.strip() not in blank), "")
        return super()._select(path, text)


def _utf16_units(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"(?:{mark}Z(?:[0-9A-Fa-f]{{4}})+{mark})+")


def _characters(match: re.Match[str]) -> str:
    units = "".join(re.findall("[0-9A-Fa-f]{4}", match[0]))
    return bytes.fromhex(units).decode("utf-16-be", "replace")
