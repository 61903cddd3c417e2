"""Section D: replies and the receiver's timers."""

import pytest

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.events import (
    BytesIgnored,
    Cause,
    CommitTimedOut,
    FrameReceived,
    FrameRejected,
    FrameRepeated,
    TransferEnded,
)
from protocols.astm.frame import encode
from protocols.errors import LocalProtocolError, Reason

HEADER = b"H|\\^&\r"
MESSAGE = b"H|\\^&\rP|1\rL|1|N\r"


@pytest.fixture
def open_host(host):
    host.receive(ENQ)
    return host


@pytest.fixture
def slow_host(open_host):
    """A host that owes the reply to a whole message in frame 1."""
    open_host.storing = False
    open_host.deliver(encode(MESSAGE, 1))
    return open_host


def ended(host) -> TransferEnded:
    (event,) = host.told(TransferEnded)
    return event


@pytest.mark.conformance(41)
def test_item_041_one_byte_to_each_frame_and_none_unsolicited(open_host):
    assert open_host.wait(5) == b""
    assert open_host.receive(encode(HEADER, 1)) == ACK
    assert open_host.wait(5) == b""
    assert open_host.receive(encode(b"P|1\r", 5)) == NAK
    assert open_host.wait(5) == b""
    assert open_host.receive(b"noise" + EOT) == b""
    assert open_host.wait(100) == b""


@pytest.mark.conformance(42)
def test_item_042_a_commit_that_takes_too_long_is_answered_with_nak(slow_host):
    assert slow_host.wait(9.9) == b""
    assert slow_host.wait(0.2) == NAK
    assert slow_host.told(CommitTimedOut) == [CommitTimedOut(1)]


@pytest.mark.conformance(42)
def test_item_042_a_frame_stored_late_is_known_when_it_comes_again(slow_host):
    slow_host.wait(11)
    assert slow_host.acknowledge() == b""
    assert slow_host.deliver(encode(MESSAGE, 1)) == ACK
    assert len(slow_host.told(FrameReceived)) == 1
    assert slow_host.told(FrameRepeated)


@pytest.mark.conformance(42)
def test_item_042_a_frame_in_flight_that_comes_again_is_owed_again(slow_host):
    slow_host.wait(11)
    assert slow_host.deliver(encode(MESSAGE, 1)) == b""
    assert slow_host.acknowledge() == ACK
    assert len(slow_host.told(FrameReceived)) == 1


@pytest.mark.conformance(42)
def test_item_042_another_frame_is_refused_until_the_first_is_stored_or_not(slow_host):
    slow_host.wait(11)
    assert slow_host.deliver(encode(HEADER, 1)) == NAK
    assert slow_host.deliver(encode(HEADER, 2)) == NAK
    assert slow_host.refuse() == b""
    assert slow_host.deliver(encode(HEADER, 1)) == b""
    assert slow_host.acknowledge() == ACK


@pytest.mark.conformance(42)
def test_item_042_nobody_waits_for_the_reply_to_a_frame_before_eot(slow_host):
    assert slow_host.deliver(EOT) == b""
    assert slow_host.wait(11) == b""
    assert ended(slow_host).cause is Cause.EOT
    assert slow_host.acknowledge() == b""


def test_a_frame_that_could_not_be_stored_is_refused_and_comes_again(slow_host):
    assert slow_host.refuse() == NAK
    assert slow_host.deliver(encode(MESSAGE, 1)) == b""
    assert len(slow_host.told(FrameReceived)) == 2
    assert slow_host.refuse() == NAK
    assert slow_host.refuse() == b""


@pytest.mark.conformance(43)
def test_item_043_thirty_silent_seconds_end_the_transfer(open_host):
    open_host.receive(encode(HEADER, 1, end=False))
    assert open_host.wait(29.9) == b""
    assert not open_host.session.is_neutral
    assert open_host.wait(0.2) == b""
    assert ended(open_host) == TransferEnded(Cause.TIMEOUT, True, False)
    assert open_host.receive(ENQ) == ACK
    assert open_host.receive(encode(MESSAGE, 1)) == ACK


