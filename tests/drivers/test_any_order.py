"""What holds for any order, under any profile: both parsers find the same ids and codes in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from astm import codec
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.compose import compose, compose_busy, compose_cancel, inexpressible
from drivers.fields import Picker
from drivers.orders import Order, Outgoing
from drivers.profile import AstmProfile, available, load
from drivers.result import Patient
from drivers.source import FieldPath
from protocols.astm.control import RESTRICTED
from protocols.astm.frame import encode
from protocols.astm.message import Message, parse
from protocols.astm.text import DEFAULT

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
PROFILES = [
    profile
    for name in available()
    if isinstance(profile := load(name), AstmProfile) and profile.order
]
TEXTS = st.text(max_size=12)
PATIENTS = st.builds(
    Patient,
    ids=st.tuples(TEXTS),
    name=st.none() | TEXTS,
    birth_date=st.none() | TEXTS,
    sex=st.none() | TEXTS,
)
ORDERS = st.builds(
    Order,
    order_id=TEXTS,
    sample_id=TEXTS,
    codes=st.lists(TEXTS, max_size=3).map(tuple),
    rerun_number=st.integers(0, 3),
    parent_id=st.none() | TEXTS,
    priority=st.none() | TEXTS,
    patient=st.none() | PATIENTS,
    registered_at=st.none() | st.just("2026-05-20T09:00:00Z"),
)
QUESTIONS = st.sampled_from(
    ["H|\\^&|||A^1|||||Host||P|1", "H|@^\\|M17||A", "H|\\!~|M17||A", "H|`^&", "H|\\^", "Q|1|^S1"]
)


def ask(profile: AstmProfile, header: str) -> Message:
    """A question for S1, its id where the profile has it."""
    carets = "^" * ((profile.query.sample_id.component or 1) - 1)
    return parse(f"{header}\rQ|1|{carets}S1\rL|1|N\r".encode())[0]


def records_of(outgoing: Outgoing, profile: AstmProfile) -> Message:
    """The one message that its frames hold."""
    assert all(len(text.translate(None, RESTRICTED)) == len(text) for text in outgoing.texts)
    (message,) = parse(b"".join(outgoing.texts), profile.dialect)
    assert message.problems == []
    assert message.sequence_problems() == []
    return message


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@settings(deadline=None, max_examples=25)
@given(orders=st.lists(ORDERS, max_size=3), header=QUESTIONS, is_asked=st.booleans())
def test_any_order_gives_a_message_that_can_be_read(
    profile: AstmProfile, orders: list[Order], header: str, is_asked: bool
) -> None:
    asked = ask(profile, header) if is_asked else None
    sent = compose(profile, orders, now=NOW, missing=["S1"], asked=asked)
    sent += compose_cancel(profile, orders, now=NOW)
    if asked is not None:
        sent += compose_busy(profile, now=NOW, asked=asked)
    for outgoing in sent:
        if outgoing.texts:
            records_of(outgoing, profile)


@settings(deadline=None)
@given(order=ORDERS, header=QUESTIONS, is_asked=st.booleans())
def test_the_ids_and_codes_of_any_order_come_back(
    order: Order, header: str, is_asked: bool
) -> None:
    profile = next(one for one in PROFILES if one.name == "generic-astm")
    asked = ask(profile, header) if is_asked else None
    sent = compose(profile, [order], now=NOW, asked=asked)
    assert bool(inexpressible(profile, [order], asked=asked)) == (sent == ())
    for outgoing in sent:
        assert outgoing.order_ids == (order.order_id,)
        message = records_of(outgoing, profile)
        picker = Picker(message.delimiters, profile.dialect)
        ordered = next(record for record in message.records if record.type == "O")
        assert picker.pick(FieldPath("O", 3), ordered.field(3)) == order.sample_id.strip()
        codes = picker.repeats(FieldPath("O", 5, component=4), ordered.field(5))
        assert codes == [code.strip() for code in dict.fromkeys(order.codes)]


def as_the_codec_reads(record: Any) -> Any:
    """What our parser makes of a record, in the shape of the codec: None for what is empty."""
    return [
        split(field, DEFAULT.repeat, DEFAULT.component) if "\\" in field else parts(field)
        for field in record.fields
    ]


def split(field: str, repeat: str, component: str) -> list[Any]:
    return [parts(one, always=True) for one in field.split(repeat)]


def parts(field: str, always: bool = False) -> Any:
    if DEFAULT.component in field or always:
        return [part or None for part in field.split(DEFAULT.component)]
    return field or None


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_an_independent_codec_reads_the_same_fields(profile: AstmProfile) -> None:
    orders = [
        Order(order_id="1", sample_id="S1", codes=("10", "20"), priority="S"),
        Order(order_id="2", sample_id="S2", codes=("A B",), rerun_number=1),
    ]
    asked = None if "push" in profile.order.use else ask(profile, "H|\\^&|||A")  # type: ignore[union-attr]
    (outgoing,) = compose(profile, orders, now=NOW, asked=asked)
    message = records_of(outgoing, profile)
    if message.delimiters != DEFAULT:
        return  # the codec knows none but the default
    frame = encode(b"".join(outgoing.texts), 1)
    _, records, _ = codec.decode_message(frame, profile.dialect.encoding)
    ours = [as_the_codec_reads(record) for record in message.records]
    assert records[1:] == ours[1:]
    assert records[0][2:] == ours[0][2:]
