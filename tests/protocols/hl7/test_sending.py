"""Messages of ours and their acknowledgments: item 138, and both ways on one connection."""

import pytest

from protocols.errors import LocalProtocolError, Reason
from protocols.events import BytesIgnored
from protocols.hl7 import mllp
from protocols.hl7.events import (
    AcknowledgmentIgnored,
    AcknowledgmentReceived,
    Failure,
    MessageFailed,
    MessageReceived,
    MessageSent,
)
from tests.protocols.hl7.samples import ORDER, block, message, reply

SENT = mllp.encode(ORDER)


def order(accept: str = "", application: str = "", control_id: str = "O1") -> bytes:
    return message(control_id, "OML^O33^OML_O33", "ORC|NW", accept=accept, application=application)


def fate(host) -> list[object]:
    return host.told(MessageSent) + host.told(MessageFailed)


@pytest.mark.conformance(138)
@pytest.mark.parametrize("code", ["AA", "CA"])
def test_item_138_aa_is_the_end_of_it(host, code):
    assert host.send(ORDER) == SENT
    assert host.receive(reply("O1", code)) == b""
    assert fate(host) == [MessageSent("m1")]
    assert host.told(AcknowledgmentReceived)[0].code == code
    assert host.session.is_neutral
    assert host.told(MessageReceived) == []


@pytest.mark.conformance(138)
@pytest.mark.parametrize("code", ["AE", "CE", "XX", ""])
def test_item_138_an_error_is_tried_again_under_the_same_id(make_host, code):
    host = make_host(message_tries=2, busy_timeout=10.0)
    host.send(ORDER)
    assert host.receive(reply("O1", code)) == b""
    assert host.wait(9) == b""
    assert host.wait(1) == SENT
    host.receive(reply("O1", code))
    assert fate(host) == [MessageFailed("m1", Failure.ERROR)]
    assert host.wait(100) == b""


@pytest.mark.conformance(138, 161)
@pytest.mark.parametrize("code", ["AR", "CR"])
def test_item_138_and_161_a_rejected_message_is_not_tried_again(host, code):
    host.send(ORDER)
    host.send(order(control_id="O2"), "m2")
    assert host.receive(reply("O1", code)) == mllp.encode(order(control_id="O2"))
    assert fate(host) == [MessageFailed("m1", Failure.REJECTED)]


@pytest.mark.conformance(138)
def test_item_138_without_reply_the_same_message_goes_again(make_host):
    host = make_host(message_tries=3, reply_timeout=15.0)
    host.send(ORDER)
    assert host.wait(15) == SENT
    assert host.wait(15) == SENT
    assert host.wait(15) == b""
    assert fate(host) == [MessageFailed("m1", Failure.NO_REPLY)]
    assert host.wait(100) == b""
    assert host.session.is_neutral


@pytest.mark.conformance(138)
def test_item_138_an_acknowledgment_of_another_message_is_ignored_and_told(host):
    host.receive(reply("O1"))
    host.send(ORDER)
    assert host.receive(reply("O2")) == b""
    assert host.told(AcknowledgmentIgnored) == [
        AcknowledgmentIgnored(reply("O1")),
        AcknowledgmentIgnored(reply("O2")),
    ]
    assert fate(host) == []
    host.receive(reply("O1"))
    assert fate(host) == [MessageSent("m1")]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("AA", [MessageSent("m1")]), ("AR", [MessageFailed("m1", Failure.REJECTED)]), ("AE", [])],
)
def test_a_reply_that_comes_during_the_pause_counts(make_host, code, expected):
    host = make_host()
    host.send(ORDER)
    host.receive(reply("O1", "AE"))
    host.receive(reply("O1", code))
    assert fate(host) == expected


def test_a_late_accept_during_the_pause_keeps_the_message_from_going_again(host):
    host.send(order("AL", "AL"))
    host.receive(reply("O1", "AE"))
    host.receive(reply("O1", "CA"))
    assert host.wait(14) == b""
    host.receive(reply("O1", "AA"))
    assert fate(host) == [MessageSent("m1")]


@pytest.mark.conformance(126, 138)
@pytest.mark.parametrize(
    ("accept", "application", "replies", "expected"),
    [
        ("AL", "NE", ["CA"], [MessageSent("m1")]),
        ("AL", "AL", ["CA"], []),
        ("AL", "AL", ["CA", "CA"], []),
        ("AL", "AL", ["CA", "AA"], [MessageSent("m1")]),
        ("AL", "AL", ["AA"], [MessageSent("m1")]),
        ("NE", "AL", ["AA"], [MessageSent("m1")]),
        ("NE", "NE", [], [MessageSent("m1")]),
        ("NE", "", [], [MessageSent("m1")]),
        ("ER", "NE", [], []),
        ("AL", "AL", ["CA", "AE"], [MessageFailed("m1", Failure.ERROR)]),
        ("AL", "AL", ["CA", "AR"], [MessageFailed("m1", Failure.REJECTED)]),
        ("AL", "AL", ["CR"], [MessageFailed("m1", Failure.REJECTED)]),
    ],
)
def test_replies_in_enhanced_mode(host, accept, application, replies, expected):
    host.send(order(accept, application))
    for code in replies:
        host.receive(reply("O1", code))
    assert fate(host) == expected


