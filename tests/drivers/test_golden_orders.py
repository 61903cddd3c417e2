"""What every profile sends, written from the layouts of its sources: golden/<profile>/orders.toml.

`asked` is a question, `first` and `rerun` are the answers with an order of 7100001 and with one
to run it again, `none` is what is said without one (`[]` is silence, `[""]` a session with
nothing between); under `push` what is sent unasked.
"""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from drivers.compose import compose
from drivers.interpret import interpret
from drivers.orders import Order, Outgoing
from drivers.profile import AstmProfile, available, load
from drivers.result import Patient
from protocols.astm.message import Message, parse

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 5, 20, 12, 0, 0, tzinfo=UTC)
FIRST = {
    "order_id": "1",
    "sample_id": "7100001",
    "priority": "R",
    "patient": Patient(("P7",), "Doe Jane", "1970-01-02", "F"),
    "registered_at": "2026-05-20T09:30:00Z",
}
RERUN = FIRST | {"order_id": "2", "rerun_number": 1, "parent_id": "1"}


def profiles() -> list[AstmProfile]:
    loaded = [load(name) for name in available()]
    return [p for p in loaded if isinstance(p, AstmProfile) and p.order]


def golden(profile: AstmProfile) -> dict[str, Any]:
    text = (GOLDEN / profile.name / "orders.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def question(profile: AstmProfile, expected: dict[str, Any]) -> Message:
    text = "\r".join(expected["asked"]) + "\r"
    (message,) = parse(text.encode(profile.dialect.encoding), profile.dialect)
    return message


def sent(outgoing: tuple[Outgoing, ...], profile: AstmProfile) -> list[str]:
    """The records of the one message; none of no message, `[""]` of one without a text."""
    if not outgoing:
        return []
    (message,) = outgoing
    assert profile.order
    if profile.order.frame == "record":
        assert all(text.count(b"\r") == 1 for text in message.texts)
    else:
        assert len(message.texts) <= 1
    text = b"".join(message.texts).decode(profile.dialect.encoding)
    return text.removesuffix("\r").split("\r")


def answers(profile: AstmProfile, expected: dict[str, Any]) -> dict[str, list[str]]:
    """What a profile answers to the question."""
    asked = question(profile, expected)
    (query,) = interpret([asked], profile, id_prefix="q", timezone=UTC).queries
    assert query.sample_ids == ("7100001",)
    codes = tuple(expected["codes"])
    first, rerun = Order(**FIRST, codes=codes), Order(**RERUN, codes=codes[:1])
    none = compose(profile, [], now=NOW, missing=["7100001"], asked=asked)
    return {
        "first": sent(compose(profile, [first], now=NOW, asked=asked), profile),
        "rerun": sent(compose(profile, [rerun], now=NOW, asked=asked), profile),
        "none": sent(none, profile),
    }


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.name)
def test_a_question_is_answered_as_the_instrument_wants_it(profile: AstmProfile) -> None:
    assert profile.order
    expected = golden(profile)
    assert ("asked" in expected) == ("query" in profile.order.use)
    if "asked" in expected:
        found = answers(profile, expected)
        assert found == {case: expected[case] for case in found}


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: profile.name)
def test_an_order_is_pushed_as_the_instrument_wants_it(profile: AstmProfile) -> None:
    assert profile.order
    expected = golden(profile)
    assert ("push" in expected) == ("push" in profile.order.use)
    if "push" not in expected:
        return
    codes = tuple(expected["codes"])
    first, rerun = Order(**FIRST, codes=codes), Order(**RERUN, codes=codes[:1])
    assert sent(compose(profile, [first], now=NOW), profile) == expected["push"]["first"]
    assert sent(compose(profile, [rerun], now=NOW), profile) == expected["push"]["rerun"]
