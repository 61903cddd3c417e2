import pytest

from protocols.astm.control import ENQ, STX
from protocols.astm.dialect import STANDARD, Dialect
from protocols.astm.frame import encode
from protocols.astm.message import parse
from protocols.astm.unframe import message_texts, unframe
from protocols.errors import Reason

RECORDS = [b"H|\\^&\r", b"P|1\r", b"L|1|N\r"]
FRAMES = [encode(record, number) for number, record in enumerate(RECORDS, 1)]
TEXT = b"".join(RECORDS)


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n", b""], ids=["CR LF", "CR", "LF", "nothing"])
@pytest.mark.parametrize("envelope", [True, False], ids=["with ENQ EOT", "bare"])
def test_frames_end_in_any_way(end, envelope):
    data = b"".join(frame[:-2] + end for frame in FRAMES)
    if envelope:
        data = b"\x05" + data + b"\x04"
    frames = unframe(data)
    assert [frame.text for frame in frames] == RECORDS
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert all(frame.reason is None for frame in frames)
    assert list(message_texts(data)) == [TEXT]


def test_damaged_frames_are_told_and_left_out():
    data = FRAMES[0] + FRAMES[1].replace(b"P", b"Q") + FRAMES[1] + FRAMES[2]
    assert [frame.reason for frame in unframe(data)] == [None, Reason.BAD_CHECKSUM, None, None]
    assert list(message_texts(data)) == [TEXT]


def test_an_unfinished_frame_is_no_frame():
    assert unframe(FRAMES[0] + FRAMES[1][:4]) == unframe(FRAMES[0])


def test_repeated_frames_count_once():
    data = b"".join(frame * 2 for frame in FRAMES)
    assert list(message_texts(data)) == [TEXT]


def test_a_message_that_comes_twice_is_two_messages():
    assert list(message_texts(b"".join(FRAMES) * 2)) == [TEXT, TEXT]
    single = encode(TEXT, 1)
    assert list(message_texts(single * 2)) == [TEXT, TEXT]
    assert list(message_texts((b"\x05" + single + b"\x04") * 2)) == [TEXT, TEXT]


def test_a_transfer_that_broke_off_is_a_text_of_its_own():
    data = b"\x05" + FRAMES[0] + FRAMES[1] + b"\x04\x05" + b"".join(FRAMES) + b"\x04"
    assert list(message_texts(data)) == [RECORDS[0] + RECORDS[1], TEXT]


def test_simplified_framing():
    data = b"\x05\x02" + TEXT + b"\x03\x04"
    assert list(message_texts(data * 2, Dialect(framing="simplified"))) == [TEXT, TEXT]


def test_nothing_is_no_text():
    assert list(message_texts(b"no frames here")) == []


@pytest.mark.conformance(34)
@pytest.mark.parametrize(
    ("name", "frames", "records"),
    [
        ("abbott_afinion2", 1, 5),
        ("cobas_c111", 7, 7),
        ("cobas_c311", 1, 18),
        ("dca_vantage", 1, 9),
        ("genexpert", 1, 91),
        ("mini_vidas_mock", 5, 5),
        ("pentra_xlr", 28, 28),
        ("spotchem_el_mock", 6, 6),
        ("sysmex_xn550", 1, 48),
        ("sysmex_xp100", 1, 24),
        ("yumizen_h500", 31, 31),
    ],
)
def test_captures_are_read_whole(captures, name, frames, records):
    data = (captures / "astm" / f"{name}.astm").read_bytes()
    found = unframe(data)
    assert len(found) == frames
    assert all(frame.reason is None for frame in found)
    (text,) = message_texts(data)
    (message,) = parse(text, Dialect(header_backslash=True))
    assert len(message.records) == records
    assert message.complete


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda raw: raw, id="none"),
        pytest.param(lambda raw: raw.replace(b"GLU", b"GLV"), id="another text"),
        pytest.param(lambda raw: raw[:-4] + raw[-4:-2].lower() + raw[-2:], id="lower case"),
        pytest.param(lambda raw: raw[:-1], id="no LF"),
        pytest.param(lambda raw: b"x" + raw, id="noise before it"),
        pytest.param(lambda raw: raw[:5] + STX + raw[5:], id="STX in its text"),
    ],
)
@pytest.mark.parametrize("dialect", [STANDARD, Dialect(max_frame=30)], ids=["standard", "short"])
def test_a_frame_is_read_alike_whatever_stands_before_it(damage, dialect):
    frame = damage(encode(b"R|1|^^^GLU|5.0|mmol/L\r", 3))
    ordinary = encode(b"P|1\r", 2)
    alone = unframe(ENQ + ordinary + frame, dialect)

    assert unframe(ordinary + frame, dialect) == alone


def test_a_checksum_that_means_nothing_is_not_looked_at():
    (frame,) = unframe(b"\x023L|1|N\r\x03ZZ\r\n", Dialect(checksum="ignored"))

    assert (frame.text, frame.reason) == (b"L|1|N\r", None)
