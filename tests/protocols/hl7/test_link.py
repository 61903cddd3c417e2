"""Section I of the conformance list: blocks, and what a link does with what is none."""

import pytest

from protocols.errors import LocalProtocolError, Reason
from protocols.events import BytesIgnored
from protocols.hl7 import mllp
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import (
    BlockRejected,
    BlockTolerated,
    MessageReceived,
    MessageRefused,
    ReplyTimedOut,
)
from protocols.hl7.mllp import CR, EVIDENCE, FS, VT, unframe
from tests.protocols.hl7.samples import block, message


@pytest.mark.conformance(115)
def test_item_115_a_block_is_a_message(host, codes):
    assert codes(host.receive(block("7"))) == ["AA 7"]
    (event,) = host.told(MessageReceived)
    assert event.raw == block("7")
    assert event.content == message("7")
    assert event.header.control_id == event.identity.control_id == "7"
    assert host.events == [event]


@pytest.mark.conformance(116)
def test_item_116_messages_joined_or_cut_are_handled_once_and_in_order(host, codes):
    wire = b"".join(block(str(number)) for number in range(1, 6))
    assert codes(host.receive(wire)) == [f"AA {number}" for number in range(1, 6)]
    assert host.contents == [message(str(number)) for number in range(1, 6)]


@pytest.mark.conformance(116, 119)
def test_a_long_message_byte_by_byte_is_read_once(make_host, codes):
    host = make_host()
    picture = "A" * 200_000
    wire = block("7", "ORU^R01", f"OBX|1|ED|P||^Image^BMP^Base64^{picture}")
    assert codes(host.receive(wire)) == ["AA 7"]
    assert len(host.session._stream) <= 2


@pytest.mark.conformance(117)
@pytest.mark.parametrize("noise", [b"hello", b"\x05", b"MSH|no start", b"\x1cx"])
def test_item_117_bytes_before_the_start_are_ignored_and_told(host, codes, noise):
    assert codes(host.receive(noise + block("7"))) == ["AA 7"]
    assert host.told(BytesIgnored) == [BytesIgnored(noise, Reason.UNEXPECTED_BYTE)]


@pytest.mark.conformance(117)
def test_item_117_a_start_within_a_message_begins_anew(host, codes):
    assert codes(host.receive(block("6")[:-20] + block("7"))) == ["AA 7"]
    assert host.events[0] == BytesIgnored(block("6")[:-20], Reason.TRUNCATED_FRAME)


@pytest.mark.parametrize("ends", [b"\r", b"\n", b"\r\n", b"\r\r\n\r"])
def test_line_ends_between_blocks_are_nothing(host, codes, ends):
    assert codes(host.receive(ends + block("6") + ends + block("7"))) == ["AA 6", "AA 7"]
    assert host.told(BytesIgnored) == []


def test_a_message_without_start_is_ignored_and_the_next_is_read(host, codes):
    assert codes(host.receive(block("6")[1:] + block("7"))) == ["AA 7"]
    assert host.told(BytesIgnored)[0].raw.startswith(b"MSH")


@pytest.mark.conformance(118)
@pytest.mark.parametrize(
    ("end", "deviation"), [(FS, "no_cr"), (FS + b"\n", "lf_for_cr")], ids=["FS", "FS LF"]
)
def test_item_118_another_end_is_accepted_and_told(host, codes, end, deviation):
    wire = VT + message("6") + end
    assert codes(host.receive(wire + block("7"))) == ["AA 6", "AA 7"]
    assert host.told(BlockTolerated) == [BlockTolerated((deviation,))]
    assert host.told(MessageReceived)[0].raw == wire


@pytest.mark.conformance(118)
def test_item_118_a_missing_end_never_hangs(make_host, codes):
    host = make_host(trailer_timeout=0.5)
    assert host.deliver(VT + message("7") + FS) == b""
    assert codes(host.wait(0.5)) == ["AA 7"]
    assert host.told(BlockTolerated) == [BlockTolerated(("no_cr",))]
    assert host.deliver(CR) == b""
    assert host.session.is_neutral


@pytest.mark.conformance(118)
@pytest.mark.parametrize("switches", [{}, {"block_end": "strict"}])
def test_item_118_what_goes_on_after_the_end_is_refused_and_the_next_read(
    make_host, codes, switches
):
    host = make_host(**switches)
    broken = VT + message("6") + FS
    assert codes(host.receive(broken + b"OBX|2\r" + block("7"))) == ["AE 6", "AA 7"]
    assert host.told(BlockRejected) == [BlockRejected(broken, Reason.BAD_BLOCK_END)]
    assert host.contents == [message("7")]


