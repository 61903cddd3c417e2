"""Section C: frames."""

import pytest

from protocols.astm.control import (
    ACK,
    CR,
    DC1,
    DLE,
    ENQ,
    EOT,
    ETB,
    ETX,
    LF,
    NAK,
    SOH,
    STX,
    SYN,
)
from protocols.astm.events import (
    BytesIgnored,
    FrameReceived,
    FrameRejected,
    FrameRepeated,
    FrameTolerated,
    TransferEnded,
)
from protocols.astm.frame import checksum, encode
from protocols.errors import Reason

MESSAGE = b"H|\\^&\rP|1\rO|1|A1||^^^GLU\rR|1|^^^GLU|5.5\rL|1|N\r"


def with_bad_checksum(frame: bytes) -> bytes:
    return frame[:-4] + (b"00" if frame[-4:-2] != b"00" else b"01") + CR + LF


@pytest.fixture
def open_host(host):
    host.receive(ENQ)
    return host


def reasons(host) -> list[Reason]:
    return [event.reason for event in host.told(FrameRejected)]


@pytest.mark.conformance(16)
def test_item_016_valid_end_frame(open_host):
    frame = encode(MESSAGE, 1)
    assert open_host.receive(frame) == ACK
    assert open_host.told(FrameReceived) == [
        FrameReceived(frame, 1, MESSAGE, True, True, True, open_host.owed[0])
    ]
    assert open_host.receive(encode(b"H|\\^&\r", 2)) == ACK


@pytest.mark.conformance(17)
def test_item_017_numbers_run_1_to_7_and_0(open_host):
    frames = [encode(b"H|\\^&\r" if n == 1 else b"C|1|I|x\r", n) for n in range(1, 20)]
    assert [frame[1:2] for frame in frames[:9]] == [b"%d" % (n % 8) for n in range(1, 10)]
    assert b"".join(map(open_host.receive, frames)) == ACK * 19
    assert open_host.receive(encode(b"C|1|I|x\r", 3)) == ACK  # a repeat
    assert open_host.receive(encode(b"C|1|I|x\r", 5)) == NAK


@pytest.mark.conformance(18)
def test_item_018_numbers_go_on_from_message_to_message(open_host):
    for number in range(1, 11):
        assert open_host.receive(encode(MESSAGE, number)) == ACK
    assert open_host.receive(encode(MESSAGE, 1)) == NAK


@pytest.mark.conformance(19)
def test_item_019_numbers_restart_after_enq(open_host):
    open_host.receive(encode(b"H|\\^&\r", 1) + encode(b"L|1|N\r", 2) + EOT)
    open_host.receive(ENQ)
    assert open_host.receive(encode(MESSAGE, 3)) == NAK
    assert open_host.receive(encode(MESSAGE, 1)) == ACK


@pytest.mark.conformance(20)
def test_item_020_a_repeated_frame_is_acknowledged_and_counts_once(open_host):
    frame = encode(MESSAGE, 1)
    assert open_host.receive(frame + frame + frame) == ACK * 3
    assert open_host.text == MESSAGE
    assert open_host.told(FrameRepeated) == [FrameRepeated(frame, 1, False)] * 2


@pytest.mark.conformance(21)
def test_item_021_a_repeated_number_with_another_text_keeps_the_first(open_host):
    open_host.receive(encode(MESSAGE, 1))
    other = encode(b"H|\\^&\rL|1|N\r", 1)
    assert open_host.receive(other) == ACK
    assert open_host.text == MESSAGE
    assert open_host.told(FrameRepeated) == [FrameRepeated(other, 1, True, open_host.owed[-1])]
    assert open_host.receive(encode(MESSAGE, 1)) == ACK
    assert not open_host.told(FrameRepeated)[-1].differs
    assert open_host.receive(encode(MESSAGE, 2)) == ACK


