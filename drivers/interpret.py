"""What a message means: results grouped by sample, and host queries.

    interpret(messages, profile, ...) -> Interpretation

A pure function of its arguments. Nothing that the instrument sent is dropped: what does
not fit is kept and noted, and only a message that the profile can not be meant for raises
InterpretError. The hierarchy is the standard's (LIS02-A2 4.1): a result belongs to the last
order before it, an order to the last patient.
"""

from datetime import tzinfo

from drivers.digest import digest_of
from drivers.fields import Context, Fields, Picker
from drivers.profile import AstmProfile
from drivers.reader import Reader
from drivers.reading import MessageReading
from drivers.result import HostQuery, Interpretation
from drivers.source import ANY_COMPONENT, FieldPath
from protocols.astm.message import Message

_ABORTED = frozenset("TRE")
"""L.3: sender aborted, receiver asked for it, unknown system error (LIS02-A2 12.3)."""


def interpret(
    messages: list[Message], profile: AstmProfile, *, id_prefix: str, timezone: tzinfo
) -> Interpretation:
    """Interpret the messages of one entry; clock times are in `timezone`. Raises InterpretError.

    A result's id is `id_prefix`-message-record, both ordinals from 1, and the ordinal of the
    value from 2 when a record holds several.
    """
    found = Interpretation([], [], [], digest_of(messages, profile.message.volatile))
    for number, message in enumerate(messages, start=1):
        key = (message.delimiters, timezone)
        reader = profile.readers.get(key)
        if reader is None:
            picker = Picker(message.delimiters, profile.dialect)
            reader = profile.readers[key] = Reader(profile, picker, timezone)
        _MessageReading(profile, reader, number, id_prefix, found).read(message)
    return found


class _MessageReading(MessageReading):
    """The walk over the records of one message."""

    def __init__(
        self,
        profile: AstmProfile,
        reader: Reader,
        number: int,
        id_prefix: str,
        found: Interpretation,
    ):
        super().__init__(reader, Context(), number, id_prefix, found)
        self._query_rules = profile.query
        self._order = 0
        self._rows: list[Fields] = []
        self._ordinals: list[int] = []
        self._comments: list[tuple[int, Fields]] = []

    def read(self, message: Message) -> None:
        """Read every record, then judge the message as a whole."""
        for code, ordinal in message.problems:
            self._note(code, ordinal)
        for ordinal, record in enumerate(message.records, start=1):
            kind = record.type
            if kind == "R":
                self._rows.append(record.fields)
                self._ordinals.append(ordinal)
            elif kind in "HPO":
                self._enter(kind, record.fields, ordinal)
            elif kind == "Q":
                self._query(record.fields)
            elif kind == "C" and self._rows:
                self._comments.append((len(self._rows) - 1, record.fields))
        self._leave_order()
        self._check_profile(_holds_values(message))
        self._end(message)

    def _enter(self, kind: str, fields: Fields, ordinal: int) -> None:
        self._leave_order()
        self._context.enter(kind, fields)
        if kind == "O":
            self._order = ordinal
        elif kind == "P":
            self._patient = self._reader.patient(self._context)
        else:
            sender, password, receiver = (self._context.field("H", n) for n in (5, 4, 10))
            self._check_header(sender, password, receiver, ordinal)

    def _leave_order(self) -> None:
        if self._rows:
            self._read_results()
        elif self._order and self._context.field("O", 26) == "X":
            # That no result will come is news of its own, not an empty order (8.4.26).
            self._note("cancelled_order", self._order, f"order in record {self._order}")
        self._order = 0

    def _read_results(self) -> None:
        rows, ordinals, comments = self._rows, self._ordinals, self._comments
        self._rows, self._ordinals, self._comments = [], [], []
        self._add_results(self._reader.pad(rows), ordinals, comments)

    def _query(self, fields: Fields) -> None:
        self._context.enter("Q", fields)
        section, picker = self._query_rules, self._reader.picker
        path = section.sample_id
        raw = self._context.field("Q", path.field)
        names = picker.repeats(path, raw)
        code = picker.find(section.mode, self._context.field)
        self._found.queries.append(
            HostQuery(
                self._number,
                tuple(name for name in names if name != "ALL"),
                "ALL" in picker.every(FieldPath("Q", path.field, None, ANY_COMPONENT), raw),
                section.modes.get(code, "unknown"),
                code in section.abort,
            )
        )

    def _end(self, message: Message) -> None:
        if message.termination_code not in _ABORTED:
            return
        self._note("aborted_message", len(message.records), f"L.3={message.termination_code}")
        for sample in self._samples.values():
            for result in sample.results:
                if result.result_status in ("F", None):
                    result.result_status = "P"


def _holds_values(message: Message) -> bool:
    """Whether any R.4 holds more than delimiters."""
    blank = " ^" + message.delimiters.component + message.delimiters.repeat
    return any(
        record.type == "R" and "".join(record.fields[3:4]).strip(blank)
        for record in message.records
    )
