"""How an instrument says that it takes an order, or does not."""

from collections.abc import Callable

import pytest

from drivers.orders import OrderFate
from drivers.profile import AstmProfile, Profile, load
from drivers.refusals import read_fates
from protocols.astm.message import parse

MakeProfile = Callable[..., Profile]

SECTION = """
[order]
use = "push"
[order.fields]
O.3 = "{sample_id}"
O.5 = "{tests}"
"""
REFUSED = "O|1|S1||^^^10\\^^^20|||||||||||||||||||||X"


def fates(profile: Profile, *records: str) -> list[OrderFate]:
    assert isinstance(profile, AstmProfile)
    text = "\r".join(("H|\\^&|||Analyzer", *records, "")).encode()
    return read_fates(parse(text, profile.dialect), profile)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["L|1|E"], [OrderFate(False, reason="L.3=E")]),
        (["L|1|R"], [OrderFate(False, reason="L.3=R")]),
        (["P|1", "L|1|Q"], [OrderFate(False, reason="L.3=Q")]),
        (["L|1|N"], []),
        (["L|1|T"], []),
        (["L|1"], []),
        (["P|1", "O|1|S1||^^^10", "R|1|^^^10|5", "L|1|E"], []),
        (["P|1", "O|1|S1||^^^10", "R|1|^^^10|5", "O|2|S2", "L|1|E"], []),
        (["Q|1|^S1||ALL||||||||O", "L|1|E"], []),
        (
            ["P|1", REFUSED, "L|1|N"],
            [
                OrderFate(False, sample_id="S1", code="10", reason="O.26=X"),
                OrderFate(False, sample_id="S1", code="20", reason="O.26=X"),
            ],
        ),
        (
            ["P|1", "O|1|S1|||||||||||||||||||||||X", "L|1|E"],
            [OrderFate(False, sample_id="S1", reason="O.26=X")],
        ),
        (["P|1", REFUSED, "R|1|^^^10|5", "L|1|N"], []),
        (
            ["P|1", "O|1|S0||^^^10", "R|1|^^^10|5", REFUSED.replace("S1", ""), "L|1|N"],
            [
                OrderFate(False, code="10", reason="O.26=X"),
                OrderFate(False, code="20", reason="O.26=X"),
            ],
        ),
        (
            [REFUSED.replace("\\^^^20", ""), "L|1|E"],
            [OrderFate(False, sample_id="S1", code="10", reason="O.26=X")],
        ),
    ],
    ids=[
        "error",
        "receiver abort",
        "error in request",
        "normal",
        "its own abort",
        "no code",
        "results",
        "results of another order",
        "a question",
        "cancelled",
        "cancelled as a whole",
        "cancelled with results",
        "without an id, beside results",
        "without a patient",
    ],
)
@pytest.mark.conformance(85, 101)
def test_the_standards_refusals(records: list[str], expected: list[OrderFate]) -> None:
    assert fates(load("generic-astm"), *records) == expected


def test_an_instrument_that_is_sent_no_orders_refuses_none(make_profile: MakeProfile) -> None:
    assert fates(make_profile(), "P|1", REFUSED, "L|1|E") == []


def test_a_profile_has_refusals_of_its_own_and_acceptance_too(make_profile: MakeProfile) -> None:
    profile = make_profile(
        SECTION
        + '[[order.refusal]]\nfield = "C.4.1"\npattern = "^Failed"\n'
        + '[[order.refusal]]\nfield = "O.25"\nequals = "OK"\naccepted = true\n'
        + '[[order.refusal]]\nfield = "H.11"\nequals = "FULL"\n'
    )
    assert fates(profile, "C|1|I|Failed^field 5|G", "C|2|I|Failed^more|G", "L|1|N") == [
        OrderFate(False, reason="Failed^field 5")
    ]
    assert fates(profile, "C|1|I|Stored^field 5|G", "L|1|N") == []
    accepted = "O|1|S1||^^^10||||||||||||||||||||OK"
    assert fates(profile, "P|1", accepted, "O|2|S2", "C|1|I|Failed", "L|1|N") == [
        OrderFate(True, sample_id="S1", code="10", reason="O.25=OK"),
        OrderFate(False, sample_id="S2", reason="Failed"),
    ]
    assert isinstance(profile, AstmProfile)
    (message,) = parse(b"H|\\^&|||||||||FULL\rL|1|N\r")
    assert read_fates([message], profile) == [OrderFate(False, reason="H.11=FULL")]


def test_the_sample_may_be_named_by_patient_and_header(make_profile: MakeProfile) -> None:
    profile = make_profile(SECTION, ('id = "O.3"', 'id = ["O.3", "P.3", "H.5"]'))
    refused = REFUSED.replace("S1", "").replace("\\^^^20", "")
    assert fates(profile, "P|1|S7", refused)[0].sample_id == "S7"
    assert fates(profile, "P|1", refused)[0].sample_id == "Analyzer"
    assert fates(profile, refused)[0].sample_id == "Analyzer"


@pytest.mark.parametrize(
    ("name", "records", "expected"),
    [
        (
            "abbott-celldyn-ruby",
            ["C|1|I|Order List Add Failed^O.5|G", "L|1|N"],
            OrderFate(False, reason="Order List Add Failed^O.5"),
        ),
        (
            "meril-autoquant",
            ["C|1|I| Test ALB Does Not Exist For SampleID 7100001.|G", "L|1|N"],
            OrderFate(False, reason="Test ALB Does Not Exist For SampleID 7100001."),
        ),
        (
            "ortho-vision",
            ["P|1", "O|1|7100001||ABO|R||||||||||CENTBLOOD||||Unknown profile||||||X", "L"],
            OrderFate(False, sample_id="7100001", code="ABO", reason="O.20=Unknown profile"),
        ),
    ],
)
def test_instruments_refuse_in_their_own_ways(
    name: str, records: list[str], expected: OrderFate
) -> None:
    assert fates(load(name), *records) == [expected]