@pytest.mark.conformance(43)
def test_item_043_half_a_frame_is_set_aside_with_its_bytes(open_host):
    half = encode(HEADER, 1)[:5]
    open_host.deliver(half)
    open_host.wait(31)
    assert open_host.told(BytesIgnored) == [BytesIgnored(half, Reason.TRUNCATED_FRAME)]
    assert open_host.session.is_neutral
    assert open_host.receive(ENQ + encode(MESSAGE, 1)) == ACK + ACK


@pytest.mark.conformance(43)
@pytest.mark.parametrize("babble", [b"noise", b"x"], ids=["words", "bytes"])
def test_item_043_noise_is_no_sign_of_life(open_host, babble):
    for _ in range(40):
        open_host.deliver(babble)
        open_host.wait(1)
    assert open_host.session.is_neutral


@pytest.mark.conformance(43)
def test_item_043_an_endless_frame_is_no_sign_of_life(make_host):
    host = make_host(max_frame=247)
    host.deliver(ENQ + encode(b"", 1)[:1])
    for _ in range(40):
        host.deliver(b"x" * 100)
        host.wait(1)
    assert host.session.is_neutral


@pytest.mark.conformance(44)
@pytest.mark.parametrize("end", ["timeout", "eof"])
def test_item_044_a_message_with_its_terminator_needs_no_eot(open_host, end):
    open_host.receive(encode(HEADER, 1) + encode(b"L|1|N\r", 2))
    if end == "timeout":
        open_host.wait(31)
    else:
        open_host.hang_up()
    assert open_host.told(FrameReceived)[-1].completes_message
    assert ended(open_host) == TransferEnded(Cause(end), False, True)


@pytest.mark.conformance(45)
@pytest.mark.parametrize("end", ["timeout", "eof"])
def test_item_045_a_message_without_its_terminator_is_told_as_open(open_host, end):
    open_host.receive(encode(HEADER, 1) + encode(b"P|1\r", 2))
    if end == "timeout":
        open_host.wait(31)
    else:
        open_host.hang_up()
    assert ended(open_host) == TransferEnded(Cause(end), True, True)


@pytest.mark.conformance(46)
def test_item_046_no_frame_is_acknowledged_before_it_is_stored(slow_host):
    assert slow_host.wait(5) == b""
    assert slow_host.acknowledge() == ACK


@pytest.mark.conformance(48)
def test_item_048_eot_returns_to_neutral_without_reply(open_host):
    open_host.receive(encode(MESSAGE, 1))
    assert open_host.receive(EOT) == b""
    assert ended(open_host) == TransferEnded(Cause.EOT, False, True)
    assert open_host.session.is_neutral
    assert open_host.session.deadline is None


@pytest.mark.conformance(49)
def test_item_049_eot_after_an_intermediate_frame_is_an_abort(open_host):
    open_host.receive(encode(HEADER, 1, end=False) + EOT)
    assert ended(open_host) == TransferEnded(Cause.EOT, True, False)


@pytest.mark.conformance(49)
def test_item_049_eot_after_a_refused_frame_is_an_abort(open_host):
    open_host.receive(encode(HEADER, 1))
    damaged = encode(b"P|1\r", 2).replace(b"P", b"Q")
    assert open_host.receive(damaged * 6 + EOT) == NAK * 6
    assert ended(open_host) == TransferEnded(Cause.EOT, True, False)


@pytest.mark.conformance(49)
def test_item_049_eot_after_a_frame_that_could_not_be_stored_is_an_abort(open_host):
    open_host.receive(encode(HEADER, 1))
    open_host.storing = False
    open_host.deliver(encode(b"P|1\r", 2))
    assert open_host.refuse() == NAK
    open_host.deliver(EOT)
    assert ended(open_host) == TransferEnded(Cause.EOT, True, False)


@pytest.mark.conformance(49)
@pytest.mark.parametrize("stored", ["never", "late"])
def test_item_049_eot_after_a_commit_that_took_too_long_is_an_abort(open_host, stored):
    open_host.storing = False
    open_host.deliver(encode(HEADER, 1))
    assert open_host.wait(11) == NAK
    if stored == "late":
        open_host.acknowledge()
    open_host.deliver(EOT)
    assert ended(open_host) == TransferEnded(Cause.EOT, True, False)


