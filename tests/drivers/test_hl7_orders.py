"""Orders as HL7 messages, by form."""

from collections.abc import Callable
from itertools import count

import pytest

from drivers.hl7.compose import compose_answer, compose_cancel, compose_push, compose_unable
from drivers.hl7.fates import read_fates
from drivers.orders import Answer, Order, OrderFate
from drivers.profile import Hl7Profile, load
from drivers.result import Patient
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.message import Message, parse

PATIENT = Patient(("P1",), "Doe Jane", "1980-01-02", "F")
FIRST = Order(order_id="w1", sample_id="S1", codes=("GLU", "ALT"), patient=PATIENT, priority="S")
RERUN = Order(order_id="w2", sample_id="S1", codes=("ALT",), rerun_number=1, parent_id="w1")
OTHER = Order(order_id="w3", sample_id="S2", codes=("NA",))

QRY = """MSH|^~\\&|Mindray|BS|||20260520115959||QRY^Q02|4|P|2.3.1||||||ASCII
QRD|20260520115959|R|D|2|||RD|S1|OTH|||T
QRF|BS|20260520000000|20260520235959|||RCT|COR|ALL"""

QBP = """MSH|^~\\&|AM|Lab|LIS|Here|20260520115959||QBP^Q11^QBP_Q11|4|P|2.5.1|||NE|AL||UNICODE UTF-8
QPD|WOS^Work Order Step^IHE_LABTF|tag7|S1
RCP|I||R"""

BACK = "MSH|^~\\&|LIS|Here|AM|Lab|20260520120000||"


@pytest.fixture
def stamp() -> Callable[[], Stamp]:
    """Control ids R1, R2 ... at one time."""
    numbers = count(1)
    return lambda: Stamp(f"R{next(numbers)}", "20260520120000")


def hl7_profile(name: str) -> Hl7Profile:
    profile = load(name)
    assert isinstance(profile, Hl7Profile)
    return profile


def question(text: str) -> Message:
    return parse(text.replace("\n", "\r").encode())


def lines(content: bytes | None) -> list[str]:
    assert content is not None
    return content.decode().split("\r")[:-1]


def texts(answer: Answer) -> list[list[str]]:
    return [lines(content) for message in answer.messages for content in message.texts]


@pytest.mark.conformance(150)
def test_a_query_is_answered_by_its_acknowledgment_and_a_display_message_per_sample(stamp):
    profile = hl7_profile("mindray-bs")
    answer = compose_answer(
        profile, question(QRY), [FIRST, OTHER, RERUN], missing=["S9"], stamp=stamp
    )
    assert lines(answer.reply) == [
        "MSH|^~\\&|||Mindray|BS|20260520120000||QCK^Q02|R1|P|2.3.1||||||ASCII",
        "MSA|AA|4|Message accepted|||0",
        "ERR|0",
        "QAK|SR|OK",
    ]
    one, other = texts(answer)
    assert [line for line in one if not line.startswith("DSP")] == [
        "MSH|^~\\&|||Mindray|BS|20260520120000||DSR^Q03|R2|P|2.3.1||||||ASCII",
        "MSA|AA|4|Message accepted|||0",
        "ERR|0",
        "QAK|SR|OK",
        "QRD|20260520115959|R|D|2|||RD|S1|OTH|||T",
        "QRF|BS|20260520000000|20260520235959|||RCT|COR|ALL",
        "DSC|1",
    ]
    assert "DSP|21||S1" in one
    assert one[-3:-1] == ["DSP|29||GLU^^^", "DSP|30||ALT^^^"]
    assert other[-2:] == ["DSP|29||NA^^^", "DSC"]
    assert [message.order_ids for message in answer.messages] == [("w1", "w2"), ("w3",)]


@pytest.mark.conformance(150)
def test_a_query_without_orders_is_answered_not_found_and_nothing_follows(stamp):
    profile = hl7_profile("mindray-bs")
    answer = compose_answer(profile, question(QRY), [], missing=["S1"], stamp=stamp)
    assert lines(answer.reply)[1:] == ["MSA|AA|4|Message accepted|||0", "ERR|0", "QAK|SR|NF"]
    assert answer.messages == ()


