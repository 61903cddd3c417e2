"""The message with an instrument's question, whose fields an answer may repeat."""

from drivers.fields import Picker, part_of
from drivers.profile import AstmProfile
from drivers.source import FieldPath
from protocols.astm.message import Message
from protocols.astm.record import Record


class Question:
    """The fields of H and Q of the message that asks."""

    def __init__(self, profile: AstmProfile, message: Message):
        self.delimiters = message.delimiters
        self._header = message.header
        self._queries = [record for record in message.records if record.type == "Q"]
        self._path = profile.query.sample_id
        self._picker = Picker(message.delimiters, profile.dialect)

    def names(self, sample_id: str) -> bool:
        """Whether it asks for this sample by its id."""
        return any(self._names(repeat, sample_id) for repeat in self._repeats())

    def field(self, path: FieldPath, sample_id: str) -> str:
        """Return the raw text of a field; of the field with ids, the repeat that names a sample."""
        raw = self._raw(path, sample_id)
        if path.component is None:
            return raw
        return part_of(raw, self.delimiters.component, path.component)

    def _raw(self, path: FieldPath, sample_id: str) -> str:
        if path.record == "H":
            return self._header.field(path.field) if self._header else ""
        if path.field != self._path.field:
            return self._query(sample_id).field(path.field) if self._queries else ""
        repeats = self._repeats()
        named = (repeat for repeat in repeats if self._names(repeat, sample_id))
        return next(named, "" if sample_id else repeats[0] if repeats else "")

    def _repeats(self) -> list[str]:
        field = self._path.field
        return [repeat for query in self._queries for repeat in query.repeats(field)]

    def _query(self, sample_id: str) -> Record:
        named = (
            query
            for query in self._queries
            if any(self._names(one, sample_id) for one in query.repeats(self._path.field))
        )
        return next(named, self._queries[0])

    def _names(self, repeat: str, sample_id: str) -> bool:
        return self._picker.pick(self._path, repeat) == sample_id
