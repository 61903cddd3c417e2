"""Orders as messages of E1394 (LIS02-A2 clauses 6 to 8, 11 and 12).

    compose(profile, orders, now=..., missing=..., asked=...) -> what is sent

Pure functions of their arguments, for a profile that has `[order]`; without it, or when the
instrument does not take orders this way, there is nothing to send. No text of an order can
break a message: what a field may not hold is escaped, and an order that can not be written
without loss is left out, as `inexpressible` tells beforehand.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from drivers.order_section import Case, OrderSection, Use
from drivers.order_writer import OrderWriter
from drivers.orders import Order, OrderFate, Outgoing
from drivers.profile import AstmProfile
from drivers.question import Question
from drivers.text_writer import TextWriter
from protocols.astm.message import Message, build
from protocols.astm.text import DEFAULT, Delimiters
from protocols.errors import LocalProtocolError

Fields = list[str]


def compose(
    profile: AstmProfile,
    orders: Sequence[Order],
    *,
    now: datetime,
    missing: Sequence[str] = (),
    asked: Message | None = None,
) -> tuple[Outgoing, ...]:
    """Return the messages with these orders; `now` is in the zone of the instrument.

    `asked` is the message with the question, `missing` the samples it asked for that have no
    order. Without `asked` the orders are pushed.
    """
    section = _section(profile, "query" if asked else "push")
    if section is None:
        return ()
    draft = _Draft(profile, section, now, asked)
    samples = draft.by_sample(orders)
    named = {order.sample_id for order in orders}
    lacking = [sample_id for sample_id in dict.fromkeys(missing) if sample_id not in named]
    if asked is not None and section.none in ("order", "query"):
        samples.update({sample_id: [] for sample_id in lacking if draft.can_name(sample_id)})
    if samples:
        return tuple(draft.message(group) for group in _grouped(samples, section))
    if asked is None or orders or section.none == "silence":
        return ()
    return (Outgoing(()) if section.none == "session" else draft.empty("none", "I"),)


def compose_unable(profile: AstmProfile, *, now: datetime, asked: Message) -> tuple[Outgoing, ...]:
    """Return what says that a question can not be answered now; most profiles are silent."""
    section = _section(profile, "query")
    if section is None or section.unable == "silence":
        return ()
    return (_Draft(profile, section, now, asked).empty("unable", "E"),)


def compose_busy(profile: AstmProfile, *, now: datetime, asked: Message) -> tuple[Outgoing, ...]:
    """Return what says that an earlier question is still open: L|1|Q (LIS02-A2 11, 12.3)."""
    section = _section(profile, "query")
    if section is None or section.busy == "silence":
        return ()
    return (_Draft(profile, section, now, asked).empty("busy", "Q"),)


def compose_cancel(
    profile: AstmProfile, orders: Sequence[Order], *, now: datetime
) -> tuple[Outgoing, ...]:
    """Return the messages that withdraw orders (O.12 C, 8.4.12), where the profile has the form."""
    section = _section(profile, "cancel")
    if section is None:
        return ()
    draft = _Draft(profile, section, now, None, "cancel")
    return tuple(draft.message(group) for group in _grouped(draft.by_sample(orders), section))


def inexpressible(
    profile: AstmProfile, orders: Iterable[Order], *, asked: Message | None = None
) -> tuple[OrderFate, ...]:
    """Return the orders that no message to this instrument can hold, each with the reason."""
    if profile.order is None:
        return ()
    text = TextWriter(_delimiters(profile.order, asked), profile.dialect)
    question = Question(profile, asked) if asked else None
    objections = [(order, _objection(order, profile.order, text, question)) for order in orders]
    return tuple(
        OrderFate(False, order.order_id, order.sample_id, reason=reason)
        for order, reason in objections
        if reason is not None
    )


def _objection(
    order: Order, section: OrderSection, text: TextWriter, question: Question | None
) -> str | None:
    """Why no message can hold this order; None when one can."""
    if not order.sample_id.strip():
        return "no sample id"
    if not order.codes or not all(code.strip() for code in order.codes):
        return "no tests"
    if not _can_name(order.sample_id, section, question):
        return "a sample that the question does not name"
    try:
        for one in (order.sample_id, *order.codes):
            text.exact(one)
    except LocalProtocolError as error:
        return str(error)
    return None


def _can_name(sample_id: str, section: OrderSection, question: Question | None) -> bool:
    """Whether an O can say which sample it is about: some only repeat what the question has."""
    return section.names_sample or (question is not None and question.names(sample_id))


def _delimiters(section: OrderSection, asked: Message | None) -> Delimiters:
    """The delimiters of a message: the profile's, else those of the question, else `|\\^&`."""
    if section.delimiters is not None:
        return section.delimiters
    if asked is None or not "".join(asked.delimiters).isascii():
        return DEFAULT
    return asked.delimiters


def _section(profile: AstmProfile, use: Use) -> OrderSection | None:
    section = profile.order
    return section if section is not None and use in section.use else None


def _grouped(
    samples: dict[str, list[Order]], section: OrderSection
) -> Iterable[dict[str, list[Order]]]:
    """The samples of each message: all in one (LIS02-A2 11.3), or each in its own."""
    if section.message == "all":
        return (samples,) if samples else ()
    return ({sample_id: orders} for sample_id, orders in samples.items())


class _Draft:
    """What the messages of one answer, or of one push, have in common."""

    def __init__(
        self,
        profile: AstmProfile,
        section: OrderSection,
        now: datetime,
        asked: Message | None,
        *cases: Case,
    ):
        self._section = section
        self._dialect = profile.dialect
        self._cases: tuple[Case, ...] = cases if asked else ("push", *cases)
        self._usual = "F" if asked else "N"
        self._delimiters = _delimiters(section, asked)
        self._text = TextWriter(self._delimiters, profile.dialect)
        self._question = Question(profile, asked) if asked else None
        self._writer = OrderWriter(section, self._text, now, self._question)

    def can_name(self, sample_id: str) -> bool:
        """Return whether an O can say that it is about this sample."""
        return _can_name(sample_id, self._section, self._question)

    def by_sample(self, orders: Sequence[Order]) -> dict[str, list[Order]]:
        """Return the orders that can be written, by their samples."""
        samples: dict[str, list[Order]] = {}
        for order in orders:
            if _objection(order, self._section, self._text, self._question) is None:
                samples.setdefault(order.sample_id, []).append(order)
        return samples

    def message(self, samples: dict[str, list[Order]]) -> Outgoing:
        """Return a message with the orders of these samples; one without any has none."""
        records: list[Fields] = [self._writer.header(self._cases)]
        for sample_id, orders in samples.items():
            records += self._writer.sample(sample_id, orders, self._cases)
        records.append(self._writer.terminator(self._cases, self._usual))
        order_ids = tuple(order.order_id for orders in samples.values() for order in orders)
        return Outgoing(self._texts(records), order_ids)

    def empty(self, case: Case, code: str) -> Outgoing:
        """Return a message of H and L, whose L.3 is `code` unless the profile has another."""
        cases: tuple[Case, ...] = (*self._cases, case)
        return Outgoing(
            self._texts([self._writer.header(cases), self._writer.terminator(cases, code, case)])
        )

    def _texts(self, records: Sequence[Fields]) -> tuple[bytes, ...]:
        frames = [records] if self._section.frame == "message" else [[one] for one in records]
        return tuple(build(frame, self._delimiters, self._dialect) for frame in frames)