@pytest.mark.conformance(118)
@pytest.mark.parametrize("end", [FS, FS + b"\n"], ids=["FS", "FS LF"])
def test_item_118_a_strict_link_refuses_another_end(make_host, codes, end):
    host = make_host(block_end="strict")
    assert codes(host.receive(VT + message("6") + end + block("7"))) == ["AE 6", "AA 7"]
    assert host.told(BlockRejected) == [BlockRejected(VT + message("6") + FS, Reason.BAD_BLOCK_END)]


def test_a_strict_link_waits_for_the_end_and_then_drops_the_message(make_host):
    host = make_host(block_end="strict")
    assert host.deliver(VT + message("7") + FS) == b""
    assert host.wait(29) == b""
    assert host.events == []
    assert host.wait(1) == b""
    assert host.events == [BytesIgnored(VT + message("7") + FS, Reason.TRUNCATED_FRAME)]


def test_a_link_known_to_send_no_end_does_not_wait_for_it(make_host, codes):
    host = make_host(block_end="fs")
    assert codes(host.receive(VT + message("7") + FS)) == ["AA 7"]
    assert codes(host.receive(block("8"))) == ["AA 8"]
    assert host.told(BlockTolerated) == []


def test_an_answer_to_a_bad_block_is_never_an_answer_to_an_acknowledgment(host):
    assert host.receive(VT + message("6", "ACK", "MSA|AA|1") + FS + b"x") == b""
    assert host.receive(VT + b"nothing" + FS + b"x") == b""
    assert len(host.told(BlockRejected)) == 2


@pytest.mark.conformance(119)
def test_item_119_a_message_up_to_the_limit_is_taken(make_host, codes):
    host = make_host(max_message=len(message("7")))
    assert codes(host.receive(block("7"))) == ["AA 7"]


@pytest.mark.conformance(119)
def test_item_119_a_message_beyond_the_limit_is_refused_in_bounded_memory(make_host, codes):
    host = make_host(max_message=100_000)
    long = block("6", "ORU^R01", "OBX|1|ED|" + "A" * 300_000)
    assert codes(host.receive(long + block("7"))) == ["AE 6", "AA 7"]
    assert host.told(BlockRejected) == [BlockRejected(long[:EVIDENCE], Reason.MESSAGE_TOO_LONG)]
    assert host.contents == [message("7")]


@pytest.mark.conformance(119)
def test_item_119_a_start_ends_a_message_that_is_too_long(make_host, codes):
    host = make_host(max_message=200)
    assert codes(host.receive(VT + b"x" * 500 + block("7"))) == ["AA 7"]
    (event,) = host.told(BytesIgnored)
    assert event == BytesIgnored(VT + b"x" * 201, Reason.MESSAGE_TOO_LONG)


@pytest.mark.conformance(119, 120)
def test_item_119_an_endless_message_is_no_sign_of_life(make_host):
    host = make_host(max_message=200, receive_timeout=30.0)
    for _ in range(40):
        assert host.deliver(VT * host.session.is_neutral + b"x" * 100) == b""
        host.wait(1)
        assert len(host.session._stream) <= 202
    assert host.told(BytesIgnored)[0].reason is Reason.MESSAGE_TOO_LONG


@pytest.mark.conformance(120)
def test_item_120_half_a_message_and_silence_frees_the_memory_unanswered(host, codes):
    half = block("6")[:-2]
    host.deliver(half[:10])
    assert host.wait(29) == b""
    host.deliver(half[10:])
    assert host.wait(29) == b""
    assert host.told(BytesIgnored) == []
    assert host.wait(1) == b""
    assert host.told(BytesIgnored) == [BytesIgnored(half, Reason.TRUNCATED_FRAME)]
    assert host.session.is_neutral
    assert len(host.session._stream) == 0
    assert codes(host.receive(block("7"))) == ["AA 7"]


@pytest.mark.conformance(122)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CR LF"])
def test_item_122_segments_that_end_with_lf_are_answered(host, codes, end):
    wire = VT + message("7").replace(CR, end) + FS + CR
    assert codes(host.receive(wire)) == ["AA 7"]


@pytest.mark.conformance(123)
def test_item_123_pipelined_messages_are_announced_and_answered_one_by_one(make_host, codes):
    host = make_host()
    host.storing = False
    assert host.receive(block("1") + block("2")) == b""
    assert host.contents == [message("1")]
    assert codes(host.acknowledge()) == ["AA 1"]
    assert host.contents == [message("1"), message("2")]
    assert codes(host.acknowledge()) == ["AA 2"]
    assert host.session.is_neutral


@pytest.mark.conformance(123, 171)
def test_item_123_no_more_than_the_backlog_is_read_ahead(make_host, codes):
    host = make_host(max_backlog=2 * len(block("1")))
    host.storing = False
    host.receive(b"".join(block(str(number)) for number in range(1, 9)))
    assert host.session.is_congested
    assert len(host.session._waiting) == 3
    assert host.session.deadline == host.now + 10
    host.storing = True
    assert codes(host.acknowledge()) == [f"AA {number}" for number in range(1, 9)]
    assert not host.session.is_congested


