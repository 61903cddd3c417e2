"""Orders as messages: what stands where, what is escaped, what is said without an order."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from drivers.compose import compose, compose_busy, compose_cancel, compose_unable
from drivers.orders import Order, Outgoing
from drivers.profile import AstmProfile, Profile, load
from drivers.result import Patient
from protocols.astm.message import Message, parse

NOW = datetime(2026, 5, 20, 12, 0, 0, tzinfo=ZoneInfo("Europe/Berlin"))
PATIENT = Patient(("P7", "P8"), "Doe Jane", "1970-01-02", "female")

MakeProfile = Callable[..., Profile]


def an_order(sample_id: str = "S1", *codes: str, **members: object) -> Order:
    order_id = f"o-{sample_id}"
    return Order(order_id=order_id, sample_id=sample_id, codes=codes or ("10", "20"), **members)  # type: ignore[arg-type]


def a_question(*records: str, header: str = "H|\\^&|||Ana^1|||||Host||P|1") -> Message:
    (message,) = parse("\r".join((header, *records, "L|1|N", "")).encode("latin-1"))
    return message


def lines(outgoing: tuple[Outgoing, ...]) -> list[list[str]]:
    return [b"".join(one.texts).decode("latin-1").split("\r")[:-1] for one in outgoing]


def generic() -> AstmProfile:
    profile = load("generic-astm")
    assert isinstance(profile, AstmProfile)
    return profile


@pytest.mark.conformance(108)
def test_a_query_is_answered_with_the_orders_of_its_sample() -> None:
    order = an_order(
        "S1", "10", "20", priority="S", patient=PATIENT, registered_at="2026-05-20T09:00:00Z"
    )
    answer = compose(generic(), [order], now=NOW, asked=a_question("Q|1|^S1||ALL||||||||O"))
    assert lines(answer) == [
        [
            "H|\\^&|||Host|||||Ana^1||P|1|20260520120000",
            "P|1|P7|||Doe Jane||19700102|F",
            "O|1|S1||^^^10\\^^^20|S|20260520110000|||||N||||||||||||||Q",
            "L|1|F",
        ]
    ]
    assert answer[0].order_ids == ("o-S1",)


@pytest.mark.conformance(109)
def test_without_an_order_there_is_no_information() -> None:
    answer = compose(generic(), [], now=NOW, missing=["S1"], asked=a_question("Q|1|^S1"))
    assert lines(answer) == [["H|\\^&|||Host|||||Ana^1||P|1|20260520120000", "L|1|I"]]
    assert answer[0].order_ids == ()


@pytest.mark.conformance(111)
def test_one_message_answers_for_all_samples_asked_for() -> None:
    answer = compose(
        generic(),
        [an_order("S1"), an_order("S2", "30")],
        now=NOW,
        missing=["S3"],
        asked=a_question("Q|1|^S1\\^S2\\^S3"),
    )
    (message,) = lines(answer)
    assert [record[:9] for record in message if record[0] in "PO"] == [
        "P|1",
        "O|1|S1||^",
        "P|2",
        "O|1|S2||^",
    ]
    assert answer[0].order_ids == ("o-S1", "o-S2")


@pytest.mark.conformance(113)
def test_a_question_too_many_is_an_error_in_the_request() -> None:
    answer = compose_busy(generic(), now=NOW, asked=a_question("Q|1|^S2"))
    assert lines(answer)[0][1:] == ["L|1|Q"]


@pytest.mark.conformance(114)
def test_nothing_is_said_when_nothing_can_be_known() -> None:
    assert compose_unable(generic(), now=NOW, asked=a_question("Q|1|^S2")) == ()


def test_an_order_nobody_asked_for_is_pushed() -> None:
    (message,) = lines(compose(generic(), [an_order()], now=NOW))
    assert message == [
        "H|\\^&|||rerund|||||||P|1|20260520120000",
        "P|1",
        "O|1|S1||^^^10\\^^^20|R||||||N||||||||||||||O",
        "L|1|N",
    ]


def test_an_order_is_withdrawn() -> None:
    (message,) = lines(compose_cancel(generic(), [an_order(rerun_number=1)], now=NOW))
    assert message[2] == "O|1|S1||^^^10\\^^^20|R||||||C||||||||||||||O"
