"""What a message means: results grouped by sample, and host queries.

    interpret(messages, profile, ...) -> Interpretation

A pure function of its arguments. Nothing that the instrument sent is dropped: what does
not fit is kept and noted, and only a message that the profile can not be meant for raises
InterpretError. The hierarchy is the standard's (LIS02-A2 4.1): a result belongs to the last
order before it, an order to the last patient.
"""

from datetime import tzinfo

from drivers.digest import digest_of
from drivers.errors import InterpretError
from drivers.fields import Context, Fields
from drivers.profile import Profile
from drivers.reader import Reader
from drivers.result import HostQuery, Interpretation, Note, Patient, SampleResults
from drivers.results import read_results
from drivers.source import ANY_COMPONENT, FieldPath
from protocols.astm.message import Message

_ABORTED = frozenset("TRE")
"""L.3: sender aborted, receiver asked for it, unknown system error (LIS02-A2 12.3)."""


def interpret(
    messages: list[Message], profile: Profile, *, id_prefix: str, timezone: tzinfo
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
            reader = profile.readers[key] = Reader(profile, message.delimiters, timezone)
        _MessageReading(reader, number, id_prefix, found).read(message)
    return found


class _MessageReading:
    """The walk over the records of one message."""

    def __init__(self, reader: Reader, number: int, id_prefix: str, found: Interpretation):
        self._reader = reader
        self._number = number
        self._prefix = f"{id_prefix}-{number}-"
        self._found = found
        self._context = Context()
        self._samples: dict[object, SampleResults] = {}
        self._noted: set[tuple[str, str]] = set()
        self._patient: Patient | None = None
        self._order = 0
        self._rows: list[Fields] = []
        self._ordinals: list[int] = []
        self._comments: list[tuple[int, Fields]] = []
        self._first_result = 0
        self._uncoded = 0

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
        self._check_profile(message)
        self._end(message)

    def _note(self, code: str, ordinal: int, detail: str = "") -> None:
        """Note what is odd; the same thing is said once a message."""
        if (code, detail) not in self._noted:
            self._noted.add((code, detail))
            self._found.notes.append(Note(code, self._number, ordinal, detail))

    def _enter(self, kind: str, fields: Fields, ordinal: int) -> None:
        self._leave_order()
        self._context.enter(kind, fields)
        if kind == "O":
            self._order = ordinal
        elif kind == "P":
            self._patient = self._reader.patient(self._context)
        else:
            self._check_header(ordinal)

    def _leave_order(self) -> None:
        if self._rows:
            self._read_results()
        elif self._order and self._context.field("O", 26) == "X":
            # That no result will come is news of its own, not an empty order (8.4.26).
            self._note("cancelled_order", self._order, f"order in record {self._order}")
        self._order = 0

    def _read_results(self) -> None:
        rows, ordinals = self._rows, self._ordinals
        self._rows, self._ordinals = [], []
        self._first_result = self._first_result or ordinals[0]
        comments, self._comments = self._comments, []
        read = read_results(self._reader, self._context, rows, ordinals, self._prefix, comments)
        self._sample(ordinals[0]).results.extend(read.results)
        for code, ordinal in read.problems:
            self._note(code, ordinal)
            self._uncoded += code == "no_test_code"

    def _check_header(self, ordinal: int) -> None:
        rules = self._reader.profile.message
        sender = self._context.field("H", 5).casefold()
        if rules.sender and not any(name.casefold() in sender for name in rules.sender):
            self._object("other_sender", rules.other_sender, ordinal, " or ".join(rules.sender))
        if rules.password is not None and self._context.field("H", 4) != rules.password:
            self._object("wrong_password", "hold", ordinal, "the password of this profile")
        if rules.receiver is not None and self._context.field("H", 10) != rules.receiver:
            self._object("other_receiver", rules.other_receiver, ordinal, rules.receiver)

    def _object(self, code: str, policy: str, ordinal: int, expected: str) -> None:
        if policy == "hold":
            raise InterpretError(code, self._number, ordinal, expected, "another")
        self._note(code, ordinal)

    def _sample(self, ordinal: int) -> SampleResults:
        reader, context = self._reader, self._context
        section = reader.profile.specimen
        sample_id = reader.picker.find(section.id, context.field)
        reliable = bool(sample_id) and not any(p.search(sample_id) for p in section.unreliable)
        if not sample_id and section.stand_in:
            sample_id = reader.picker.find(section.stand_in, context.field)
        if not reliable:
            self._note("unreliable_sample_id" if sample_id else "no_sample_id", ordinal)
        kind = reader.kinds.read(context, sample_id)
        # Two orders without a name of their own are never taken for one sample.
        key = (sample_id, kind, self._patient, 0 if reliable else ordinal)
        sample = self._samples.get(key)
        if sample is None:
            priority = reader.picker.find(section.priority, context.field) or None
            status = context.field("O", 26) or None
            sample = self._samples[key] = SampleResults(
                self._number, sample_id, kind, reliable, [], self._patient, priority, status
            )
            self._found.samples.append(sample)
        return sample

    def _query(self, fields: Fields) -> None:
        self._context.enter("Q", fields)
        section, picker = self._reader.profile.query, self._reader.picker
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

    def _check_profile(self, message: Message) -> None:
        """Refuse a message of which this profile finds no test, or no value."""
        section = self._reader.profile.result
        samples = self._samples.values()
        results = [result for sample in samples for result in sample.results]
        # A result without test and value is an instrument's way to say that there is none.
        valued = any(result.value for result in results)
        if self._uncoded and valued and all(result.test_code == "" for result in results):
            self._object("no_test_code", "hold", self._first_result, str(section.test_code))
        if not valued and _holds_values(message):
            self._object("no_value", "hold", self._first_result, str(section.value))

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
