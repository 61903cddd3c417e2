"""Every HL7 profile with orders composes what lies in `golden_orders`, and others can read it.

`<profile>/<case>.hl7` holds the reply and the messages after it, segments one a line, each
message under a line that tells its orders. The question is a golden sample of the profile.
"""

from functools import cache
from itertools import count
from pathlib import Path

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from drivers import profile as profiles
from drivers.hl7.compose import compose_answer, compose_cancel, compose_push, compose_unable
from drivers.orders import Answer, Order
from drivers.profile import Hl7Profile
from drivers.result import Patient
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.boundary import split_messages
from protocols.hl7.message import Message, parse
from protocols.hl7.session import Session

GOLDEN = Path(__file__).parent / "golden_orders"
SAMPLES = Path(__file__).parent / "golden"
CASES = ("orders", "rerun", "none", "unable", "push", "cancel")

PATIENT = Patient(("P4711", "N42"), "Doe Jane", "1980-01-02", "F")
FIRST = Order(order_id="w1", sample_id="S1", codes=("101", "102"), patient=PATIENT, priority="stat")
RERUN = Order(
    order_id="w2",
    sample_id="S1",
    codes=("102",),
    rerun_number=1,
    parent_id="w1",
    patient=PATIENT,
)
OTHER = Order(order_id="w3", sample_id="S2", codes=("201",))


@cache
def hl7_profile(name: str) -> Hl7Profile:
    profile = profiles.load(name)
    assert isinstance(profile, Hl7Profile)
    return profile


def is_ordering(name: str) -> bool:
    profile = profiles.load(name)
    return isinstance(profile, Hl7Profile) and profile.order is not None


PROFILES = tuple(filter(is_ordering, profiles.available()))


def question(name: str) -> Message:
    """Return the first query among the golden samples of a profile."""
    profile = hl7_profile(name)
    for file in sorted((SAMPLES / name).glob("*quer*.hl7")) or sorted(
        (SAMPLES / name).glob("*.hl7")
    ):
        lines = [line for line in file.read_bytes().splitlines() if not line.startswith(b"#")]
        for content in split_messages(b"\r".join(lines)):
            message = parse(content, profile.dialect)
            header = message.header
            if header and header.component(9, 1) in {
                each.partition("^")[0] for each in profile.query.messages
            }:
                return message
    raise AssertionError(f"no query among the samples of {name}")


def answer_of(name: str, case: str) -> Answer:
    numbers = count(1)

    def stamp() -> Stamp:
        return Stamp(f"R{next(numbers)}", "20260520120000")

    profile = hl7_profile(name)
    if case == "push":
        return Answer(None, compose_push(profile, [FIRST, OTHER], stamp=stamp))
    if case == "cancel":
        return Answer(None, compose_cancel(profile, [FIRST], stamp=stamp))
    asked = question(name)
    if case == "unable":
        return compose_unable(profile, asked, stamp=stamp)
    orders = {"orders": [FIRST, OTHER], "rerun": [RERUN], "none": []}[case]
    return compose_answer(profile, asked, orders, missing=["S1"] * (not orders), stamp=stamp)


def compose(name: str, case: str) -> str:
    """Return what a case comes to, as the golden file has it."""
    answer = answer_of(name, case)
    parts = [] if answer.reply is None else [(answer.reply, "reply", answer.order_ids)]
    parts += [(each.texts[0], "message", each.order_ids) for each in answer.messages]
    return "".join(
        f"# {' '.join((kind, *ids))}\n" + content.decode("utf-8").replace("\r", "\n")
        for content, kind, ids in parts
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_composes_its_golden_orders(name, case):
    file = GOLDEN / name / f"{case}.hl7"
    expected = file.read_text(encoding="utf-8") if file.exists() else ""
    assert compose(name, case) == expected


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PROFILES)
def test_what_is_composed_is_read_back_by_others(name, case):
    answer = answer_of(name, case)
    contents = [content for message in answer.messages for content in message.texts]
    for content in filter(None, [answer.reply, *contents]):
        ours = parse(content, hl7_profile(name).dialect)
        assert ours.problems == []
        theirs = hl7.parse(content.decode("utf-8"))
        assert [str(segment) for segment in theirs] == [each.text for each in ours.segments]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", PROFILES)
def test_a_link_sends_what_is_composed(name, case):
    for number, message in enumerate(answer_of(name, case).messages):
        session = Session(lambda: Stamp("A1", "20260520120000"), hl7_profile(name).dialect)
        session.send_message(message.texts[0], 0.0, str(number))
        assert message.texts[0] in session.data_to_send()


STRICT = ("abbott-alinity-ci", "biosystems-ba", "generic-hl7", "siemens-atellica")
"""Profiles whose messages hold nothing beyond the standard. hl7apy groups several orders of a
specimen wrongly, and knows neither the vendors' queries nor the fields that they add to QPD."""


@pytest.mark.parametrize("case", ["rerun", "none", "unable"])
@pytest.mark.parametrize("name", STRICT)
def test_what_is_composed_is_valid_at_the_strictest_level_of_hl7apy(name, case):
    answer = answer_of(name, case)
    contents = [content for message in answer.messages for content in message.texts]
    for content in filter(None, [answer.reply, *contents]):
        found = parse_message(content.decode(), validation_level=VALIDATION_LEVEL.STRICT)
        assert found.validate()


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_with_orders_names_their_source(name):
    assert hl7_profile(name).backing("order")
