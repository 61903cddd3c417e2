"""How an instrument says that it takes an order, or does not: in messages without results.

The standard has two ways: a message that ends with an error (L.3, LIS02-A2 12.3), and an order
that comes back with O.26 X and no results (8.4.26). A profile's own come before them.
"""

from collections.abc import Iterable

from drivers.fields import Picker
from drivers.order_section import OrderSection, RefusalMark
from drivers.orders import OrderFate
from drivers.profile import AstmProfile
from drivers.source import FieldPath
from protocols.astm.message import Message
from protocols.astm.record import Record

# T is about the instrument's own message, I and F answer a question (12.3).
STANDARD_REFUSALS = (
    RefusalMark.model_validate({"field": "O.26", "equals": "X"}),
    RefusalMark.model_validate({"field": "L.3", "equals": ["E", "R", "Q"]}),
)


def read_fates(messages: Iterable[Message], profile: AstmProfile) -> list[OrderFate]:
    """Return what the messages say of orders; a profile without `[order]` has had none."""
    if profile.order is None:
        return []
    return [
        fate for message in messages for fate in _Reading(profile, profile.order, message).read()
    ]


class _Reading:
    """The walk over one message."""

    def __init__(self, profile: AstmProfile, section: OrderSection, message: Message):
        self._marks = (*section.refusal, *STANDARD_REFUSALS)
        self._codes = section.codes
        self._sample_id = profile.specimen.id
        self._message = message
        self._picker = Picker(message.delimiters, profile.dialect)
        self._resulted = {record.order for record in message.records if record.type == "R"}

    def read(self) -> list[OrderFate]:
        """Return the fates of the orders in it, and else that of the last order sent."""
        records = self._message.records
        if any(record.type == "Q" for record in records):
            return []
        fates: dict[OrderFate, None] = {}
        whole: list[OrderFate] = []
        for record in records:
            mark = self._mark(record)
            order = self._order_of(record)
            if mark is None or (order and order.number in self._resulted):
                continue
            if order is None:
                whole.append(OrderFate(mark.accepted, reason=self._reason(mark, record)))
            else:
                fates.update(dict.fromkeys(self._fates(mark, record, order)))
        return [*fates] if fates or self._resulted else whole[:1]

    def _mark(self, record: Record) -> RefusalMark | None:
        for mark in self._marks:
            path = mark.field
            if path.record == record.type and any(
                map(mark.holds, self._picker.repeats(path, record.field(path.field)))
            ):
                return mark
        return None

    def _order_of(self, record: Record) -> Record | None:
        records = self._message.records
        return records[record.order - 1] if record.type != "L" and record.order else None

    def _fates(self, mark: RefusalMark, record: Record, order: Record) -> list[OrderFate]:
        patient = self._message.records[order.patient - 1] if order.patient else None

        def raw(letter: str, position: int) -> str:
            found = {"O": order, "P": patient, "H": self._message.header}.get(letter)
            return found.field(position) if found else ""

        sample_id = self._picker.find(self._sample_id, raw) or None
        codes: list[str | None] = [*self._picker.repeats(self._codes, raw("O", self._codes.field))]
        reason = self._reason(mark, record)
        return [
            OrderFate(mark.accepted, sample_id=sample_id, code=code, reason=reason)
            for code in codes or [None]
        ]

    def _reason(self, mark: RefusalMark, record: Record) -> str:
        """What the instrument says: the text of its comment, or the code and where it stands."""
        path = mark.field
        if path.record == "C":
            whole = FieldPath("C", path.field)
            return self._picker.pick(whole, record.field(path.field))
        return f"{path}={self._picker.pick(path, record.field(path.field))}"