@pytest.mark.parametrize("empty", [b"", b"\r", b" \r\n", b"\x06", b"\x15"])
def test_a_block_without_message_is_ignored(host, empty):
    assert host.receive(VT + empty + FS + CR) == b""
    assert host.told(BytesIgnored) == [BytesIgnored(VT + empty + FS + CR, Reason.UNEXPECTED_BYTE)]


@pytest.mark.conformance(165)
def test_item_165_nothing_is_answered_before_the_message_is_stored(make_host, codes):
    host = make_host(commit_timeout=10.0)
    host.storing = False
    assert host.receive(block("7")) == b""
    assert host.wait(9) == b""
    assert codes(host.acknowledge()) == ["AA 7"]
    assert host.acknowledge() == b""


@pytest.mark.conformance(166, 167)
def test_item_166_and_167_what_finds_no_room_is_answered_as_an_error(make_host, codes):
    host = make_host()
    host.storing = False
    host.receive(block("7"))
    assert codes(host.refuse()) == ["AE 7"]
    assert host.refuse() == b""
    host.storing = True
    assert codes(host.receive(block("7"))) == ["AA 7"]


@pytest.mark.conformance(166)
def test_item_166_a_link_that_is_not_ready_announces_nothing(host, codes):
    host.session.set_ready(False)
    assert codes(host.receive(block("7"))) == ["AE 7"]
    assert host.told(MessageRefused) == [MessageRefused(block("7"))]
    assert host.contents == []
    host.session.set_ready(True)
    assert codes(host.receive(block("7"))) == ["AA 7"]


def test_a_slow_disk_is_answered_as_an_error_and_a_late_commit_is_silent(make_host, codes):
    host = make_host(commit_timeout=10.0)
    host.storing = False
    host.receive(block("7") + block("8"))
    assert codes(host.wait(10)) == ["AE 7"]
    assert host.told(ReplyTimedOut) == [ReplyTimedOut(host.owed[0], stored=False)]
    host.session.acknowledge(host.now, host.owed[0])
    assert host.settle() == b""
    assert codes(host.acknowledge()) == ["AA 8"]


def test_what_came_whole_before_the_line_was_lost_is_announced_and_not_answered(make_host):
    host = make_host()
    host.storing = False
    unended = VT + message("3") + FS
    host.deliver(block("1") + block("2") + VT + message("4") + FS + b"x" + unended)
    assert host.contents == [message("1")]
    assert host.hang_up() == b""
    assert host.contents == [message("1"), message("2"), message("3")]
    assert [event.reason for event in host.told(BlockRejected)] == [Reason.BAD_BLOCK_END]
    for ticket in host.owed:
        host.session.acknowledge(host.now, ticket)
        host.session.accept(host.now, ticket)
        host.session.refuse(host.now, ticket)
    assert host.hang_up() == b""
    assert host.session.deadline is None


def test_half_a_message_before_the_line_was_lost_is_dropped(host):
    host.deliver(block("1")[:-2])
    assert host.hang_up() == b""
    assert host.events == [BytesIgnored(block("1")[:-2], Reason.TRUNCATED_FRAME)]


@pytest.mark.parametrize("content", [b"a\x0bb", b"a\x1cb"])
def test_a_block_character_is_never_sent(content):
    with pytest.raises(LocalProtocolError):
        mllp.encode(content)


@pytest.mark.parametrize(
    ("data", "contents"),
    [
        (block("1") + b"noise" + block("2"), [message("1"), message("2")]),
        (VT + message("1") + FS, [message("1")]),
        (VT + message("1"), []),
        (message("1"), [message("1").rstrip()]),
        (message("1") + FS + CR, [message("1").rstrip()]),
    ],
)
def test_blocks_out_of_a_file(data, contents):
    assert [block.content for block in unframe(data)] == contents


def test_a_damaged_block_of_a_file_is_told():
    (found,) = unframe(VT + message("1") + FS + b"x", Dialect(block_end="strict"))
    assert found.reason is Reason.BAD_BLOCK_END


def test_a_block_damaged_on_the_line_is_refused(host, codes):
    wire = block("7")
    host.deliver(wire[:10])
    host.session.line_error(host.now)
    assert codes(host.deliver(wire[10:])) == ["AE 7"]
    assert host.told(BlockRejected) == [BlockRejected(wire, Reason.LINE_ERROR)]
    assert codes(host.deliver(block("8"))) == ["AA 8"]


def test_a_line_error_between_blocks_is_told(host, codes):
    host.session.line_error(host.now)
    assert codes(host.deliver(block("7"))) == ["AA 7"]
    assert host.told(BytesIgnored) == [BytesIgnored(b"", Reason.LINE_ERROR)]
