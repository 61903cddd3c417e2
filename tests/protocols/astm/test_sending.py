"""Section E: the host as sender."""

import pytest

from protocols.astm.control import ACK, ENQ, EOT, ETX, NAK, STX
from protocols.astm.events import Failure, Interrupted, MessageFailed, MessageSent
from protocols.astm.frame import encode
from protocols.errors import LocalProtocolError

HEADER = b"H|\\^&\r"
END = b"L|1|N\r"


@pytest.mark.conformance(55)
def test_item_055_enq_is_sent_and_its_ack_brings_frame_1(sender):
    assert sender.send(HEADER, END) == ENQ
    assert sender.wait(14) == b""
    assert sender.receive(ACK) == encode(HEADER, 1)


@pytest.mark.conformance(56)
def test_item_056_nak_to_enq_is_a_pause_of_ten_seconds(sender):
    sender.send(HEADER)
    assert sender.receive(NAK) == b""
    assert sender.wait(9.9) == b""
    assert sender.wait(0.2) == ENQ
    assert sender.receive(ACK) == encode(HEADER, 1)


@pytest.mark.conformance(56)
def test_item_056_after_the_last_try_the_message_is_given_back(make_sender):
    sender = make_sender(message_tries=3)
    sender.send(HEADER)
    sender.send(END, message_id="m2")
    for _ in range(3):
        assert sender.events == []
        sender.receive(NAK)
        assert sender.wait(10) == ENQ
    assert sender.events == [MessageFailed("m1", Failure.REFUSED)]
    assert sender.receive(ACK) == encode(END, 1)


@pytest.mark.conformance(57)
def test_item_057_no_reply_to_enq_in_15_seconds(sender):
    sender.send(HEADER)
    assert sender.wait(14.9) == b""
    assert sender.wait(0.2) == EOT
    assert sender.session.is_neutral
    assert sender.wait(10) == ENQ


@pytest.mark.conformance(58)
@pytest.mark.parametrize("reply", [b"x", EOT, b"\x00\xff\r\n"])
def test_item_058_other_replies_to_enq_are_ignored(sender, reply):
    sender.send(HEADER)
    assert sender.receive(reply) == b""
    assert sender.receive(ACK) == encode(HEADER, 1)


@pytest.mark.conformance(59)
def test_item_059_ack_brings_the_next_frame_or_eot(sender):
    sender.send(HEADER, END)
    assert sender.receive(ACK) == encode(HEADER, 1)
    assert sender.receive(ACK) == encode(END, 2)
    assert sender.events == []
    assert sender.receive(ACK) == EOT
    assert sender.events == [MessageSent("m1")]
    assert sender.session.deadline is None


@pytest.mark.conformance(60)
@pytest.mark.parametrize("reply", [NAK, b"x", ENQ], ids=["NAK", "other", "ENQ"])
@pytest.mark.parametrize("role", ["computer", "instrument"])
def test_item_060_a_refused_frame_is_sent_six_times(make_sender, reply, role):
    sender = make_sender(role=role, message_tries=2)
    sender.send(HEADER)
    for _ in range(2):
        assert sender.receive(ACK) == encode(HEADER, 1)
        for _ in range(5):
            assert sender.receive(reply) == encode(HEADER, 1)
        assert sender.receive(reply) == EOT
        sender.wait(10)
    assert sender.events == [MessageFailed("m1", Failure.NOT_ACCEPTED)]
    assert sender.session.is_neutral


@pytest.mark.conformance(60)
def test_item_060_each_frame_has_six_tries_of_its_own(sender):
    sender.send(HEADER, END)
    sender.receive(ACK)
    for _ in range(5):
        sender.receive(NAK)
    assert sender.receive(ACK) == encode(END, 2)
    for _ in range(5):
        assert sender.receive(NAK) == encode(END, 2)
    assert sender.receive(ACK) == EOT
    assert sender.events == [MessageSent("m1")]


@pytest.mark.conformance(59)
def test_item_059_a_surplus_ack_does_not_count_for_the_next_frame(sender):
    sender.send(HEADER, END)
    assert sender.deliver(ACK + ACK) == encode(HEADER, 1)
    assert sender.deliver(ACK + ACK) == encode(END, 2)
    assert sender.deliver(ACK + ENQ) == EOT + ACK


@pytest.mark.conformance(61)
def test_item_061_no_reply_to_a_frame_repeats_the_whole_message_later(sender):
    sender.send(HEADER, END)
    sender.receive(ACK)
    assert sender.receive(ACK) == encode(END, 2)
    assert sender.wait(15) == EOT
    assert sender.wait(10) == ENQ
    assert sender.receive(ACK) == encode(HEADER, 1)


@pytest.mark.conformance(61)
def test_item_061_silence_again_and_again_gives_the_message_back(make_sender):
    sender = make_sender(message_tries=2)
    sender.send(HEADER)
    sender.wait(100)
    assert sender.events == [MessageFailed("m1", Failure.NO_REPLY)]
    assert sender.written == ENQ + EOT + ENQ + EOT


@pytest.mark.conformance(62)
@pytest.mark.parametrize("last", [ACK, EOT], ids=["ACK", "EOT"])
def test_item_062_eot_as_reply_ends_the_transfer_after_the_message(sender, last):
    sender.send(HEADER, b"P|1\r", END)
    sender.send(HEADER, message_id="m2")
    sender.receive(ACK)
    assert sender.receive(EOT) == encode(b"P|1\r", 2)
    assert sender.receive(NAK) == encode(b"P|1\r", 2)
    assert sender.receive(EOT) == encode(END, 3)
    assert sender.receive(last) == EOT
    assert sender.events == [Interrupted(), MessageSent("m1")]
    assert sender.wait(14.9) == b""
    assert sender.wait(0.2) == ENQ


