"""Marks in HL7: what the codes of an instrument say about a run, seen from the message alone.

What history adds is not here.
"""

from collections.abc import Callable

import pytest

from drivers.profile import Hl7Profile
from drivers.result import Interpretation, Result

Read = Callable[..., Interpretation]
MakeProfile = Callable[..., Hl7Profile]

BARCODE = "OBR|1|S1|17|^|N|20260520093000|20260520104000"


def mindray(kind: str) -> str:
    """The header of a Mindray message with MSH-16."""
    return f"MSH|^~\\&|||||20260520120000||ORU^R01|7|P|2.3.1||||{kind}||ASCII|||"


MINDRAY = mindray("0")


def cl(value: str, original: str, mark: str, qualitative: str = "", at: str = "1015") -> str:
    """An OBX of a Mindray CL with OBX-5, OBX-9, OBX-13, OBX-14 and OBX-17."""
    fields = ["OBX", "1", "NM", "2", "TSH", value, "uIU/mL", "", "N", qualitative, "", "F", ""]
    return "|".join([*fields, original, f"20260520{at}00", "", "op", mark])


def mark_of(found: Result) -> tuple[str | None, ...]:
    return (found.run_kind, found.evidence, found.raw_marker)


UNKNOWN = ("unknown", "none", None)
RERUN = ("rerun", "explicit", "OBX.17=1")
EDITED = ("correction", "explicit", "OBX.13=edited")


@pytest.mark.conformance(147, 148)
@pytest.mark.parametrize(
    ("value", "original", "flag", "mark"),
    [
        ("2.315", "2.315", "0", UNKNOWN),
        ("2.315", "", "0", UNKNOWN),
        ("2.315", "2.3150", "0", UNKNOWN),
        ("2.315", "2.315", "1", RERUN),
        ("2.5", "2.315", "0", EDITED),
        ("2.5", "2.315", "1", RERUN),
        ("2.5", "-0x0fffffff", "0", UNKNOWN),
        ("2.5", "-268435455.0", "0", UNKNOWN),
        ("2.5", '""', "0", UNKNOWN),
        ("POS", "NEG", "0", EDITED),
        ("POS", "2.315", "0", EDITED),
    ],
)
def test_mindray_cl_tells_a_rerun_from_an_edited_value(
    read_hl7: Read, value: str, original: str, flag: str, mark: tuple[str | None, ...]
) -> None:
    """Trap 7. A flag of 0 is no evidence: it also says that a test was ordered anew."""
    message = read_hl7("mindray-cl", BARCODE, cl(value, original, flag), header=MINDRAY)
    assert mark_of(message.samples[0].results[0]) == mark


@pytest.mark.conformance(148, 163)
def test_mindray_cl_sends_the_original_with_its_reruns(read_hl7: Read) -> None:
    """Trap 6: all runs of a test are kept, and only the new ones are called reruns."""
    runs = [
        cl("2.3", "2.3", "0"),
        cl("2.2", "2.2", "1", at="1045"),
        cl("2.1", "2.1", "1", at="1115"),
    ]
    results = read_hl7("mindray-cl", BARCODE, *runs, header=MINDRAY).samples[0].results
    assert [(one.value, one.run_at) for one in results] == [
        ("2.3", "2026-05-20T10:15:00Z"),
        ("2.2", "2026-05-20T10:45:00Z"),
        ("2.1", "2026-05-20T11:15:00Z"),
    ]
    assert [mark_of(one) for one in results] == [UNKNOWN, RERUN, RERUN]


@pytest.mark.parametrize(
    ("value", "qualitative", "values"),
    [
        ("2.3", "", {"2": "2.3"}),
        ("2.3", "+", {"2": "2.3", "2/qualitative": "+"}),
        ("-0x0fffffff", "+-", {"2": "+-"}),
        ("-268435455.000000", "-", {"2": "-"}),
        ("-0x0fffffff", "", {"2": ""}),
    ],
)
def test_a_value_that_stands_for_none_gives_way_to_the_next(
    read_hl7: Read, value: str, qualitative: str, values: dict[str, str]
) -> None:
    segments = (BARCODE, cl(value, "", "0", qualitative), cl("1", "", "0"))
    results = read_hl7("mindray-cl", *segments, header=MINDRAY).samples[0].results[:-1]
    assert {one.test_code: one.value for one in results} == values


