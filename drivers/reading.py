"""What the walks over a message have in common in both protocols: samples, notes, refusals."""

from collections.abc import Iterator, Sequence

from drivers.errors import InterpretError
from drivers.fields import Context, Fields
from drivers.reader import Reader
from drivers.result import Interpretation, Note, Patient, Result, SampleResults
from drivers.results import read_results
from drivers.source import FieldPath


class MessageReading:
    """The state of a walk over the records of one message; what it finds goes to `found`."""

    order_status = FieldPath("O", 26)
    """The field that says how an order stands."""

    def __init__(
        self, reader: Reader, context: Context, number: int, id_prefix: str, found: Interpretation
    ):
        self._reader = reader
        self._context = context
        self._number = number
        self._prefix = f"{id_prefix}-{number}-"
        self._found = found
        self._samples: dict[object, SampleResults] = {}
        self._noted: set[tuple[str, str]] = set()
        self._patient: Patient | None = None
        self._first_result = 0
        self._uncoded = 0

    def _note(self, code: str, ordinal: int, detail: str = "") -> None:
        """Note what is odd; the same thing is said once a message."""
        if (code, detail) not in self._noted:
            self._noted.add((code, detail))
            self._found.notes.append(Note(code, self._number, ordinal, detail))

    def _object(self, code: str, policy: str, ordinal: int, expected: str) -> None:
        if policy == "hold":
            raise InterpretError(code, self._number, ordinal, expected, "another")
        self._note(code, ordinal)

    def _check_header(self, sender: str, password: str, receiver: str, ordinal: int) -> None:
        rules = self._reader.profile.message
        sender = sender.casefold()
        if rules.sender and not any(name.casefold() in sender for name in rules.sender):
            self._object("other_sender", rules.other_sender, ordinal, " or ".join(rules.sender))
        if rules.password is not None and password != rules.password:
            self._object("wrong_password", "hold", ordinal, "the password of this profile")
        if rules.receiver is not None and receiver != rules.receiver:
            self._object("other_receiver", rules.other_receiver, ordinal, rules.receiver)

    def _add_results(
        self,
        rows: Sequence[Fields],
        ordinals: Sequence[int],
        comments: Sequence[tuple[int, Fields]] = (),
        reader: Reader | None = None,
    ) -> SampleResults:
        """Read the result records of the order in the context, and return their sample."""
        reader = reader or self._reader
        self._first_result = self._first_result or ordinals[0]
        read = read_results(reader, self._context, rows, ordinals, self._prefix, comments)
        sample = self._sample(reader, ordinals[0])
        sample.results.extend(read.results)
        for code, ordinal in read.problems:
            self._note(code, ordinal)
            self._uncoded += code == "no_test_code"
        return sample

    def _sample(self, reader: Reader, ordinal: int) -> SampleResults:
        context = self._context
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
            status = self._order_status(reader) or None
            sample = self._samples[key] = SampleResults(
                self._number, sample_id, kind, reliable, [], self._patient, priority, status
            )
            self._found.samples.append(sample)
        return sample

    def _order_status(self, reader: Reader) -> str:
        path = self.order_status
        return reader.picker.pick(path, self._context.field(path.record, path.field))

    def _results(self) -> Iterator[Result]:
        return (result for sample in self._samples.values() for result in sample.results)

    def _check_profile(self, holds_values: bool) -> None:
        """Refuse a message of which this profile finds no test, or no value that is there."""
        section = self._reader.profile.result
        # A result without test and value is an instrument's way to say that there is none.
        valued = any(result.value for result in self._results())
        if self._uncoded and valued and not any(result.test_code for result in self._results()):
            self._object("no_test_code", "hold", self._first_result, str(section.test_code))
        if holds_values and not valued:
            self._object("no_value", "hold", self._first_result, str(section.value))