def test_a_display_query_that_can_not_be_answered_now_is_answered_with_an_error(stamp):
    answer = compose_unable(hl7_profile("mindray-bs"), question(QRY), stamp=stamp)
    assert lines(answer.reply)[1:] == [
        "MSA|AE|4|Application internal error|||207",
        "ERR|207",
        "QAK|SR|AE",
    ]
    assert answer.messages == ()


@pytest.mark.conformance(155, 160)
def test_a_work_query_is_acknowledged_and_each_test_is_a_step_of_its_own(stamp):
    answer = compose_answer(
        hl7_profile("generic-hl7"), question(QBP), [FIRST, RERUN], missing=[], stamp=stamp
    )
    assert lines(answer.reply) == [
        f"{BACK}RSP^K11^RSP_K11|R1|P|2.5.1||||||UNICODE UTF-8|||LAB-27^IHE",
        "MSA|AA|4",
        "QAK|tag7|OK|WOS^Work Order Step^IHE_LABTF",
        "QPD|WOS^Work Order Step^IHE_LABTF|tag7|S1",
    ]
    assert texts(answer) == [
        [
            f"{BACK}OML^O33^OML_O33|R2|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-28^IHE",
            "PID|||P1||Doe Jane||19800102|F",
            "SPM|1|S1|||||||||P^^HL70369",
            "SAC|||S1",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||S^^HL70485",
            "OBR||w1.GLU||GLU",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||S^^HL70485",
            "OBR||w1.ALT||ALT",
            "ORC|NW||||||||20260520120000",
            "TQ1|||||||||R^^HL70485",
            "OBR||w2.ALT||ALT" + "|" * 25 + "w1.ALT",
        ]
    ]


@pytest.mark.conformance(156)
def test_a_sample_without_work_gets_a_negative_query_response(stamp):
    answer = compose_answer(
        hl7_profile("generic-hl7"), question(QBP), [], missing=["S1"], stamp=stamp
    )
    assert lines(answer.reply)[2].startswith("QAK|tag7|OK|")
    assert texts(answer)[0][1:] == [
        "SPM|1||||||||||U^^HL70369",
        "SAC|||S1",
        "ORC|DC||||||||20260520120000",
    ]


def test_a_work_query_that_can_not_be_answered_now_is_answered_with_an_error(stamp):
    answer = compose_unable(hl7_profile("generic-hl7"), question(QBP), stamp=stamp)
    assert lines(answer.reply)[1:4] == [
        "MSA|AE|4",
        "ERR|||207^Application internal error^HL70357|E",
        "QAK|tag7|AE|WOS^Work Order Step^IHE_LABTF",
    ]


@pytest.mark.conformance(158)
def test_steps_are_cancelled_under_the_ids_they_were_ordered_with(stamp):
    (cancelled,) = compose_cancel(hl7_profile("generic-hl7"), [OTHER], stamp=stamp)
    assert lines(cancelled.texts[0])[3:] == [
        "ORC|CA||||||||20260520120000",
        "TQ1|||||||||R^^HL70485",
        "OBR||w3.NA||NA",
    ]


def test_orders_are_pushed_a_sample_a_message(stamp):
    pushed = compose_push(hl7_profile("generic-hl7"), [FIRST, OTHER, RERUN], stamp=stamp)
    assert [message.order_ids for message in pushed] == [("w1", "w2"), ("w3",)]


@pytest.mark.conformance(158, 159)
def test_a_response_is_read_step_by_step():
    response = question(
        """MSH|^~\\&|AM|Lab|LIS|Here|20260520120001||ORL^O34^ORL_O42|9|P|2.5.1
MSA|AA|R2
SPM|1|S1&LIS||SER^^HL70487|||||||P^^HL70369
SAC|||S1
ORC|OK|w1.GLU|||SC
ORC|UA|w1.ALT|||CA
ORC|CR|w0.NA|||CA
ORC|UC|w0.K|||IP
ORC|DC"""
    )
    assert read_fates(response, hl7_profile("generic-hl7")) == [
        OrderFate(True, "w1", "S1", "GLU"),
        OrderFate(False, "w1", "S1", "ALT", "unable to accept"),
        OrderFate(False, "w0", "S1", "NA", "canceled as requested"),
        OrderFate(True, "w0", "S1", "K", "unable to cancel"),
    ]
