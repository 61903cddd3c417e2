"""What an answer repeats of the question: its header, its query, its coding."""

from typing import NamedTuple

from drivers.hl7.writer import Envelope, without_ends
from protocols.hl7.header import Header
from protocols.hl7.message import Message
from protocols.hl7.segment import Segment


class Question(NamedTuple):
    """A message that asks for orders."""

    message: Message
    header: Segment

    @classmethod
    def of(cls, message: Message) -> "Question | None":
        """Return the question in a message; None without a header."""
        header = message.header
        return None if header is None else cls(message, header)

    @property
    def event(self) -> str:
        """MSH-9 as profiles write it: QRY^Q02, or TSREQ."""
        code, event = (self.header.component(9, part) for part in (1, 2))
        return f"{code}^{event}" if event else code

    @property
    def control_id(self) -> str:
        """MSH-10, raw."""
        return self.header.field(10)

    @property
    def envelope(self) -> Envelope:
        """The MSH of the answer: sender and receiver swapped, the rest as it came."""
        field = self.header.field
        return Envelope(
            (field(5), field(6), field(3), field(4)),
            field(11) or "P",
            field(12) or "2.3.1",
            field(18),
            {
                f"{segment.type}.{position}": raw
                for segment in self.message.segments[1:]
                for position, raw in enumerate(segment.fields)
            },
        )

    @property
    def query(self) -> tuple[str, str]:
        """QPD-1 and QPD-2, raw: the name of the query and its tag."""
        _, name, tag = [*self.echo("QPD"), "", "", ""][:3]
        return name, tag

    def echo(self, segment_type: str) -> list[str]:
        """Return the raw fields of its segment of a type; its name alone when it has none."""
        segment = self.message.first(segment_type)
        return [segment_type] if segment is None else list(segment.fields)

    @property
    def as_header(self) -> Header:
        """The header as the link has it, for a general acknowledgment."""
        delimiters, codec = self.message.coding
        fields = [without_ends(field, delimiters) for field in self.header.fields]
        return Header(fields, delimiters, codec, None)
