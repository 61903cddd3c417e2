"""Marks: what the codes of an instrument say about a run.

The same letter means opposite things on different instruments: each row is one of the
traps of the field, seen from the message alone. What history adds is not here.
"""

from collections.abc import Callable

import pytest

from drivers.profile import Profile
from drivers.result import Interpretation, Result

Read = Callable[..., Interpretation]
MakeProfile = Callable[..., Profile]


def order(action: str = "", report: str = "", sample: str = "S1") -> str:
    """An O record with O.3, O.12 and O.26."""
    return "|".join(["O", "1", sample, *[""] * 8, action, *[""] * 13, report])


def result(status: str, test: str = "^^^GLU", value: str = "5.0") -> str:
    """An R record with R.3, R.4 and R.9."""
    return f"R|1|{test}|{value}|mmol/L||||{status}||||20260520101500"


def mark_of(found: Result) -> tuple[str | None, ...]:
    return (found.run_kind, found.next_action, found.evidence, found.raw_marker)


@pytest.mark.parametrize(
    ("action", "report", "status", "mark"),
    [
        ("N", "F", "F", ("unknown", "none", "none", None)),
        ("N", "F", "P", ("unknown", "rerun", "none", "R.9=P")),
        ("N", "F", "I", ("unknown", "repeat", "none", "R.9=I")),
        ("N", "F", "N", ("unknown", "ask_host", "none", "R.9=N")),
        ("A", "F", "F", ("rerun", "none", "explicit", "O.12=A")),
        ("N", "I", "F", ("repeat", "none", "explicit", "O.26=I")),
        ("A", "I", "P", ("rerun", "rerun", "explicit", "O.12=A,O.26=I,R.9=P")),
    ],
)
def test_sysmex_xn_tells_this_run_from_the_next(
    read: Read, action: str, report: str, status: str, mark: tuple[str | None, ...]
) -> None:
    """Traps 1 and 2; N and F are "initial or something else", no evidence for an original."""
    records = (order(action, report).replace("S1|", "|^^S1^B"), result(status, "^^^^WBC^1"))
    found = read("sysmex-xn", *records, header="H|\\^&|||XN-10^1").samples[0].results[0]
    assert mark_of(found) == mark
    assert found.result_status == "F"


STATUS = [
    # profile, R.9 -> run kind, result status, invalid reason
    ("roche-cobas-c111", "F", "unknown", "F", None),
    ("roche-cobas-c111", "C", "rerun", "F", None),
    ("roche-cobas-c111", "R", "retransmission", "F", None),
    ("roche-cobas-c111", "X", "unknown", "X", "cannot_be_done"),
    ("generic-astm", "F", "unknown", "F", None),
    ("generic-astm", "C", "correction", "C", None),
    ("generic-astm", "R", "retransmission", "F", None),
    ("generic-astm", "P", "unknown", "P", None),
    ("generic-astm", "I", "unknown", "I", "pending"),
    ("generic-astm", "X", "unknown", "X", "cannot_be_done"),
    ("generic-astm", "W", "unknown", "W", None),
    ("generic-astm", "Z", "unknown", "Z", None),
    ("generic-astm", "", "unknown", None, None),
    ("generic-astm", "Q\\F", "unknown", "F", None),
    ("generic-astm", "Q\\V", "unknown", "Q", None),
]


@pytest.mark.conformance(103, 105, 106)
@pytest.mark.parametrize(("profile", "code", "run_kind", "status", "reason"), STATUS)
def test_a_status_means_what_the_profile_says(
    read: Read, profile: str, code: str, run_kind: str, status: str, reason: str | None
) -> None:
    """Trap 4: on a cobas c 111, C is a rerun and R the same run once more."""
    header = "H|\\^&|||LAB^Roche^c111^4.2" if "c111" in profile else "H|\\^&|||Analyzer"
    found = read(profile, order(), result(code), header=header).samples[0].results[0]
    assert (found.run_kind, found.result_status, found.invalid_reason) == (run_kind, status, reason)


@pytest.mark.conformance(97, 100)
@pytest.mark.parametrize("action", ["", "C", "A", "N", "P", "L", "X"])
@pytest.mark.parametrize("report", ["", "O", "C", "P", "F", "X", "I", "Y", "Z", "Q"])
def test_the_standard_has_no_rerun_code(read: Read, action: str, report: str) -> None:
    sample = read("generic-astm", order(action, report), result("F")).samples[0]
    assert mark_of(sample.results[0]) == ("unknown", "none", "none", None)
    assert (sample.kind, sample.order_status) == ("patient", report or None)


VISION = """
[[rerun.mark]]
field = "R.9"
equals = "R"
run_kind = "repeat"
[result.status_codes]
R = "final"
"""


@pytest.mark.conformance(105)
def test_the_same_letter_is_a_repeat_where_the_profile_says_so(
    make_profile: MakeProfile, read: Read
) -> None:
    """Trap 5."""
    vision = make_profile(VISION, ("marked = false", "marked = true"))
    records = (order(), result("R"))
    assert mark_of(read(vision, *records).samples[0].results[0])[0] == "repeat"
    assert mark_of(read("generic-astm", *records).samples[0].results[0])[0] == "retransmission"