@pytest.mark.conformance(21, 46)
def test_item_021_another_text_is_acknowledged_only_when_it_is_stored_too(open_host):
    open_host.receive(encode(b"H|\\^&\r", 1))
    open_host.storing = False
    other = encode(b"H|\\^&\rP|1\r", 1)
    assert open_host.deliver(other) == b""
    assert open_host.refuse() == NAK
    assert open_host.deliver(other) == b""
    assert open_host.wait(11) == NAK
    assert open_host.deliver(other) == b""
    assert open_host.acknowledge() == ACK
    assert open_host.deliver(encode(b"L|1|N\r", 2)) == b""
    assert open_host.acknowledge() == ACK
    assert open_host.told(FrameReceived)[-1].completes_message


@pytest.mark.conformance(21)
def test_item_021_an_end_frame_does_not_repeat_an_intermediate_one(open_host):
    open_host.receive(encode(b"H|\\^&\r", 1, end=False))
    assert open_host.receive(encode(b"H|\\^&\r", 1)) == ACK
    assert open_host.told(FrameRepeated)[0].differs


@pytest.mark.conformance(22)
@pytest.mark.parametrize("number", [0, 3, 4, 5, 6, 7])
def test_item_022_a_frame_out_of_order_is_refused(open_host, number):
    open_host.receive(encode(b"H|\\^&\r", 1))
    assert open_host.receive(encode(b"P|1\r", number)) == NAK
    assert reasons(open_host) == [Reason.BAD_FRAME_NUMBER]
    assert open_host.receive(encode(b"P|1\r", 2)) == ACK


@pytest.mark.conformance(22)
@pytest.mark.parametrize("number", [b"8", b"9", b"H", b" ", b""])
def test_item_022_what_is_no_number_is_refused(open_host, number):
    body = number + ETX
    assert open_host.receive(STX + body + checksum(body) + CR + LF) == NAK
    assert open_host.told(FrameRejected)[0].number == -1


@pytest.mark.conformance(23)
def test_item_023_a_first_frame_numbered_0(make_host):
    strict = make_host()
    strict.receive(ENQ)
    assert strict.receive(encode(MESSAGE, 0)) == NAK
    assert strict.told(FrameReceived) == []
    tolerant = make_host(first_frame_number_any=True)
    tolerant.receive(ENQ)
    assert tolerant.receive(encode(b"H|\\^&\r", 0) + encode(b"L|1|N\r", 1)) == ACK + ACK
    assert tolerant.receive(encode(MESSAGE, 0)) == NAK


@pytest.mark.conformance(24)
@pytest.mark.parametrize("end", [True, False], ids=["ETX", "ETB"])
def test_item_024_a_wrong_checksum_is_refused_and_nothing_changes(open_host, end):
    damaged = with_bad_checksum(encode(MESSAGE, 1, end))
    assert open_host.receive(damaged) == NAK
    assert open_host.told(FrameRejected) == [FrameRejected(damaged, 1, Reason.BAD_CHECKSUM)]
    assert open_host.receive(encode(MESSAGE, 1)) == ACK
    assert open_host.text == MESSAGE


@pytest.mark.conformance(24)
def test_item_024_without_checksum_characters_a_frame_is_refused(open_host):
    assert open_host.receive(STX + b"1H|\\^&\r" + ETX + CR + LF) == NAK
    assert reasons(open_host) == [Reason.BAD_CHECKSUM]


@pytest.mark.conformance(25)
def test_item_025_lower_case_checksum(make_host):
    frame = STX + b"1Test" + ETX + b"d4" + CR + LF
    tolerant = make_host()
    tolerant.receive(ENQ)
    assert tolerant.receive(frame) == ACK
    assert tolerant.told(FrameTolerated) == [FrameTolerated(1, ("lowercase_checksum",))]
    strict = make_host(lowercase_checksum=False)
    strict.receive(ENQ)
    assert strict.receive(frame) == NAK