@pytest.mark.parametrize(
    ("replies", "expected"),
    [([], [MessageSent("m1")]), (["CE"], [MessageFailed("m1", Failure.NO_REPLY)])],
)
def test_silence_is_success_when_only_errors_were_asked_for(make_host, replies, expected):
    host = make_host(message_tries=1)
    host.send(order("ER", "ER"))
    for code in replies:
        host.receive(reply("O1", code))
        expected = [MessageFailed("m1", Failure.ERROR)]
    host.wait(100)
    assert fate(host) == expected


def test_silence_during_a_pause_only_ends_the_pause(host):
    host.send(order("ER", "ER"))
    host.receive(reply("O1", "CE"))
    assert host.wait(10) == mllp.encode(order("ER", "ER"))
    assert host.wait(15) == b""
    assert fate(host) == [MessageSent("m1")]


@pytest.mark.parametrize("tries", [1, 3])
def test_an_accepted_message_is_never_sent_again(make_host, tries):
    host = make_host(message_tries=tries)
    host.send(order("AL", "AL"))
    host.receive(reply("O1", "CA"))
    assert host.wait(100) == b""
    assert fate(host) == [MessageFailed("m1", Failure.NO_ANSWER)]


def test_an_error_after_the_last_try_that_was_accepted(make_host):
    host = make_host(message_tries=1)
    host.send(order("AL", "AL"))
    host.receive(reply("O1", "CA") + reply("O1", "AE"))
    assert fate(host) == [MessageFailed("m1", Failure.ERROR)]


@pytest.mark.conformance(158, 159)
def test_items_158_and_159_the_answer_to_an_order_comes_whole(host):
    host.send(ORDER)
    answer = message("R1", "ORL^O34^ORL_O34", "MSA|AA|O1", "ORC|UA")
    assert host.receive(mllp.encode(answer)) == b""
    (event,) = host.told(AcknowledgmentReceived)
    assert event.content == answer
    assert event.message_id == "m1"
    assert host.told(MessageReceived) == []


def test_an_acknowledgment_that_asks_for_one_is_stored_before_it_gets_it(make_host, codes):
    host = make_host()
    host.storing = False
    host.send(ORDER)
    assert host.receive(reply("O1", accept="AL")) == b""
    (event,) = host.told(MessageReceived)
    assert event.acknowledges == "m1"
    assert event.condition is None
    assert codes(host.acknowledge()) == ["CA RO1"]
    host.receive(reply("O9", accept="AL"))
    assert host.told(MessageReceived)[1].acknowledges == ""
    assert codes(host.refuse()) == ["CE RO9"]


@pytest.mark.conformance(150)
def test_item_150_a_message_that_refers_to_an_answered_one_is_a_message(host, codes):
    host.send(message("Q1", "QRY^Q02", "QRD|1"))
    host.receive(block("A1", "QCK^Q02", "MSA|AA|Q1", "QAK|SR|OK"))
    assert fate(host) == [MessageSent("m1")]
    assert codes(host.receive(block("D1", "DSR^Q03", "MSA|AA|Q1", "DSP|1"))) == ["AA D1"]


@pytest.mark.conformance(123)
def test_a_message_comes_while_ours_waits_for_its_reply(make_host, codes):
    host = make_host()
    host.storing = False
    host.send(ORDER)
    assert host.receive(block("7") + block("8")) == b""
    assert host.receive(reply("O1")) == b""
    assert fate(host) == [MessageSent("m1")]
    assert codes(host.acknowledge()) == ["AA 7"]
    assert codes(host.acknowledge()) == ["AA 8"]


@pytest.mark.conformance(67)
def test_messages_go_one_after_another_in_order(host):
    assert host.send(ORDER) == SENT
    assert host.send(order(control_id="O2"), "m2") == b""
    assert host.receive(reply("O1")) == mllp.encode(order(control_id="O2"))
    assert host.receive(reply("O2")) == b""
    assert fate(host) == [MessageSent("m1"), MessageSent("m2")]


def test_with_the_line_every_message_is_given_back(host):
    host.send(ORDER)
    host.send(order(control_id="O2"), "m2")
    assert host.hang_up() == b""
    assert fate(host) == [MessageFailed(name, Failure.LINE_LOST) for name in ("m1", "m2")]
    with pytest.raises(LocalProtocolError):
        host.send(ORDER)


@pytest.mark.parametrize(
    "content",
    [b"", b"PID|1\r", message(""), message("1", "A", "X|\x1c"), message("1", "A", "\x0b")],
)
def test_what_cannot_be_sent_is_a_fault_of_ours(host, content):
    with pytest.raises(LocalProtocolError):
        host.send(content)


@pytest.mark.conformance(65)
def test_a_link_that_only_receives_sends_no_message(make_host):
    with pytest.raises(LocalProtocolError):
        make_host(direction="receive_only").send(ORDER)


def test_half_a_block_does_not_disturb_what_is_sent(host):
    host.deliver(block("7")[:-2])
    assert host.send(ORDER) == SENT
    host.wait(14)
    assert host.receive(reply("O1")) == b""
    assert host.told(BytesIgnored)[0].reason is Reason.TRUNCATED_FRAME
    assert fate(host) == [MessageSent("m1")]
