"""A message cut short is begun again or gone on with; sequence numbers tell which."""

import pytest

from rerund.resume import Relation, joined, relation

H, L = b"H|\\^&|||X\r", b"L|1|N\r"
BEGINS_AGAIN, RESUMES, UNRELATED = Relation


def patient(number: int) -> bytes:
    return b"P|%d\rO|1|S%d||^^^A\r" % (number, number)


def result(number: int, value: bytes = b"5.5") -> bytes:
    return b"R|%d|^^^T%d|%s\r" % (number, number, value)


ONE = H + patient(1) + result(1) + result(2)
TWO = ONE + patient(2) + result(1)
CASES = [
    ("next result", ONE, patient(1) + result(3), RESUMES, ONE + result(3) + L),
    ("last one again", ONE, patient(1) + result(2) + result(3), RESUMES, ONE + result(3) + L),
    ("last one changed", ONE, patient(1) + result(2, b"9"), UNRELATED, None),
    ("one missing", ONE, patient(1) + result(4), UNRELATED, None),
    ("all again", ONE, patient(1) + result(1) + result(2) + result(3), BEGINS_AGAIN, None),
    ("less than was saved", ONE, patient(1) + result(1), UNRELATED, None),
    ("other specimen", ONE, b"P|1\rO|1|S9||^^^A\r" + result(3), UNRELATED, None),
    ("second patient", TWO, patient(2) + result(2), RESUMES, TWO + result(2) + L),
    ("third patient", TWO, patient(3) + result(1), RESUMES, TWO + patient(3) + result(1) + L),
    ("comment", ONE, patient(1) + result(2) + b"C|1|I|x\r", RESUMES, ONE + b"C|1|I|x\r" + L),
    ("header alone", H, patient(1) + result(1), UNRELATED, None),
    ("nothing in it", ONE, b"", UNRELATED, None),
    (
        "cut in a record",
        ONE + b"R|3|^^^T3|4.",
        patient(1) + result(3),
        RESUMES,
        ONE + result(3) + L,
    ),
]


@pytest.mark.conformance(47)
@pytest.mark.parametrize(
    ("cut", "rest", "expected", "whole"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_relation_of_two_messages(cut, rest, expected, whole):
    assert relation(cut, H + rest + L) is expected
    if whole is not None:
        assert joined(cut, H + rest + L) == whole


def test_a_number_that_nobody_counts_to_is_no_number():
    endless = b"R|" + b"9" * 5000 + b"|^^^T1|5.5\r"

    assert relation(H + patient(1) + endless, ONE + L) is not RESUMES
