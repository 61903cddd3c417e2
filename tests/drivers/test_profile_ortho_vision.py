"""Ortho VISION: the letter that elsewhere means sent again means a repeat."""

from collections.abc import Callable

from drivers.result import Interpretation

HEADER = "H|\\^&|||OCD^VISION^5.13.1^J1|||||||P|LIS2-A|20260520120000"
ORDER = "O|1|S1||ABO|N|20260520100000|||||||||CENTBLOOD|||||||20260520110000|||"
RESULT = "R|1|ABO|B|||||R||Automatic||20260520110000|J1"

Read = Callable[..., Interpretation]


def test_the_same_bytes_are_a_repeat_here_and_sent_again_in_the_standard(read: Read) -> None:
    """Trap 5: a generic reader of R.9 is wrong by construction."""
    kinds = {}
    for profile in ("ortho-vision", "generic-astm"):
        (sample,) = read(profile, ORDER + "R", RESULT, header=HEADER).samples
        kinds[profile] = (sample.results[0].run_kind, sample.results[0].evidence)
    assert kinds == {
        "ortho-vision": ("repeat", "explicit"),
        "generic-astm": ("retransmission", "explicit"),
    }


def test_records_in_small_letters_are_read_alike(read: Read) -> None:
    (sample,) = read(
        "ortho-vision", "o" + ORDER[1:] + "F", "r" + RESULT[1:], header="h" + HEADER[1:], end="l||"
    ).samples
    assert (sample.sample_id, sample.results[0].test_code) == ("S1", "ABO")


def test_a_first_result_has_no_mark(read: Read) -> None:
    (sample,) = read(
        "ortho-vision", ORDER + "F", RESULT.replace("|R|", "|F|"), header=HEADER
    ).samples
    assert (sample.results[0].run_kind, sample.results[0].raw_marker) == ("unknown", None)


def test_a_rejected_result_is_unusable_and_no_repeat(read: Read) -> None:
    (sample,) = read(
        "ortho-vision", ORDER + "F", RESULT.replace("|R|", "|X|"), header=HEADER
    ).samples
    assert sample.results[0].invalid_reason == "cannot_be_done"
    assert sample.results[0].run_kind == "unknown"
