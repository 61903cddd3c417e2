"""What an HL7 message means: results grouped by sample, attachments, and host queries.

    interpret(messages, profile, ...) -> Interpretation

A pure function of its arguments, with the same outcome as for E1394. An OBX belongs to the
order, specimen and patient around it (`drivers.hl7.context`); TCD and NTE belong to the OBX
before them. What the profile calls neither a result nor a query is noted.
"""

import re
from collections.abc import Iterable
from datetime import tzinfo
from typing import NamedTuple

from drivers.digest import digest_lines
from drivers.fields import Fields
from drivers.hl7.context import ORDER, SPECIMEN, Groups
from drivers.hl7.picker import Hl7Picker
from drivers.hl7.reader import Hl7Reader, order_profile
from drivers.hl7.sections import Condition
from drivers.profile import Hl7Profile
from drivers.reading import MessageReading
from drivers.result import Attachment, HostQuery, Interpretation
from drivers.source import FieldPath
from protocols.hl7 import charset
from protocols.hl7.message import Message
from protocols.hl7.segment import Coding, Segment

_FORM = {"ED": slice(1, 3), "RP": slice(2, 4)}
"""The components of OBX-5 that say what encapsulated data, or a pointer to it, holds."""

_NO_FORM = slice(0)

_NAME = FieldPath("OBX", 3, component=2)

_EVENT = re.compile(r"[A-Z0-9_]{3,7}(?:\^[A-Z0-9_]{3,7})?")

_HEADS = frozenset({"MSH", "FHS", "BHS", "BTS", "FTS"})
"""Segments that differ when a message is sent again, in part or as a whole."""


def interpret(
    messages: list[Message], profile: Hl7Profile, *, id_prefix: str, timezone: tzinfo
) -> Interpretation:
    """Interpret the messages of one entry; clock times are in `timezone`. Raises InterpretError.

    A result's id is `id_prefix`-message-segment, both ordinals from 1, and the ordinal of the
    value from 2 when a segment holds several.
    """
    found = Interpretation([], [], [], _digest(messages, profile.message.volatile))
    for number, message in enumerate(messages, start=1):
        readers = _readers(profile, message.coding, timezone)
        _MessageReading(profile, readers, number, id_prefix, found).read(message)
    return found


class Readers(NamedTuple):
    """What a profile is made into for one coding and time zone."""

    plain: Hl7Reader
    """Of OBX segments."""
    detailed: Hl7Reader
    """Of OBX segments with TCD segments."""
    orders: Hl7Reader | None
    """Of orders that are results themselves."""


def _readers(profile: Hl7Profile, coding: Coding, timezone: tzinfo) -> Readers:
    key = (coding, timezone)
    readers: Readers | None = profile.readers.get(key)
    if readers is None:
        picker = Hl7Picker(coding, profile.dialect.utf16_escapes)
        orders = None
        if profile.order_result is not None:
            of_orders = order_profile(profile, profile.order_result)
            orders = Hl7Reader(of_orders, picker, timezone, ("OBR",))
        readers = profile.readers[key] = Readers(
            Hl7Reader(profile, picker, timezone),
            Hl7Reader(profile, picker, timezone, ("OBX", "TCD")),
            orders,
        )
    return readers


def _digest(messages: Iterable[Message], volatile: Iterable[FieldPath]) -> bytes:
    """Hash every segment, without the header fields that differ when a message is sent again."""
    skipped = {path.field for path in volatile}
    lines: list[str] = []
    for message in messages:
        header = message.header
        if header is not None:
            fields = enumerate(header.fields)
            lines.append("\0".join([text for place, text in fields if place not in skipped]))
        lines += [segment.text for segment in message.segments if segment.type not in _HEADS]
    return digest_lines(lines)


