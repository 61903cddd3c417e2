from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.astm.boundary import Position, place


def places(*frames: tuple[bytes, bool]) -> list[tuple[bool, bool, bool]]:
    """Return (starts, completes, is_open) after each frame."""
    position, found = Position(), []
    for text, is_end in frames:
        position = place(position, text, is_end)
        found.append((position.starts, position.completes, position.is_open))
    return found


END, CUT = True, False
START, MIDDLE, WHOLE = (True, False, True), (False, False, True), (True, True, False)
LAST, NOTHING = (False, True, False), (False, False, False)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(b"H|\\^&\rL|1|N\r", END)], [WHOLE]),
        ([(b"H|\\^&\r", END), (b"L|1|N", END)], [START, LAST]),
        ([(b"H|\\^&\r", END), (b"l\r", END)], [START, LAST]),
        ([(b"H|\\^&\r", END), (b"R|1\r", END), (b"H|\\^&\r", END)], [START, MIDDLE, START]),
        ([(b"H|\\^&\rL|1|N\rH|\\^&\r", END), (b"L|1\r", END)], [START, LAST]),
        ([(b"H|\\^&\rC|1|I|", CUT), (b"L|1|N\r", END)], [START, MIDDLE]),
        ([(b"H|\\^&\rC|1|I|", CUT), (b"H|1|N\r", END)], [START, MIDDLE]),
        ([(b"H|\\^&\rL", CUT), (b"|1|N\r", END)], [START, LAST]),
        ([(b"H|\\^&\rL|", CUT), (b"1|N", END)], [START, LAST]),
        ([(b"H|\\^&\rL|1|N\r", CUT), (b"", END)], [WHOLE, NOTHING]),
        ([(b"H|\\^&\rL|1|N\r", CUT), (b"\n", END)], [WHOLE, NOTHING]),
        ([(b"H|\\^&\r\nL|1|N\r\n", END)], [WHOLE]),
        ([(b"H|\\^&\r", CUT), (b"\nL|1|N\r", END)], [START, LAST]),
        ([(b"H|\\^&\rLast words\r", END)], [START]),
        ([(b"H|\\^&\r", END), (b"R|1\rLast words\r", END)], [START, MIDDLE]),
        ([(b"H|\\^&\r", END), (b"Hello\r", END)], [START, MIDDLE]),
        ([(b"H|\\^&\r", END), (b"", CUT), (b"L|1\r", END)], [START, MIDDLE, LAST]),
        ([(b"H|\\^&\rR|1", CUT), (b"", CUT), (b"H|x\r", END)], [START, MIDDLE, MIDDLE]),
        ([(b"Test", END)], [START]),
        ([(b"\r\r", END)], [NOTHING]),
    ],
)
def test_where_messages_begin_and_end(frames, expected):
    assert places(*frames) == expected


MESSAGE = b"H|\\^&\rP|1\rO|1\rR|1|x|L\rC|1|H|L|\rL|1|N\r"


@given(st.lists(st.integers(0, len(MESSAGE)), max_size=6))
def test_however_it_is_cut_a_message_begins_once_and_ends_once(cuts):
    edges = [0, *sorted(cuts), len(MESSAGE)]
    texts = [MESSAGE[a:b] for a, b in pairwise(edges)]
    found = places(*[(text, number == len(texts)) for number, text in enumerate(texts, 1)])
    assert sum(starts for starts, _, _ in found) == 1
    assert sum(completes for _, completes, _ in found) == 1
    assert not found[-1][2]


@given(st.lists(st.tuples(st.binary(max_size=8), st.booleans()), max_size=8))
def test_size_and_records_are_counted_from_the_start_of_the_message(frames):
    position, texts = Position(), []
    for text, is_end in frames:
        position = place(position, text, is_end)
        texts = [text] if position.starts else [*texts, text]
        if position != Position():
            assert position.size == sum(map(len, texts))
            assert position.records == b"".join(texts).count(b"\r")
        else:
            texts = []
