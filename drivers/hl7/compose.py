"""Orders as messages of HL7: answers to a query, and orders that nobody asked for.

Pure: control ids and times are given. Nothing that an order holds makes it fail: delimiters and
control characters are escaped, and what the character set does not have is replaced.
"""

from collections.abc import Callable, Mapping, Sequence

from drivers.hl7.forms import dsr, genexpert, law, orr, tsreq
from drivers.hl7.forms.form import Form
from drivers.hl7.forms.question import Question
from drivers.hl7.layouts import LAYOUTS, OrderForm
from drivers.hl7.order_section import Use
from drivers.hl7.picker import Hl7Picker
from drivers.hl7.writer import Envelope, Writer
from drivers.orders import Answer, Order, Outgoing
from drivers.profile import Hl7Profile
from protocols.hl7 import charset
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.message import Message
from protocols.hl7.segment import Coding
from protocols.hl7.text import DEFAULT

FORMS: Mapping[OrderForm, Form] = {
    "dsr": Form(dsr.answer, dsr.unable, dsr.push),
    "genexpert": Form(genexpert.answer, genexpert.unable),
    "law": Form(law.answer, law.unable, law.push, law.cancel),
    "orr": Form(orr.answer, orr.unable),
    "tsreq": Form(tsreq.answer, tsreq.unable),
}


def compose_answer(
    profile: Hl7Profile,
    asked: Message,
    orders: Sequence[Order],
    *,
    missing: Sequence[str],
    stamp: Callable[[], Stamp],
) -> Answer:
    """Return what an instrument hears that asked; `missing` are samples that have no orders.

    An empty answer where the profile has no form for the question: it is acknowledged as any
    other message is.
    """
    question = Question.of(asked)
    name = _form_of(profile, question)
    if question is None or name is None:
        return Answer()
    writer = _writer(profile, name, stamp, question)
    return FORMS[name].answer(writer, question, orders, missing)


def compose_unable(profile: Hl7Profile, asked: Message, *, stamp: Callable[[], Stamp]) -> Answer:
    """Return what an instrument hears whose question can not be answered now."""
    question = Question.of(asked)
    name = _form_of(profile, question)
    if question is None or name is None:
        return Answer()
    return FORMS[name].unable(_writer(profile, name, stamp, question), question)


def compose_push(
    profile: Hl7Profile, orders: Sequence[Order], *, stamp: Callable[[], Stamp]
) -> tuple[Outgoing, ...]:
    """Return orders that nobody asked for; nothing where the instrument takes none."""
    for name in _forms(profile, "push"):
        push = FORMS[name].push
        if push is not None:
            return push(_writer(profile, name, stamp), orders)
    return ()


def compose_cancel(
    profile: Hl7Profile, orders: Sequence[Order], *, stamp: Callable[[], Stamp]
) -> tuple[Outgoing, ...]:
    """Return what takes back orders that were sent; nothing where the instrument can not."""
    for name in _forms(profile, "cancel"):
        cancel = FORMS[name].cancel
        if cancel is not None:
            return cancel(_writer(profile, name, stamp), orders)
    return ()


def _forms(profile: Hl7Profile, use: Use) -> tuple[OrderForm, ...]:
    section = profile.order
    return () if section is None or use not in section.use else tuple(section.form.values())


def _form_of(profile: Hl7Profile, question: Question | None) -> OrderForm | None:
    if profile.order is None or question is None or _ends_a_query(profile, question.message):
        return None
    return profile.order.form_of(question.event)


def _ends_a_query(profile: Hl7Profile, message: Message) -> bool:
    """Whether a message asks for nothing, and takes back what was asked."""
    picker = Hl7Picker(message.coding)
    for condition in profile.query.abort:
        segment = message.first(condition.field.record)
        raw = "" if segment is None else segment.field(condition.field.field)
        if any(map(condition.holds, picker.repeats(condition.field, raw))):
            return True
    return False


def _writer(
    profile: Hl7Profile,
    name: OrderForm,
    stamp: Callable[[], Stamp],
    question: Question | None = None,
) -> Writer:
    """Return the writer of a form, in the coding of the question or of the profile."""
    section, dialect = profile.order, profile.dialect
    assert section is not None
    if question is not None:
        coding, envelope = question.message.coding, question.envelope
    else:
        codec, _ = charset.find_codec((section.charset,), dialect.encoding)
        coding = Coding(DEFAULT, codec)
        envelope = Envelope(("LIS", "", "", ""), "P", section.version, section.charset)
    return Writer(
        section, LAYOUTS[name], coding, envelope, stamp, dialect.utf16_escapes, question is None
    )
