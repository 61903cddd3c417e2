"""HL7 messages of real instruments, read whole, and made up ones read as the standard says."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from drivers.hl7.interpret import interpret
from drivers.profile import Hl7Profile, load
from drivers.result import HostQuery, Interpretation
from protocols.hl7.message import parse

Read = Callable[[str, str], Interpretation]


@pytest.fixture
def read_message(captures: Path) -> Read:
    """Interpret a message in a file under a profile, in UTC."""

    def read(profile_name: str, file: str) -> Interpretation:
        profile = load(profile_name)
        assert isinstance(profile, Hl7Profile)
        message = parse((captures / file).read_bytes(), profile.dialect)
        return interpret([message], profile, id_prefix="c", timezone=UTC)

    return read


def wire_results(path: Path) -> list[list[str]]:
    """The fields of the OBX segments, split by hand."""
    lines = path.read_bytes().decode("utf-8").replace("\r", "\n").split("\n")
    rows = [line.split("|") for line in lines if line.startswith("OBX|")]
    return [row + [""] * (14 - len(row)) for row in rows]


@pytest.mark.conformance(142, 143, 144, 145)
def test_a_blood_count_is_read_whole(captures: Path, read_message: Read) -> None:
    found = read_message("mindray-bc", "hl7/mindray_bc5380.hl7")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == ("20071207011", "patient", True)
    assert sample.patient is not None
    assert sample.patient.birth_date == "1990-08-04"
    rows = {row[1]: row for row in wire_results(captures / "hl7/mindray_bc5380.hl7")}
    assert len(rows) == 64
    settings = {"1", "2", "3", "4", "5"}
    lines = {"35", "36", "37", "39", "40", "42", "43"}
    pictures = {"38", "41", "44", "45"}
    expected = [row for number, row in rows.items() if number not in settings | lines | pictures]
    for result, row in zip(sample.results, expected, strict=True):
        assert result.test_code == row[3].split("^")[0]
        assert result.value == row[5]
        assert (result.units or "", result.reference_range or "") == (row[6], row[7])
        assert result.abnormal_flags == [flag for flag in (row[8], row[13]) if flag]
        assert result.result_status == "F"
        assert result.run_kind == "unknown"
    assert Counter(one.run_at for one in sample.results) == {
        "2008-05-08T15:06:16Z": 29,
        None: 19,
    }
    assert [one.name for one in found.attachments] == [
        "WBC Histogram. BMP",
        "RBC Histogram. BMP",
        "PLT Histogram. BMP",
        "WBC DIFF Scattergram. BMP",
    ]
    assert {(one.sample_id, one.form) for one in found.attachments} == {
        ("20071207011", "image/bmp")
    }


def test_a_panel_is_read_whole_and_its_specimen_follows(read_message: Read) -> None:
    found = read_message("cepheid-genexpert-hl7", "hl7/genexpert_oru_r32.hl7")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.order_status) == ("sidOBM", "patient", "F")
    assert sample.patient is not None
    assert sample.patient.ids == ("pidOBM", "pid2OBM")
    results = sample.results
    assert len(results) == len({one.test_code for one in results}) == 23
    assert [(one.test_code, one.value, one.numeric) for one in results[:4]] == [
        ("CTNG^CT^CT", "NOT DETECTED", None),
        ("CTNG^CT^CT1", "NEG", None),
        ("CTNG^CT^CT1^Ct", "0.0", "0.0"),
        ("CTNG^CT^CT1^EndPt", "-10.0", "-10.0"),
    ]
    assert {one.run_at for one in results} == {"2012-01-10T12:45:33Z"}
    assert Counter(one.result_status for one in results) == {"F": 2, None: 21}


@pytest.mark.parametrize(
    ("capture", "query"),
    [
        ("genexpert_qbp_z03", HostQuery(1, ("SpecimenID-DEV01210000000000005",))),
        ("genexpert_qcn_j01", HostQuery(1, (), abort=True)),
    ],
)
def test_a_query_and_its_end_are_read(read_message: Read, capture: str, query: HostQuery) -> None:
    found = read_message("cepheid-genexpert-hl7", f"hl7/{capture}.hl7")
    assert (found.queries, found.samples, found.notes) == ([query], [], [])


@pytest.mark.parametrize(
    ("file", "specimen", "codes", "first"),
    [
        ("abbott-architect-result", "FILLER012", ["HIV", "HBSAG"], ("NEGATIVE", None, ["N"])),
        ("bs200-chemistry-result", "FILLER201", ["CREA", "ALT", "AST"], ("1.1", "mg/dL", [])),
        (
            "sysmex-xn-result",
            "FILLER_XN456",
            [
                *("WBC", "RBC", "HGB", "HCT", "MCV", "MCH", "MCHC", "PLT"),
                *("NEUT%", "LYMPH%", "MONO%", "EO%", "BASO%"),
            ],
            ("9.2", "10*3/uL", ["N"]),
        ),
    ],
)
def test_an_instrument_without_profile_is_read_by_the_standard(
    read_message: Read, file: str, specimen: str, codes: list[str], first: tuple[object, ...]
) -> None:
    found = read_message("generic-hl7", f"synthetic/{file}.hl7")
    (sample,) = found.samples
    assert sample.sample_id == specimen
    assert [one.test_code for one in sample.results] == codes
    result = sample.results[0]
    assert (result.value, result.units, result.abnormal_flags) == first
    assert [note.code for note in found.notes] == ["line_feed"]
