"""One record of an E1394 message: a line of fields, split when first asked for."""

from enum import Enum
from typing import NamedTuple

from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.text import DELETE, Delimiters, unescape


class Presence(Enum):
    """Whether a field says something (LIS02-A2 5.4.9)."""

    ABSENT = "absent"
    """The record ends before it."""
    NULL = "null"
    """Sent empty: no change."""
    DELETE = "delete"
    """Sent as two quotes: to be deleted."""
    VALUE = "value"


class Place(NamedTuple):
    """What records under the same order share."""

    delimiters: Delimiters
    patient: int
    order: int


class Record:
    """A record and its place in the message.

    `type` is the upper-case letter. `number`, `parent`, `patient` and `order` count the records
    of the message from 1; 0 is none. `parent` is the record it belongs to: the P of an O, the O
    of an R, and for comments and manufacturer records the record before them (4.1).
    """

    __slots__ = ("number", "parent", "place", "split", "text", "type")

    type: str
    text: str
    """The whole record, without its CR."""
    number: int
    parent: int
    place: Place
    split: list[str] | None
    """The fields, once somebody has asked for them."""

    @property
    def fields(self) -> list[str]:
        """The raw fields: R.4 of the standard is `fields[3]`. Not to be changed."""
        fields = self.split
        if fields is None:
            fields = self.split = self.text.split(self.place.delimiters.field)
        return fields

    @property
    def delimiters(self) -> Delimiters:
        """The delimiters of the message."""
        return self.place.delimiters

    @property
    def patient(self) -> int:
        """The P record that this one is, or is under."""
        return self.place.patient

    @property
    def order(self) -> int:
        """The O record that this one is, or is under."""
        return self.place.order

    def field(self, position: int) -> str:
        """Return the raw field at the standard's `position` (R.4 is 4); empty when absent."""
        fields = self.fields
        return fields[position - 1] if position <= len(fields) else ""

    def presence(self, position: int) -> Presence:
        """Return whether the field at `position` says something."""
        if position > len(self.fields):
            return Presence.ABSENT
        value = self.fields[position - 1]
        if not value:
            return Presence.NULL
        return Presence.DELETE if value == DELETE else Presence.VALUE

    def repeats(self, position: int) -> list[str]:
        """Return the raw repeats of the field at `position`; at least one, perhaps empty."""
        return self.field(position).split(self.delimiters.repeat)

    def components(self, position: int) -> list[str]:
        """Return the raw components of the field at `position`, which has no repeats."""
        return self.field(position).split(self.delimiters.component)

    def component(self, position: int, index: int) -> str:
        """Return component `index` (from 1) of the field at `position`; empty when absent."""
        components = self.components(position)
        return components[index - 1] if index <= len(components) else ""

    def value(self, position: int, dialect: Dialect = STANDARD) -> str:
        """Return the field at `position` as text, its escape sequences decoded."""
        return unescape(self.field(position), self.delimiters, dialect)
