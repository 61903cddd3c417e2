"""One segment of an HL7 message: a line of fields, split when first asked for."""

from enum import Enum
from typing import NamedTuple

from protocols.hl7 import charset
from protocols.hl7.text import DELETE, Delimiters, unescape


class Presence(Enum):
    """Whether a field says something."""

    ABSENT = "absent"
    """Sent empty, or the segment ends before it: nothing is said."""
    DELETE = "delete"
    """Sent as two quotes: to be deleted."""
    VALUE = "value"


class Coding(NamedTuple):
    """How the text of a message is to be read."""

    delimiters: Delimiters
    codec: str


HEADERS = frozenset({"MSH", "FHS", "BHS"})
"""Segments whose first field is the field delimiter itself."""


class Segment:
    """A segment and its place in the message.

    `type` is its name, PID for one. `number` counts the segments of the message from 1.
    Repetitions, components and subcomponents count from 1 too; what is not there is empty.
    """

    __slots__ = ("coding", "number", "split", "text", "type")

    type: str
    text: str
    """The whole segment, without its CR."""
    number: int
    coding: Coding
    split: list[str] | None
    """The fields, once somebody has asked for them."""

    @property
    def fields(self) -> list[str]:
        """The raw fields: OBX-5 of the standard is `fields[5]`. Not to be changed."""
        fields = self.split
        if fields is None:
            fields = self.split = self.text.split(self.coding.delimiters.field)
            if self.type in HEADERS:
                fields.insert(1, self.coding.delimiters.field)
        return fields

    @property
    def delimiters(self) -> Delimiters:
        """The delimiters of the message."""
        return self.coding.delimiters

    def field(self, position: int) -> str:
        """Return the raw field at the standard's `position` (OBX-5 is 5)."""
        fields = self.split or self.fields
        return fields[position] if position < len(fields) else ""

    def presence(self, position: int) -> Presence:
        """Return whether the field at `position` says something."""
        value = self.field(position)
        if not value:
            return Presence.ABSENT
        return Presence.DELETE if value == DELETE else Presence.VALUE

    def repetitions(self, position: int) -> list[str]:
        """Return the raw repetitions of the field at `position`; at least one, perhaps empty."""
        return self.field(position).split(self.coding.delimiters.repetition)

    def components(self, position: int, repetition: int = 1) -> list[str]:
        """Return the raw components of one repetition of the field at `position`."""
        repetitions = self.repetitions(position)
        if repetition > len(repetitions):
            return [""]
        return repetitions[repetition - 1].split(self.coding.delimiters.component)

    def component(self, position: int, index: int, repetition: int = 1) -> str:
        """Return raw component `index` of the field at `position`."""
        components = self.components(position, repetition)
        return components[index - 1] if index <= len(components) else ""

    def subcomponents(self, position: int, index: int, repetition: int = 1) -> list[str]:
        """Return the raw subcomponents of component `index` of the field at `position`."""
        component = self.component(position, index, repetition)
        return component.split(self.coding.delimiters.subcomponent)

    def value(self, position: int, index: int = 0, repetition: int = 1) -> str:
        """Return component `index`, or with 0 the whole field, as text for people.

        Escape sequences are decoded, and bytes that could not be read are U+FFFD.
        """
        raw = self.field(position)
        if not raw:
            return raw
        if index:
            raw = self.component(position, index, repetition)
        coding = self.coding
        if raw.isascii() and coding.delimiters.escape not in raw:
            return raw
        if self.type in HEADERS and position <= 2:
            return raw
        return charset.readable(unescape(raw, coding.delimiters, coding.codec))