def test_a_typed_value_may_stand_for_none_too(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    absent = ('test_code = "OBX.3.1"', "test_code = \"OBX.3.1\"\nabsent = ['^-9+$']")
    profile = make_hl7_profile("", absent)
    rows = ("OBR|1||S1", "OBX|1|NM|A||-999", "OBX|2|SN|B||<^5", "OBX|3|NM|C||-1")
    assert [one.value for one in read_hl7(profile, *rows).samples[0].results] == ["", "<5", "-1"]


@pytest.mark.conformance(153)
@pytest.mark.parametrize(
    ("code", "mark"),
    [
        ("O^Original, first run^HL70389", ("original", "explicit", "TCD.8.1=O")),
        ("R", ("repeat", "explicit", "TCD.8.1=R")),
        ("D", ("repeat_diluted", "explicit", "TCD.8.1=D")),
        ("F", ("reflex", "explicit", "TCD.8.1=F")),
        ("", UNKNOWN),
    ],
)
def test_the_standards_repeat_status(
    read_hl7: Read, code: str, mark: tuple[str | None, ...]
) -> None:
    """Table 0389, in the segment behind the result."""
    details = f"TCD|GLU|^1^:^1||||||{code}"
    rows = ("OBR|1||S1", "OBX|1|NM|GLU||5.5||||||F", details, "OBX|2|NM|K||4.1||||||F")
    first, second = read_hl7("generic-hl7", *rows).samples[0].results
    assert (mark_of(first), mark_of(second)) == (mark, UNKNOWN)


@pytest.mark.parametrize(
    ("details", "dilution"),
    [
        ("TCD|GLU|^1^:^1|^1^:^10", "10"),
        ("TCD|GLU|^1^:^5", "5"),
        ("TCD|GLU|||^1^:^2", "2"),
        ("TCD|GLU|^1^:^1", None),
        ("TCD|GLU", None),
    ],
)
def test_the_dilution_is_the_one_of_the_rerun_first(
    read_hl7: Read, details: str, dilution: str | None
) -> None:
    """Trap 12."""
    result = read_hl7("generic-hl7", "OBR|1||S1", "OBX|1|NM|GLU||5.5||||||F", details)
    assert result.samples[0].results[0].dilution == dilution


def test_details_are_of_the_results_of_the_same_test_before_them(read_hl7: Read) -> None:
    rows = [
        "TCD|A|^1^:^9",
        "OBX|1|NM|A||1||||||F",
        "TCD|A|^1^:^2",
        "OBX|2|NM|A||2||||||F",
        "OBX|3|ST|A||high||||||F",
        "TCD|A|^1^:^3",
        "OBX|4|NM|B||1||||||F",
        "OBX|5|NM|C||1||||||F",
        "TCD|C|^1^:^4",
    ]
    results = read_hl7("generic-hl7", "OBR|1||S1", *rows).samples[0].results
    assert [one.dilution for one in results] == ["2", "3", "3", None, "4"]


def test_long_segments_keep_their_details(read_hl7: Read) -> None:
    row = "|".join(["OBX", "1", "NM", "GLU", "", "5.5", *[""] * 30, "x"])
    found = read_hl7("generic-hl7", "OBR|1||S1", row, "TCD|GLU|^1^:^2||||||R||||||||x")
    result = found.samples[0].results[0]
    assert (result.value, result.dilution, result.run_kind) == ("5.5", "2", "repeat")


STATUS = [
    ("F", "unknown", "F", None),
    ("P", "unknown", "P", None),
    ("R", "unknown", "P", None),
    ("S", "unknown", "S", None),
    ("C", "correction", "C", None),
    ("U", "status_update", "F", None),
    ("D", "withdrawal", "D", "withdrawn"),
    ("W", "withdrawal", "D", "withdrawn"),
    ("I", "unknown", "I", "pending"),
    ("X", "unknown", "X", "cannot_be_done"),
    ("N", "unknown", "N", None),
]


@pytest.mark.conformance(145)
@pytest.mark.parametrize(("code", "run_kind", "status", "reason"), STATUS)
def test_the_standards_result_status(
    read_hl7: Read, code: str, run_kind: str, status: str, reason: str | None
) -> None:
    found = read_hl7("generic-hl7", "OBR|1||S1", f"OBX|1|NM|GLU||5.5||||||{code}")
    result = found.samples[0].results[0]
    assert (result.run_kind, result.result_status, result.invalid_reason) == (
        run_kind,
        status,
        reason,
    )


@pytest.mark.conformance(131)
@pytest.mark.parametrize(
    ("kind", "expected"), [("0", "patient"), ("1", "calibration"), ("2", "qc")]
)
@pytest.mark.parametrize("profile", ["mindray-bs", "mindray-cl", "getein"])
def test_mindray_tells_the_kind_of_result_in_msh_16(
    read_hl7: Read, profile: str, kind: str, expected: str
) -> None:
    header = mindray(kind)
    result = "OBX|1|NM|2|TSH|2.3|uIU/mL||N|||F||2.3|20260520101500"
    assert read_hl7(profile, BARCODE, result, header=header).samples[0].kind == expected


def test_controls_that_one_message_lists_are_samples_of_their_own(read_hl7: Read) -> None:
    order = "OBR|1|7|AST|^|||20260520075900||||2|1^2|QA^QB|L1^L2||0|L^M|45^110||44.1^112.3|U/L|"
    found = read_hl7("getein", order, header=mindray("2"))
    assert [(one.sample_id, one.kind, len(one.results)) for one in found.samples] == [
        ("QA", "qc", 1),
        ("QB", "qc", 1),
    ]
    first, second = (one.results[0] for one in found.samples)
    assert (first.test_code, first.value, first.units) == ("7", "44.1", "U/L")
    assert (second.test_code, second.value, second.units) == ("7", "112.3", "U/L")
    assert first.run_at == second.run_at == "2026-05-20T07:59:00Z"
    assert (first.result_id, second.result_id) == ("j-1-1-2", "j-1-1-2-2")


@pytest.mark.parametrize(
    ("fields", "samples"),
    [
        (["7", "AST"], [("", "")]),
        (["7", "AST", *[""] * 9, "QA", *[""] * 6, "44.1"], [("QA", "44.1")]),
    ],
)
def test_an_order_that_is_a_result_may_be_short(
    read_hl7: Read, fields: list[str], samples: list[tuple[str, str]]
) -> None:
    order = "|".join(["OBR", "1", *fields])
    found = read_hl7("mindray-cl", order, header=mindray("2"))
    assert [(one.sample_id, one.results[0].value) for one in found.samples] == samples


def test_an_order_is_a_result_only_where_the_profile_says_so(
    make_hl7_profile: MakeProfile, read_hl7: Read
) -> None:
    section = (
        '[order_result]\nwhen = [{ field = "MSH.16", equals = "2" }]\nspecimen = "OBR.13"\n'
        'test_code = "OBR.2"\nvalue = "OBR.20"\nunits = "OBR.21"\nrun_at = "OBR.8"\n'
    )
    order = "OBR|1|7|AST|^|||||||2|1|QA|||||||44.1^x|U/L|"
    profile = make_hl7_profile(section)
    patient = read_hl7(profile, order, header=mindray("0"))
    (control,) = read_hl7(profile, order, header=mindray("2")).samples
    assert (patient.samples, patient.notes) == ([], [])
    assert (control.sample_id, control.results[0].value) == ("QA", "44.1^x")


def test_a_suffix_tells_what_stands_under_the_same_code(read_hl7: Read) -> None:
    header = "MSH|^~\\&|cobas pro||host||20260520120000||OUL^R22|7|P|2.5.1"
    rows = [
        f"OBX|1|{kind}|204^204^99ROC|1|{value}||||||F" for kind, value in (("NM", "1"), ("CE", "R"))
    ]
    found = read_hl7("roche-cobas-pro", "SAC|||S1", "OBR|1", *rows, header=header)
    assert [(one.test_code, one.value) for one in found.samples[0].results] == [
        ("204", "1"),
        ("204/coded", "R"),
    ]


@pytest.mark.conformance(162, 164)
@pytest.mark.parametrize("law", ["LAB-29^IHE", "LAB-29R^ROCHE~LAW_X^IHE", "NEW-1^ACME", ""])
def test_an_unknown_profile_id_changes_nothing(read_hl7: Read, law: str) -> None:
    header = f"MSH|^~\\&|A1||H||20260520120000||OUL^R22^OUL_R22|7|P|2.5.1|||NE|AL|||||{law}"
    rows = ("SPM|1|S1", "OBR|1|AW1||TSH", "ORC|SC||||CM", "OBX|1|NM|TSH^TSH|1|2.3||||||F")
    raw = "OBX|2|NM|RLU^RLU^99^S_RAW^Raw^IHELAW|1|9211||||||F"
    (sample,) = read_hl7("generic-hl7", *rows, raw, header=header).samples
    assert [(one.test_code, one.value) for one in sample.results] == [("TSH", "2.3")]


@pytest.mark.parametrize(
    ("note", "flags"),
    [
        ("NTE|1|I|0|I", ["N"]),
        ("NTE|1|I|27^Technical limit over (lower)|I", ["N", "27"]),
        ("NTE|1|I", ["N"]),
    ],
)
def test_an_alarm_in_a_comment_is_a_flag_of_its_result(
    read_hl7: Read, note: str, flags: list[str]
) -> None:
    header = "MSH|^~\\&|cobas 8000||host||20260520120000||OUL^R22|7||2.5"
    skipped = "OBX|1|ED|9||^Image^BMP^Base64^Qk0="
    row = "OBX|2||53||14.1|U/mL||N|||F"
    rows = ("NTE|1|I|99|I", skipped, "NTE|1|I|98|I", row, note, row)
    first, second = (
        read_hl7("roche-cobas-8000", "SPM||S1", "OBR|1", *rows, header=header).samples[0].results
    )
    assert (first.abnormal_flags, second.abnormal_flags) == (flags, ["N"])


@pytest.mark.parametrize(
    ("text", "numeric", "noted"),
    [
        ("12,480", "12480", []),
        ("1,012,480", "1012480", []),
        ("1,5", None, ["other_decimal_sign"]),
        ("480", "480", []),
    ],
)
def test_alinity_m_parts_thousands_with_commas(
    read_hl7: Read, text: str, numeric: str | None, noted: list[str]
) -> None:
    found = read_hl7("abbott-alinity-m", "SAC|||S1", "OBR|1", f"OBX|1|ST|1006||{text}||||||F")
    assert found.samples[0].results[0].numeric == numeric
    assert [note.code for note in found.notes] == noted