@pytest.mark.conformance(26)
def test_item_026_a_parity_error_inside_a_frame(open_host):
    frame = encode(MESSAGE, 1)
    open_host.deliver(frame[:9])
    open_host.session.line_error(open_host.now)
    assert open_host.deliver(frame[9:]) == NAK
    assert reasons(open_host) == [Reason.LINE_ERROR]
    assert open_host.deliver(frame) == ACK


@pytest.mark.conformance(26)
def test_item_026_a_parity_error_between_frames_gets_no_reply(open_host):
    open_host.session.line_error(open_host.now)
    assert open_host.settle() == b""
    assert open_host.told(BytesIgnored) == [BytesIgnored(b"", Reason.LINE_ERROR)]
    assert open_host.deliver(encode(MESSAGE, 1)) == ACK


@pytest.mark.conformance(27)
def test_item_027_garbage_before_stx_is_ignored(open_host):
    assert open_host.receive(b"\xffgarbage\x06" + encode(MESSAGE, 1)) == ACK
    assert open_host.told(BytesIgnored) == [
        BytesIgnored(b"\xffgarbage\x06", Reason.UNEXPECTED_BYTE)
    ]


@pytest.mark.conformance(27)
def test_item_027_line_ends_between_frames_say_nothing(open_host):
    assert open_host.receive(encode(b"H|\\^&\r", 1) + CR + LF + encode(b"L|1|N\r", 2)) == ACK + ACK
    assert open_host.told(BytesIgnored) == []


@pytest.mark.conformance(28)
@pytest.mark.parametrize(
    "trailer",
    [CR + CR + LF, CR + b" " + LF, b"\x00" + CR + LF, CR + b"x" * 8 + LF],
    ids=["CR CR LF", "blank", "NUL", "words"],
)
def test_item_028_other_bytes_after_the_checksum_are_ignored(open_host, trailer):
    frame = encode(MESSAGE, 1)[:-2] + trailer
    assert open_host.receive(frame) == ACK
    assert open_host.told(FrameReceived)[0].raw == frame
    assert open_host.receive(encode(MESSAGE, 2)) == ACK


@pytest.mark.conformance(28)
def test_item_028_a_trailer_has_an_end(open_host):
    frame = encode(MESSAGE, 1)[:-2] + b"x" * 14
    assert open_host.deliver(frame + b"x" * 100) == ACK
    assert open_host.told(FrameReceived)[0].raw == frame
    assert open_host.told(BytesIgnored)[0].raw == b"x" * 100


@pytest.mark.conformance(29)
@pytest.mark.parametrize("trailer", [b"", CR], ids=["nothing", "CR"])
def test_item_029_a_missing_line_end_is_accepted_after_a_pause(open_host, trailer):
    frame = encode(MESSAGE, 1)[:-2] + trailer
    assert open_host.deliver(frame) == b""
    assert open_host.wait(1) == ACK
    assert open_host.told(FrameTolerated) == [FrameTolerated(1, ("no_crlf",))]
    assert open_host.text == MESSAGE
    assert open_host.deliver(EOT) == b""
    assert open_host.session.is_neutral


@pytest.mark.conformance(29)
@pytest.mark.parametrize(
    "following", [EOT, encode(b"H|\\^&\r", 2), ENQ], ids=["EOT", "frame", "ENQ"]
)
def test_item_029_a_missing_line_end_shows_in_what_follows(open_host, following):
    frame = encode(MESSAGE, 1)[:-2]
    assert open_host.receive(frame + following).startswith(ACK)
    assert open_host.told(FrameReceived)[0].raw == frame


@pytest.mark.conformance(29)
def test_item_029_strictly_a_missing_line_end_is_waited_for(make_host):
    host = make_host(trailer_timeout=None)
    host.receive(ENQ)
    host.deliver(encode(MESSAGE, 1)[:-2])
    assert host.wait(29) == b""
    assert not host.session.is_neutral
    assert host.wait(2) == b""
    assert host.session.is_neutral
    assert host.told(BytesIgnored)[0].reason is Reason.TRUNCATED_FRAME