@pytest.mark.conformance(62)
def test_item_062_eot_as_the_last_reply(sender):
    sender.send(HEADER)
    sender.send(HEADER, message_id="m2")
    sender.receive(ACK)
    assert sender.receive(EOT) == EOT
    assert sender.events == [Interrupted(), MessageSent("m1")]
    assert sender.wait(14.9) == b""


@pytest.mark.conformance(62)
def test_item_062_the_peers_own_session_ends_the_wait(sender):
    sender.send(HEADER)
    sender.send(HEADER, message_id="m2")
    sender.receive(ACK)
    sender.receive(EOT)
    assert sender.receive(ENQ + encode(END, 1)) == ACK + ACK
    assert sender.receive(EOT) == ENQ


def test_an_interrupted_message_can_fail(make_sender):
    sender = make_sender(message_tries=1)
    sender.send(HEADER, END)
    sender.receive(ACK)
    sender.receive(EOT)
    assert sender.wait(15) == EOT
    assert sender.events == [Interrupted(), MessageFailed("m1", Failure.NO_REPLY)]


@pytest.mark.conformance(63)
@pytest.mark.parametrize("max_text", [240, 5, 63_993])
def test_item_063_long_texts_are_cut(make_sender, max_text):
    sender = make_sender(max_text=max_text)
    text = b"H|\\^&|" + b"x" * 1000 + b"\r"
    sender.send(text)
    pieces = [text[i : i + max_text] for i in range(0, len(text), max_text)]
    for number, piece in enumerate(pieces, 1):
        assert sender.receive(ACK) == encode(piece, number, end=number == len(pieces))
    assert sender.receive(ACK) == EOT


@pytest.mark.conformance(63)
def test_item_063_each_message_has_frames_of_its_own(sender):
    sender.send(HEADER)
    sender.send(END, message_id="m2")
    assert sender.receive(ACK) == encode(HEADER, 1)
    assert sender.receive(ACK) == EOT + ENQ
    assert sender.receive(ACK) == encode(END, 1)
    assert sender.receive(ACK) == EOT
    assert sender.events == [MessageSent("m1"), MessageSent("m2")]


@pytest.mark.conformance(64)
@pytest.mark.parametrize("code", b"\x01\x02\x03\x04\x05\x06\x0a\x10\x11\x12\x13\x14\x15\x16\x17")
def test_item_064_restricted_characters_are_never_sent(sender, code):
    with pytest.raises(LocalProtocolError):
        sender.send(HEADER, b"C|1|L|a" + bytes([code]) + b"b\r")
    assert sender.written == b""


@pytest.mark.parametrize("framing", ["e1381", "simplified"])
def test_a_session_with_nothing_between_says_that_there_is_no_order(make_sender, framing):
    sender = make_sender(framing=framing)
    assert sender.send() == ENQ
    assert sender.receive(NAK) == b""
    assert sender.wait(10) == ENQ
    assert sender.receive(ACK) == EOT
    assert sender.events == [MessageSent("m1")]


def test_simplified_framing_sends_its_four_pieces_one_by_one(make_sender):
    sender = make_sender(framing="simplified")
    assert sender.send(HEADER, END) == ENQ
    assert sender.receive(ACK) == STX
    assert sender.receive(ACK) == HEADER + END + ETX
    assert sender.receive(NAK) == HEADER + END + ETX
    assert sender.receive(ACK) == EOT
    assert sender.events == [MessageSent("m1")]
    assert sender.deliver(ACK) == b""  # that of EOT


@pytest.mark.conformance(65)
def test_item_065_a_link_that_only_receives_never_sends_enq(make_sender):
    sender = make_sender(direction="receive_only")
    with pytest.raises(LocalProtocolError):
        sender.send(HEADER)
    assert sender.wait(100) == b""


@pytest.mark.conformance(66)
def test_item_066_nothing_is_sent_in_the_peers_transfer_phase(sender):
    sender.receive(ENQ)
    assert sender.send(HEADER) == b""
    assert sender.receive(encode(HEADER, 1)) == ACK
    assert sender.wait(25) == b""
    assert sender.receive(EOT) == ENQ


@pytest.mark.conformance(66)
def test_item_066_the_peers_silence_frees_the_line(sender):
    sender.receive(ENQ)
    sender.send(HEADER)
    assert sender.wait(31) == ENQ


def test_order_is_kept_over_failures(sender):
    for name in ("m1", "m2", "m3"):
        sender.send(HEADER, message_id=name)
    sender.receive(NAK)
    sender.wait(10)
    while not sender.session.is_neutral:
        sender.receive(ACK)
    assert [event.message_id for event in sender.told(MessageSent)] == ["m1", "m2", "m3"]


def test_a_lost_line_gives_every_message_back(sender):
    sender.send(HEADER)
    sender.send(HEADER, message_id="m2")
    sender.receive(ACK)
    sender.hang_up()
    assert sender.events == [
        MessageFailed("m1", Failure.LINE_LOST),
        MessageFailed("m2", Failure.LINE_LOST),
    ]
    assert sender.session.deadline is None


def test_the_peer_may_bid_while_the_sender_pauses(sender):
    sender.send(HEADER)
    sender.receive(NAK)
    assert sender.receive(ENQ) == ACK
    assert sender.wait(15) == b""
    assert sender.receive(EOT) == ENQ