class _MessageReading(MessageReading):
    """The walk over the segments of one message."""

    order_status = FieldPath("OBR", 25)

    def __init__(
        self,
        profile: Hl7Profile,
        readers: Readers,
        number: int,
        id_prefix: str,
        found: Interpretation,
    ):
        self._groups = Groups()
        self._readers = readers
        super().__init__(readers.plain, self._groups, number, id_prefix, found)
        self._profile = profile
        self._result_orders = profile.order_result.when if profile.order_result else ()
        self._obx: list[Segment] = []
        self._details: dict[int, Segment] = {}
        self._comments: list[tuple[int, Fields]] = []
        self._order = 0
        self._holds_value = False

    def read(self, message: Message) -> None:
        """Read every segment, then judge the message as a whole."""
        for code, ordinal in message.problems:
            self._note(code, ordinal)
        header = message.header
        if header is None:
            return
        self._groups.enter("MSH", header.fields)
        sender = f"{header.field(3)}|{header.field(4)}"
        self._check_header(sender, header.field(8), header.field(5), header.number)
        event = "^".join(header.components(9)[:2])
        if _is_one_of(event, self._profile.message.results):
            self._read_results(message)
        elif _is_one_of(event, self._profile.query.messages):
            self._read_query(message)
        else:
            # What looks like no event may be anything, also a patient's name.
            self._note("other_message", header.number, event if _EVENT.fullmatch(event) else "")

    # Results

    def _read_results(self, message: Message) -> None:
        for segment in message.segments:
            kind = segment.type
            if kind == "OBX":  # first and in a line: nine of ten segments are one
                self._obx.append(segment)
            elif kind == "NTE":
                if self._obx:
                    self._comments.append((len(self._obx) - 1, segment.fields[1:]))
            elif kind == "TCD":
                self._add_details(segment)
            else:
                self._enter(kind, segment)
        self._leave_order()
        self._check_profile(self._holds_value)

    def _enter(self, kind: str, segment: Segment) -> None:
        """Open the group that a segment begins, and leave the one before it."""
        if kind == "PID":
            self._leave_order()
            self._groups.leave_patient()
        elif kind == "SPM":
            if self._obx and "SPM" not in self._groups:
                self._groups.trail()
            else:
                self._leave_order()
                self._groups.leave_specimen()
        elif kind in ORDER:
            if self._obx or kind in self._groups:
                self._leave_order()
            self._order = segment.number
        elif kind in SPECIMEN and self._obx and "SPM" in self._groups:
            return  # an INV behind results is the reagent of the last one
        self._groups.enter(kind, segment.fields)
        if kind == "PID":
            self._patient = self._reader.patient(self._groups)

    def _add_details(self, segment: Segment) -> None:
        """Give a TCD to the OBX before it, and to what of the same test stands before that."""
        last = len(self._obx) - 1
        for index in range(last, -1, -1):
            if index in self._details or self._obx[index].field(3) != self._obx[last].field(3):
                return
            self._details[index] = segment

    def _leave_order(self) -> None:
        if self._obx:
            self._read_order()
        elif "OBR" in self._groups:
            if self._readers.orders is not None and self._fulfils(self._result_orders):
                self._read_order_as_results(self._readers.orders)
            elif self._order_status(self._reader) == "X":
                self._note("cancelled_order", self._order, f"order in segment {self._order}")
        self._groups.leave_order()

    def _read_order(self) -> None:
        segments, details, comments = self._obx, self._details, self._comments
        self._obx, self._details, self._comments = [], {}, []
        reader = self._readers.detailed if details else self._readers.plain
        rows = reader.lay_out(segments)
        for index, tcd in details.items():
            rows[index] = reader.lay_out_pair(segments[index], tcd)
        roles = reader.roles(self._groups, rows)
        if "attachment" in roles:
            sample_id = reader.picker.find(self._profile.specimen.id, self._groups.field)
            for segment, row, role in zip(segments, rows, roles, strict=True):
                if role == "attachment":
                    self._attach(reader, segment.number, row, sample_id)
        if roles.count("result") < len(rows):
            kept = [index for index, role in enumerate(roles) if role == "result"]
            places = {index: place for place, index in enumerate(kept)}
            segments, rows = [segments[i] for i in kept], [rows[i] for i in kept]
            comments = [(places[at], text) for at, text in comments if at in places]
        if rows:
            self._holds_value = self._holds_value or any(row[5].strip("^~& ") for row in rows)
            self._add_results(rows, [segment.number for segment in segments], comments, reader)

    def _attach(self, reader: Hl7Reader, ordinal: int, row: Fields, sample_id: str) -> None:
        data_type, raw = row[2], row[5]
        parts = reader.parts(raw)
        code = next(reader.outline.meanings(self._groups, [row])).test_code
        name = reader.picker.pick(_NAME, row[3]) or code
        form = "/".join(filter(None, parts[_FORM.get(data_type, _NO_FORM)])).lower()
        size = len(parts[-1] if data_type == "ED" else raw)
        self._found.attachments.append(
            Attachment(self._number, ordinal, sample_id, name, charset.readable(form), size)
        )

    def _read_order_as_results(self, reader: Hl7Reader) -> None:
        """Read an OBR that is a result, or a list of them: one component each of its fields."""
        for number, fields in enumerate(reader.listed(self._groups.fields("OBR")), start=1):
            self._groups.replace("OBR", fields)
            sample = self._add_results(reader.pad([fields]), [self._order], (), reader)
            if number > 1:
                sample.results[-1].result_id += f"-{number}"

    # Queries

    def _read_query(self, message: Message) -> None:
        for segment in message.segments:
            self._groups.enter(segment.type, segment.fields)
        section, picker, field = self._profile.query, self._reader.picker, self._groups.field
        found = (picker.repeats(path, field(path.record, path.field)) for path in section.sample_id)
        names = tuple(next(filter(None, found), ()))
        abort = self._fulfils(section.abort)
        all_samples = self._fulfils(section.all) or (section.empty_is_all and not names)
        mode = picker.find(section.mode, field)
        self._found.queries.append(
            HostQuery(
                self._number,
                () if all_samples else names,
                all_samples and not abort,
                section.modes.get(mode, "unknown"),
                abort,
            )
        )

    def _fulfils(self, conditions: Iterable[Condition]) -> bool:
        field = self._groups.field
        return any(self._readers.plain.holds(each, field) for each in conditions)


def _is_one_of(event: str, messages: Iterable[str]) -> bool:
    """Whether a list names an event, ORU^R01, or all of its code, ORU."""
    return event in messages or event.partition("^")[0] in messages