@pytest.mark.conformance(29)
@pytest.mark.parametrize(
    ("frame_end", "trailer"), [("cr", CR), ("none", b""), ("cr", LF)], ids=["CR", "nothing", "LF"]
)
def test_item_029_a_known_frame_end_is_not_waited_for(make_host, frame_end, trailer):
    host = make_host(frame_end=frame_end)
    frames = encode(b"H|\\^&\r", 1)[:-2] + trailer, encode(b"L|1|N\r", 2)[:-2] + trailer
    assert host.deliver(ENQ + frames[0]) == ACK + ACK
    assert host.deliver(frames[1] + EOT) == ACK
    assert [event.raw for event in host.told(FrameReceived)] == list(frames)


@pytest.mark.conformance(29)
def test_item_029_a_pause_before_the_checksum_is_not_the_end(open_host):
    frame = encode(MESSAGE, 1)
    open_host.deliver(frame[:-3])
    assert open_host.wait(5) == b""
    assert open_host.deliver(frame[-3:]) == ACK


@pytest.mark.conformance(30)
def test_item_030_stx_inside_a_frame_begins_it_anew(open_host):
    assert open_host.receive(STX + b"1H|\\^" + encode(MESSAGE, 1)) == ACK
    assert open_host.text == MESSAGE
    assert open_host.told(BytesIgnored) == [BytesIgnored(STX + b"1H|\\^", Reason.TRUNCATED_FRAME)]


@pytest.mark.conformance(30)
def test_item_030_eot_inside_a_frame_ends_the_transfer(open_host):
    assert open_host.receive(STX + b"1H|\\^" + EOT) == b""
    assert open_host.session.is_neutral
    assert open_host.told(TransferEnded)
    assert open_host.receive(ENQ) == ACK


@pytest.mark.conformance(30)
def test_item_030_enq_inside_a_frame_is_never_acknowledged(open_host):
    assert open_host.receive(STX + b"1H|" + ENQ + b"\\^" + ETX + b"00" + CR + LF) == NAK
    assert reasons(open_host) == [Reason.BAD_CHECKSUM]


@pytest.mark.conformance(31)
def test_item_031_a_frame_in_bytes_with_pauses(open_host):
    written = b""
    for byte in encode(MESSAGE, 1):
        written += open_host.deliver(bytes([byte]))
        written += open_host.wait(0.1)
    assert written == ACK
    assert open_host.text == MESSAGE


@pytest.mark.conformance(31)
def test_item_031_a_slow_frame_outlives_the_receive_timeout(open_host):
    frame = encode(MESSAGE, 1)
    for byte in frame[:-4]:
        open_host.deliver(bytes([byte]))
        open_host.wait(5)
    assert open_host.deliver(frame[-4:]) == ACK


@pytest.mark.conformance(32)
def test_item_032_frames_without_waiting_get_one_reply_each(open_host):
    open_host.storing = False
    frames = encode(b"H|\\^&\r", 1) + encode(b"P|1\r", 2) + encode(b"L|1|N\r", 3) + EOT
    assert open_host.deliver(frames) == b""
    assert len(open_host.told(FrameReceived)) == 1
    for number in (1, 2, 3):
        assert open_host.told(FrameReceived)[-1].number == number
        assert open_host.acknowledge() == ACK
    assert open_host.session.is_neutral
    assert open_host.text == b"H|\\^&\rP|1\rL|1|N\r"


@pytest.mark.conformance(33)
@pytest.mark.parametrize("size", [240, 241, 6_000, 63_993])
def test_item_033_texts_up_to_the_limit(open_host, size):
    text = b"H|\\^&|" + b"x" * (size - 7) + CR
    assert open_host.receive(encode(text, 1)) == ACK
    assert open_host.text == text


