"""Abbott ARCHITECT: one test as concentration, response and interpretation."""

from collections.abc import Callable

import pytest

from drivers.result import Interpretation

HEADER = "H|\\^&|||ARCHITECT^9.45^F1^H1P1O1R1C1Q1L1|||||||P|1|20260520120000"
ORDER = "O|1|S1|S1^A1^1|^^^651^B-hCG^UNDILUTED^P|R"

Read = Callable[..., Interpretation]


def result_record(dilution: str, status: str, flags: str = "") -> str:
    """The R record of a concentration."""
    test = f"^^^651^B-hCG^{dilution}^P^LOT1^00001^^F"
    return f"R|1|{test}|12.5|mIU/mL||{flags}||{status}||A^B||20260520110000|i1SR00001"


@pytest.mark.parametrize(("sent", "dilution"), [("UNDILUTED", None), ("1:15", "1:15"), ("", None)])
def test_the_dilution_protocol_is_the_dilution(read: Read, sent: str, dilution: str | None) -> None:
    (sample,) = read("abbott-architect", ORDER, result_record(sent, "F"), header=HEADER).samples
    assert sample.results[0].dilution == dilution


@pytest.mark.parametrize(
    ("sent", "flags", "comparator"),
    [
        ("EXP^<", ["EXP", "<"], "<"),
        ("HH", ["HH"], None),
        ("1-2s^CNTL\\EDIT", ["1-2s", "CNTL", "EDIT"], None),
        ("", [], None),
    ],
)
def test_each_component_is_a_flag(
    read: Read, sent: str, flags: list[str], comparator: str | None
) -> None:
    (sample,) = read("abbott-architect", ORDER, result_record("", "F", sent), header=HEADER).samples
    assert sample.results[0].abnormal_flags == flags
    assert sample.results[0].comparator == comparator


def test_a_result_sent_again_is_no_rerun(read: Read) -> None:
    (sample,) = read("abbott-architect", ORDER, result_record("", "R"), header=HEADER).samples
    (result,) = sample.results
    assert (result.run_kind, result.result_status, result.raw_marker) == (
        "retransmission",
        "F",
        "R.9=R",
    )