@pytest.mark.parametrize("again", [encode(HEADER, 1), encode(b"P|1\r", 2)], ids=["last", "next"])
def test_eot_after_a_refused_frame_was_made_good_ends_the_message(open_host, again):
    open_host.receive(encode(HEADER, 1))
    assert open_host.receive(encode(b"P|1\r", 5) + again + EOT) == NAK + ACK
    assert ended(open_host) == TransferEnded(Cause.EOT, True, True)


@pytest.mark.conformance(50)
def test_item_050_receiver_interrupt(make_host):
    host = make_host(receiver_interrupt=True)
    host.deliver(ENQ)
    host.session.request_interrupt()
    assert host.deliver(encode(HEADER, 1)) == EOT
    # Ignored: the sender goes on, and is asked again; a repeated frame too.
    assert host.deliver(encode(b"P|1\r", 2)) == EOT
    assert host.deliver(encode(b"P|1\r", 2)) == EOT
    host.send(b"H|\\^&\rL|1|N\r")
    assert host.deliver(EOT) == ENQ
    assert host.deliver(ACK) == encode(b"H|\\^&\rL|1|N\r", 1)
    host.deliver(ACK)
    host.deliver(ENQ)
    assert host.deliver(encode(HEADER, 1)) == ACK


@pytest.mark.conformance(50)
def test_item_050_receiver_interrupt_is_off_by_default(open_host):
    with pytest.raises(LocalProtocolError):
        open_host.session.request_interrupt()


@pytest.mark.conformance(51)
def test_item_051_a_line_lost_in_mid_frame_leaves_nothing_behind(open_host):
    half = encode(HEADER, 1)[:5]
    open_host.deliver(half)
    assert open_host.hang_up() == b""
    assert open_host.told(BytesIgnored) == [BytesIgnored(half, Reason.TRUNCATED_FRAME)]
    assert ended(open_host).cause is Cause.EOF
    assert open_host.session.deadline is None
    assert open_host.receive(ENQ + encode(MESSAGE, 1)) == ACK + ACK


def test_a_line_lost_while_a_reply_is_owed(slow_host):
    slow_host.hang_up()
    assert ended(slow_host) == TransferEnded(Cause.EOF, False, True)
    assert slow_host.acknowledge() == b""


def test_a_line_lost_after_eot_while_a_reply_is_owed_ended_by_eot(slow_host):
    slow_host.deliver(EOT)
    slow_host.hang_up()
    assert ended(slow_host).cause is Cause.EOT


def test_a_line_error_while_a_reply_is_owed_is_told(slow_host):
    slow_host.session.line_error(slow_host.now)
    slow_host.settle()
    assert slow_host.told(BytesIgnored) == [BytesIgnored(b"", Reason.LINE_ERROR)]
    assert slow_host.acknowledge() == ACK


def test_a_line_lost_on_a_neutral_link_is_nothing(host):
    host.hang_up()
    assert host.events == []


def test_a_message_without_terminator_before_the_next_header(open_host):
    open_host.receive(encode(HEADER, 1) + encode(MESSAGE, 2))
    assert [event.starts_message for event in open_host.told(FrameReceived)] == [True, True]


@pytest.mark.conformance(92)
@pytest.mark.parametrize("switch", [{"max_message": 50}, {"max_records": 6}])
def test_item_092_a_message_beyond_its_budget_is_refused(make_host, switch):
    host = make_host(**switch)
    host.receive(ENQ)
    host.receive(encode(HEADER, 1))
    for number in range(2, 7):
        host.receive(encode(b"C|1|I|x\r", number))
    assert host.receive(encode(b"C|1|I|x\r", 7)) == NAK
    assert host.told(FrameRejected)[-1].reason is Reason.MESSAGE_TOO_LONG
    assert host.receive(EOT) == b""
    assert ended(host).message_open


def test_timers_may_be_looked_at_too_early(open_host):
    open_host.deliver(encode(HEADER, 1)[:5])
    for _ in range(6):
        open_host.now += 5
        open_host.session.handle_timer(open_host.now)
        open_host.settle()
    assert open_host.session.is_neutral