@pytest.mark.conformance(33)
@pytest.mark.parametrize("limit", [247, 64_000])
@pytest.mark.parametrize("excess", [1, 2, 9, 70_000])
def test_item_033_longer_frames_are_refused_in_bounded_memory(make_host, limit, excess):
    host = make_host(max_frame=limit)
    frame = encode(b"x" * (limit - 7 + excess), 1)
    host.deliver(ENQ)
    written = b""
    for start in range(0, len(frame), 1000):
        written += host.deliver(frame[start : start + 1000])
        assert len(host.session._stream) <= limit
    assert written == NAK
    assert host.told(FrameRejected) == [
        FrameRejected(frame[: limit - 4], -1, Reason.FRAME_TOO_LONG)
    ]
    assert host.receive(encode(b"x" * (limit - 7), 1)) == ACK


@pytest.mark.conformance(33)
@pytest.mark.parametrize("end", [STX, EOT], ids=["STX", "EOT"])
def test_item_033_an_endless_frame_can_be_given_up(make_host, end):
    host = make_host(max_frame=247)
    host.receive(ENQ)
    assert host.deliver(STX + b"x" * 500 + end) == b""
    assert host.told(BytesIgnored) == [BytesIgnored(STX + b"x" * 242, Reason.FRAME_TOO_LONG)]
    assert host.session.is_neutral == (end == EOT)


@pytest.mark.conformance(34)
@pytest.mark.parametrize("cut", range(1, len(MESSAGE)))
def test_item_034_etb_may_cut_anywhere(open_host, cut):
    open_host.receive(encode(MESSAGE[:cut], 1, end=False))
    assert open_host.receive(encode(MESSAGE[cut:], 2)) == ACK
    assert open_host.text == MESSAGE
    received = open_host.told(FrameReceived)
    assert [event.starts_message for event in received] == [True, False]
    assert [event.completes_message for event in received] == [False, True]


@pytest.mark.conformance(34)
def test_item_034_golden_vector(open_host):
    first = STX + b"1H|\\^&\rP|1\rO|1|A1||^^^GLU\rR|1|^^^GLU|5" + ETB + b"22" + CR + LF
    second = STX + b"2.5|mmol/L||N||F\rL|1|N\r" + ETX + b"A5" + CR + LF
    assert open_host.receive(first + second) == ACK + ACK
    assert b"R|1|^^^GLU|5.5|mmol/L" in open_host.text


@pytest.mark.conformance(35)
def test_item_035_an_end_frame_does_not_end_the_message(open_host):
    for number, record in enumerate(MESSAGE.splitlines(keepends=True), 1):
        assert open_host.receive(encode(record, number)) == ACK
    received = open_host.told(FrameReceived)
    assert [event.starts_message for event in received] == [True, *[False] * 4]
    assert [event.completes_message for event in received] == [*[False] * 4, True]


@pytest.mark.conformance(36)
def test_item_036_several_records_in_a_frame(open_host):
    open_host.receive(encode(MESSAGE, 1))
    (received,) = open_host.told(FrameReceived)
    assert received.text == MESSAGE
    assert received.starts_message
    assert received.completes_message


@pytest.mark.conformance(37)
@pytest.mark.parametrize("character", [SOH, ACK, DLE, NAK, SYN, LF, DC1, ENQ])
def test_item_037_restricted_characters_are_refused(make_host, character):
    frame = encode(b"H|\\^&|a" + character + b"b\r", 1)
    for restricted, reply in (("strict", NAK), ("tolerant", NAK), ("any", ACK)):
        host = make_host(restricted=restricted)
        host.receive(ENQ)
        assert host.receive(frame) == reply
        expected = [Reason.RESTRICTED_CHARACTER] if reply == NAK else []
        assert reasons(host) == expected


