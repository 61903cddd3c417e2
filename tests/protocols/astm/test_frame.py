import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.astm.frame import OVERHEAD, checksum, encode, split

GOLDEN = [
    (b"Test", 1, True, b"D4"),
    (b"H|\\^&\r", 1, True, b"E5"),
    (b"P|1\r", 2, True, b"3F"),
    (b"L|1|N\r", 3, True, b"06"),
    (b"L|1|N\r", 7, True, b"0A"),
    (b"L|1|N\r", 0, True, b"03"),
    (b"H|\\^&\rP|1\rO|1|A1||^^^GLU\rR|1|^^^GLU|5", 1, False, b"22"),
    (b".5|mmol/L||N||F\rL|1|N\r", 2, True, b"A5"),
    (b"C|1|I|\xe9\r", 1, True, b"5B"),
    (b"C|1|I|\xc3\xa9\r", 1, True, b"DE"),
]


@pytest.mark.parametrize(("text", "number", "end", "digits"), GOLDEN)
def test_golden_vectors(text, number, end, digits):
    frame = encode(text, number, end)
    assert frame == (b"\x02%d" % number + text + (b"\x03" if end else b"\x17") + digits + b"\r\n")
    assert len(frame) == len(text) + OVERHEAD


@given(st.binary(max_size=70_000))
def test_the_checksum_is_the_sum_of_the_bytes(body):
    assert checksum(body) == b"%02X" % (sum(body) & 0xFF)


def test_the_checksum_of_the_heaviest_bytes_does_not_overflow():
    for size in (255, 256, 257, 64_000):
        assert checksum(b"\xff" * size) == b"%02X" % (255 * size & 0xFF)


@given(st.binary(max_size=100), st.integers(1, 30))
def test_split_loses_nothing_and_marks_the_last(text, size):
    parts = list(split(text, size))
    assert b"".join(part for part, _ in parts) == text
    assert all(len(part) == size for part, _ in parts[:-1])
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1][0] or not text
