import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerund.transports.parity import ParityMarks

CASES = {
    "clean bytes pass": (b"\x02Hello\x03", [b"\x02Hello\x03"]),
    "an honest FF is halved": (b"a\xff\xffb", [b"a\xffb"]),
    "a damaged byte becomes an error": (b"a\xff\x00xb", [b"a", None, b"b"]),
    "a break becomes an error": (b"\xff\x00\x00", [None]),
    "a damaged FF becomes an error": (b"\xff\x00\xffb", [None, b"b"]),
    "two damaged bytes": (b"\xff\x00x\xff\x00y", [None, None]),
    "an honest FF before an error": (b"\xff\xff\xff\x00x", [b"\xff", None]),
    "FF before another byte is kept": (b"a\xffb", [b"a\xffb"]),
}


def joined(pieces):
    """Neighbouring clean pieces made one, so that where reads were cut does not matter."""
    result = []
    for piece in pieces:
        if piece is not None and result and result[-1] is not None:
            result[-1] += piece
        else:
            result.append(piece)
    return result


@pytest.mark.conformance(26)
@pytest.mark.parametrize(("marked", "clean"), CASES.values(), ids=CASES)
def test_marks_are_taken_out_whole_and_byte_by_byte(marked, clean):
    assert ParityMarks().receive_data(marked) == clean
    marks = ParityMarks()
    assert joined(piece for byte in marked for piece in marks.receive_data(bytes([byte]))) == clean


@given(st.lists(st.one_of(st.none(), st.binary(min_size=1))), st.data())
def test_any_cut_of_the_marked_bytes_gives_the_same_pieces(pieces, data):
    marked = b"".join(
        b"\xff\x00\x15" if piece is None else piece.replace(b"\xff", b"\xff\xff")
        for piece in pieces
    )
    cut = data.draw(st.integers(0, len(marked)))
    marks = ParityMarks()
    heard = marks.receive_data(marked[:cut]) + marks.receive_data(marked[cut:])
    assert joined(piece for piece in heard if piece != b"") == joined(pieces)