@pytest.mark.conformance(37)
@pytest.mark.parametrize(("restricted", "reply"), [("strict", NAK), ("tolerant", ACK)])
def test_item_037_line_feeds_after_cr(make_host, restricted, reply):
    host = make_host(restricted=restricted)
    host.receive(ENQ)
    assert host.receive(encode(MESSAGE.replace(CR, CR + LF), 1)) == reply
    if reply == ACK:
        assert host.told(FrameTolerated) == [FrameTolerated(1, ("crlf_record",))]
        assert host.told(FrameReceived)[0].completes_message


@pytest.mark.conformance(39)
def test_item_039_simplified_framing_behind_its_switch(make_host):
    host = make_host(framing="simplified")
    assert host.receive(ENQ) == ACK
    assert host.deliver(STX) == ACK
    assert host.deliver(MESSAGE) == b""
    assert host.receive(ETX) == ACK
    assert host.receive(EOT) == ACK
    assert host.text == MESSAGE
    assert host.session.is_neutral
    host = make_host()
    host.receive(ENQ)
    assert host.deliver(STX + MESSAGE + ETX + EOT) == NAK


@pytest.mark.conformance(39)
def test_item_039_simplified_framing_in_one_piece_twice(make_host):
    host = make_host(framing="simplified")
    assert host.receive((ENQ + STX + MESSAGE + ETX + EOT) * 2) == ACK * 8
    assert [event.text for event in host.told(FrameReceived)] == [MESSAGE, MESSAGE]


@pytest.mark.conformance(39, 46)
@pytest.mark.parametrize("wait", [3, 11], ids=["in flight", "overdue"])
def test_item_039_eot_of_simplified_framing_acknowledges_no_frame_that_is_not_stored(
    make_host, wait
):
    host = make_host(framing="simplified")
    host.storing = False
    host.deliver(ENQ + STX + MESSAGE + ETX)
    assert host.wait(wait) == (NAK if wait > 10 else b"")
    assert host.deliver(EOT) == b""
    assert host.session.is_neutral
    assert host.acknowledge() == b""


def test_simplified_framing_refuses_damaged_text(make_host):
    host = make_host(framing="simplified")
    host.deliver(ENQ + STX + b"H|")
    host.session.line_error(host.now)
    assert host.deliver(b"\\^&\r" + ETX) == NAK
    assert host.deliver(STX + b"H|" + DC1 + CR + ETX) == ACK + NAK
    assert reasons(host) == [Reason.LINE_ERROR, Reason.RESTRICTED_CHARACTER]


def test_simplified_framing_ignores_noise_and_survives_a_restart(make_host):
    host = make_host(framing="simplified")
    assert host.deliver(ENQ + b"noise" + STX + b"H|" + STX + MESSAGE + ETX) == ACK * 4
    assert [event.reason for event in host.told(BytesIgnored)] == [
        Reason.UNEXPECTED_BYTE,
        Reason.TRUNCATED_FRAME,
    ]
    assert host.text == MESSAGE


@pytest.mark.conformance(40)
def test_item_040_bare_frames_are_not_taken_for_e1381(host):
    assert host.receive(STX + b"D1U123456" + ETX) == b""
    assert host.told(FrameReceived) == []
    assert host.session.is_neutral


@pytest.mark.parametrize(("switch", "trailer"), [("ignored", b"ZZ" + CR + LF), ("absent", CR + LF)])
def test_checksums_that_mean_nothing_or_do_not_come(make_host, switch, trailer):
    host = make_host(checksum=switch)
    host.receive(ENQ)
    assert host.receive(STX + b"1" + MESSAGE + ETX + trailer) == ACK
    assert host.text == MESSAGE


def test_a_frame_without_checksum_and_line_end_is_accepted_after_a_pause(make_host):
    host = make_host(checksum="absent")
    host.receive(ENQ)
    host.deliver(STX + b"1" + MESSAGE + ETX)
    assert host.wait(1) == ACK