INFINITY = """
[[rerun.mark]]
field = "O.22"
equals = "R"
run_kind = "rerun"
confidence = "medium"
evidence = "order_type"
[[rerun.mark]]
field = "R.9[1]"
pattern = "^P"
next_action = "rerun"
"""


def test_a_mark_may_be_a_pattern_and_have_its_own_evidence(
    make_profile: MakeProfile, read: Read
) -> None:
    """Trap 10 without its dilution, and one repeat of a field that holds several codes."""
    profile = make_profile(INFINITY, ("marked = false", "marked = true"))
    marked = order().replace("O|1|S1", "O|1|S1").split("|")
    marked[21] = "R"
    found = read(profile, "|".join(marked), result("P1\\X"), result("X\\P1")).samples[0].results
    assert mark_of(found[0]) == ("rerun", "rerun", "order_type", "O.22=R,R.9[1]=P1")
    assert mark_of(found[1]) == ("rerun", "none", "order_type", "O.22=R")
    assert found[0].confidence == "medium"


@pytest.mark.parametrize(
    ("dilution", "expected"), [("", None), ("1", None), ("5", "5")], ids=["none", "1", "5"]
)
def test_the_dilution_is_part_of_the_result(read: Read, dilution: str, expected: str) -> None:
    records = ("O|1||^^S1^B", result("F", f"^^^^WBC^{dilution}"))
    found = read("sysmex-xn", *records, header="H|\\^&|||XN-10^1")
    assert found.samples[0].results[0].dilution == expected


def test_withdrawn_is_not_usable_and_says_so(make_profile: MakeProfile, read: Read) -> None:
    profile = make_profile('[result.status_codes]\nW = "withdrawn"\nS = "partial"\n')
    found = read(profile, order(), result("W"), result("S")).samples[0].results
    assert (found[0].run_kind, found[0].result_status) == ("withdrawal", "D")
    assert (found[0].invalid_reason, found[0].raw_marker) == ("withdrawn", "R.9=W")
    assert (found[1].run_kind, found[1].result_status) == ("unknown", "S")


KINDS = [
    # profile, H.12, O.12, sample -> kind
    ("generic-astm", "P", "N", "S1", "patient"),
    ("generic-astm", "", "", "S1", "patient"),
    ("generic-astm", "Q", "N", "S1", "qc"),
    ("generic-astm", "T", "N", "S1", "training"),
    ("generic-astm", "D", "N", "S1", "training"),
    ("generic-astm", "P", "Q", "S1", "qc"),
    ("sysmex-xn", "", "N", "QC-1", "qc"),
    ("sysmex-xn", "", "N", "XQC-1", "patient"),
]


@pytest.mark.conformance(86)
@pytest.mark.parametrize(("profile", "processing", "action", "sample", "kind"), KINDS)
def test_qc_and_training_are_no_patient_results(
    read: Read, profile: str, processing: str, action: str, sample: str, kind: str
) -> None:
    """Trap 13."""
    header = f"H|\\^&|||XN-10|||||||{processing}"
    record = order(action, "F", sample)
    if profile == "sysmex-xn":
        record = record.replace(f"{sample}|", f"|^^{sample}^B")
    found = read(profile, record, result("F", "^^^^GLU"), header=header)
    assert [one.kind for one in found.samples] == [kind]


@pytest.mark.conformance(98)
def test_a_vendor_may_mean_something_else_by_a_letter_of_the_standard(
    make_profile: MakeProfile, read: Read
) -> None:
    profile = make_profile(
        '[[kind]]\nfield = "H.12"\nequals = "D"\nkind = "patient"\n'
        '[[kind]]\nfield = "O.16"\npattern = "^CTRL"\nkind = "qc"\n'
        '[[kind]]\nfield = "O.3"\nequals = ["CAL1", "CAL2"]\nkind = "calibration"\n'
    )
    debug = "H|\\^&|||A|||||||D"
    control = "|".join(["O", "1", "S1", *[""] * 12, "CTRL LOW"])
    kinds = [
        read(profile, order(), result("F"), header=debug).samples[0].kind,
        read(profile, control, result("F")).samples[0].kind,
        read(profile, order(sample="CAL2"), result("F")).samples[0].kind,
    ]
    assert kinds == ["patient", "qc", "calibration"]


@pytest.mark.parametrize(
    ("sample", "reliable"),
    [("S1", True), ("ERR0000012", False), ("@000123", False), ("", False)],
)
def test_an_id_of_a_failed_barcode_read_is_not_relied_on(
    read: Read, sample: str, reliable: bool
) -> None:
    """Trap 15."""
    found = read("generic-astm", order(sample=sample), result("F"))
    assert [(one.sample_id, one.id_reliable) for one in found.samples] == [(sample, reliable)]


def test_a_cancelled_rerun_leaves_the_value_unusable(read: Read) -> None:
    """Trap 23: R.9 X after a good result is a run that failed."""
    found = read("generic-astm", order(), result("F"), result("X", value="")).samples[0].results
    assert [one.invalid_reason for one in found] == [None, "cannot_be_done"]
