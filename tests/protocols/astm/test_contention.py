"""Section B: both sides bid for the line at once."""

import pytest

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.events import ContentionLost, MessageSent
from protocols.astm.frame import encode

TEXT = b"H|\\^&\rL|1|N\r"


@pytest.mark.conformance(11)
def test_item_011_a_computer_yields_and_keeps_its_message(sender):
    assert sender.send(TEXT) == ENQ
    assert sender.receive(ENQ) == b""
    assert sender.events == [ContentionLost()]
    assert sender.session.deadline == sender.now + 20


@pytest.mark.conformance(12)
def test_item_012_the_instruments_next_enq_is_answered(sender):
    sender.send(TEXT)
    sender.receive(ENQ)
    sender.wait(19)
    assert sender.receive(ENQ) == ACK


@pytest.mark.conformance(12)
def test_item_012_the_instruments_next_enq_may_be_refused(sender):
    sender.session.set_ready(False)
    sender.send(TEXT)
    sender.receive(ENQ)
    assert sender.receive(ENQ) == NAK


@pytest.mark.conformance(13)
def test_item_013_without_an_enq_in_20_seconds_the_host_bids_again(sender):
    sender.send(TEXT)
    sender.receive(ENQ)
    assert sender.wait(19.9) == b""
    assert sender.wait(0.2) == ENQ


@pytest.mark.conformance(14)
def test_item_014_the_queued_message_follows_the_inbound_session(sender):
    sender.send(TEXT)
    sender.receive(ENQ)
    assert sender.receive(ENQ + encode(TEXT, 1)) == ACK + ACK
    assert sender.receive(EOT) == ENQ
    assert sender.receive(ACK) == encode(TEXT, 1)
    assert sender.receive(ACK) == EOT
    assert sender.told(MessageSent) == [MessageSent("m1")]


@pytest.mark.conformance(14)
def test_item_014_nothing_is_sent_while_the_inbound_session_lasts(sender):
    sender.send(TEXT)
    sender.receive(ENQ)
    sender.receive(ENQ)
    assert sender.wait(25) == b""
    assert sender.receive(encode(TEXT, 1)) == ACK
    assert sender.wait(20) == b""
    assert sender.receive(EOT) == ENQ


@pytest.mark.conformance(15)
def test_item_015_an_instrument_insists_after_a_second(make_sender):
    sender = make_sender(role="instrument")
    sender.send(TEXT)
    assert sender.receive(ENQ) == b""
    assert sender.events == [ContentionLost()]
    assert sender.wait(0.9) == b""
    assert sender.wait(0.2) == ENQ
    assert sender.receive(ACK) == encode(TEXT, 1)


def test_contention_is_no_failed_try(make_sender):
    sender = make_sender(message_tries=1)
    sender.send(TEXT)
    for _ in range(3):
        sender.receive(ENQ)
        assert sender.wait(20) == ENQ
    assert sender.receive(ACK) == encode(TEXT, 1)
