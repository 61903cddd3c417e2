"""Section A of the conformance list: the host as receiver takes up a link."""

import pytest

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.events import (
    BytesIgnored,
    Cause,
    EnquiryRefused,
    FrameReceived,
    TransferEnded,
    TransferStarted,
)
from protocols.astm.frame import encode
from protocols.errors import Reason

MESSAGE = b"H|\\^&\rP|1\rL|1|N\r"


@pytest.mark.conformance(1)
def test_item_001_enq_is_acknowledged_and_frame_1_expected(host):
    assert host.receive(ENQ) == ACK
    assert host.events == [TransferStarted()]
    assert host.receive(encode(b"H|\\^&\r", 2)) == NAK
    assert host.receive(encode(b"H|\\^&\r", 1)) == ACK


@pytest.mark.conformance(2)
@pytest.mark.parametrize(
    "data",
    [encode(MESSAGE, 1), ACK, NAK, b"\x00\xff noise", ACK * 3],
    ids=["frame", "ack", "nak", "noise", "echo of our own replies"],
)
def test_item_002_other_bytes_on_an_idle_link_get_no_reply(host, data):
    assert host.receive(data) == b""
    assert host.events[0].reason is Reason.UNEXPECTED_BYTE
    assert host.session.is_neutral
    assert host.receive(ENQ) == ACK


@pytest.mark.conformance(3)
def test_item_003_eot_on_an_idle_link_means_nothing(host):
    assert host.receive(EOT) == b""
    assert host.events == []
    assert host.session.is_neutral


@pytest.mark.conformance(4)
def test_item_004_a_host_that_is_not_ready_answers_nak(host):
    host.session.set_ready(False)
    assert host.receive(ENQ) == NAK
    assert host.events == [EnquiryRefused()]
    host.session.set_ready(True)
    assert host.receive(ENQ) == ACK


@pytest.mark.conformance(5)
def test_item_005_a_link_that_never_receives_answers_nak(make_host):
    host = make_host(direction="send_only")
    assert host.receive(ENQ) == NAK
    assert host.receive(ENQ) == NAK


@pytest.mark.conformance(6)
def test_item_006_enq_eot_keeps_alive(host):
    assert host.receive(ENQ + EOT) == ACK
    assert host.events == [TransferStarted(), TransferEnded(Cause.EOT, False, False)]
    assert host.session.is_neutral
    assert host.session.deadline is None


@pytest.mark.conformance(7)
def test_item_007_enq_in_a_transfer_begins_it_anew(host):
    assert host.receive(ENQ + encode(b"H|\\^&\r", 1)) == ACK + ACK
    assert host.receive(ENQ) == ACK
    assert host.events[-2:] == [TransferEnded(Cause.RESTART, True, True), TransferStarted()]
    assert host.receive(encode(MESSAGE, 1)) == ACK


@pytest.mark.conformance(7)
def test_item_007_enq_in_a_transfer_is_refused_by_a_host_that_became_unready(host):
    host.receive(ENQ)
    host.session.set_ready(False)
    assert host.receive(ENQ) == NAK
    assert host.events[-2:] == [TransferEnded(Cause.RESTART, False, False), EnquiryRefused()]
    assert host.session.is_neutral


@pytest.mark.conformance(8)
def test_item_008_enq_and_frame_in_one_read(host):
    assert host.receive(ENQ + encode(MESSAGE, 1) + EOT) == ACK + ACK
    assert host.text == MESSAGE


@pytest.mark.conformance(8)
def test_item_008_eot_and_enq_in_one_read(host):
    session = ENQ + encode(MESSAGE, 1) + EOT
    assert host.receive(session + session) == (ACK + ACK) * 2
    assert host.text == MESSAGE * 2


@pytest.mark.conformance(9)
def test_item_009_enq_while_a_commit_is_in_flight_waits_for_it(host):
    host.storing = False
    host.deliver(ENQ + encode(MESSAGE, 1) + EOT + ENQ)
    assert host.written == ACK
    assert host.acknowledge() == ACK + ACK
    assert host.events[-2:] == [TransferEnded(Cause.EOT, False, True), TransferStarted()]


@pytest.mark.conformance(9)
@pytest.mark.parametrize("first", [EOT, b""], ids=["EOT ENQ", "ENQ"])
def test_item_009_a_reply_nobody_waits_for_is_not_sent(host, first):
    host.storing = False
    host.deliver(ENQ + encode(MESSAGE, 1))
    host.wait(3)
    assert host.deliver(first + ENQ) == ACK
    late = host.owed[0]
    assert host.acknowledge(late) == b""
    assert host.deliver(encode(b"H|\\^&\r", 1)) == b""
    assert host.acknowledge(late) == b""
    assert host.acknowledge() == ACK


@pytest.mark.conformance(10)
def test_item_010_links_do_not_know_each_other(make_host):
    one, other = make_host(), make_host()
    assert one.receive(ENQ) == ACK
    assert other.events == []
    assert other.session.is_neutral
    assert other.receive(encode(MESSAGE, 1)) == b""
    assert one.receive(encode(MESSAGE, 1)) == ACK
    assert one.told(FrameReceived)
    assert not other.told(FrameReceived)
    assert other.told(BytesIgnored)
