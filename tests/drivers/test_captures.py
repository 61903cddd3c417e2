"""Messages of real instruments, read whole: specimen, every result, units, flags, status, time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.result import Interpretation

Read = Callable[[str, str], Interpretation]


def wire_results(path: Path) -> list[list[str]]:
    """The fields of the R records, split by hand."""
    lines = path.read_bytes().decode("latin-1").replace("\r", "\n").split("\n")
    rows = [line[line.index("R|") :].split("|") for line in lines if "R|" in line[:4]]
    return [row + [""] * (14 - len(row)) for row in rows]


WHOLE = [
    # profile, capture, specimen, run time, results
    ("sysmex-xn", "sysmex_xn550", "27", "2024-06-27T13:54:07Z", 41),
    ("sysmex-xp", "sysmex_xp100", "113", "2024-07-23T17:24:52Z", 20),
    ("roche-cobas-c111", "cobas_c111", "T20 10134GA D28", "2023-08-03T13:17:00Z", 1),
    ("roche-cobas-c311", "cobas_c311", "CL-PL-24-0370", "2024-02-03T13:20:11Z", 7),
]


@pytest.mark.parametrize(("profile", "capture", "specimen", "run_at", "count"), WHOLE)
def test_a_message_is_read_whole(
    captures: Path,
    read_capture: Read,
    profile: str,
    capture: str,
    specimen: str,
    run_at: str,
    count: int,
) -> None:
    path = captures / "astm" / f"{capture}.astm"
    found = read_capture(profile, path.name)
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == (specimen, "patient", True)
    assert len(sample.results) == count
    assert found.notes == []
    for result, row in zip(sample.results, wire_results(path), strict=True):
        assert result.test_code in row[2]
        assert result.value == row[3].strip().replace("&R&", "\\")
        assert (result.units or "") == row[4]
        assert [flag for flag in result.abnormal_flags if not flag.isdigit()] == (
            [row[6]] if row[6] else []
        )
        assert (result.result_status or "") == row[8]
        assert result.run_at == run_at
        assert (result.run_kind, result.next_action) == ("unknown", "none")


def test_the_alarms_of_a_cobas_stand_in_its_comments(read_capture: Read) -> None:
    (sample,) = read_capture("roche-cobas-c311", "cobas_c311.astm").samples
    alarms = [one.abnormal_flags[1:] for one in sample.results]
    assert alarms == [["43"], [], [], [], [], [], ["43"]]


def test_sysmex_pictures_and_messages_are_no_numbers(read_capture: Read) -> None:
    sample = read_capture("sysmex-xn", "sysmex_xn550.astm").samples[0]
    reasons = {one.test_code: one.invalid_reason for one in sample.results if one.invalid_reason}
    assert reasons == {
        "Eosinophilia": "empty",
        "Anemia": "empty",
        "Positive_Diff": "empty",
        "Positive_Count": "empty",
        "SCAT_WDF": "picture",
        "SCAT_WDF-CBC": "picture",
        "DIST_RBC": "picture",
        "DIST_PLT": "picture",
    }
    assert [one.numeric for one in sample.results[:3]] == ["8.13", "2.60", "8.0"]


def test_wells_and_reactions_are_named_by_their_assay(read_capture: Read) -> None:
    (ih1000,) = read_capture("biorad-ih1000", "biorad_ih1000.records").samples
    assert [(one.test_code, one.value) for one in ih1000.results] == [
        ("MO10^AntiA", "40"),
        ("MO10^AntiB", "0"),
        ("MO10^AntiD", "0"),
        ("MO10^Result", "A^NEG^NEG^ccee^K-^NEG"),
    ]
    assert {(one.units, one.run_at) for one in ih1000.results} == {(None, "2022-03-11T11:41:03Z")}
    (echo,) = read_capture("immucor-echo", "galileo_echo.records").samples
    assert [(one.test_code, one.value) for one in echo.results[-3:]] == [
        ("Screen/Screen 3", "4+"),
        ("Screen/Pos Ctrl", "4+"),
        ("Screen/Screen Interp", "Pos"),
    ]
    assert {(one.result_status, one.run_at) for one in echo.results} == {
        ("F", "2006-03-06T16:44:29Z")
    }


GENERIC = [
    # capture, specimen, test codes, values, run time
    (
        "biorad_ih1000.records",
        "1122206642",
        ["AntiA", "AntiB", "AntiD", "Result"],
        ["40", "0", "0", "A^NEG^NEG^ccee^K-^NEG"],
        "2022-03-11T11:41:03Z",
    ),
    (
        "galileo_echo.records",
        "0651439A",
        [
            *("Rh Ctrl", "Anti-A", "Anti-B", "Anti-AB", "Anti-D1", "Anti-D2", "A1 Cells"),
            *("B Cells", "ABOD Full Interp"),
            *("Screen 1", "Screen 2", "Screen 3", "Pos Ctrl", "Screen Interp"),
        ],
        [
            *("0^0^0", "0^0^0", "3+^3+^45", "3+^3+^45", "3+^3+^29", "3+^3+^40", "2+^2+^17"),
            *("0^0^0", "B Pos"),
            *("4+^4+^100", "4+^4+^99", "4+^4+^100", "4+^4+^100", "Pos"),
        ],
        "2006-03-06T16:44:29Z",
    ),
    ("mini_vidas_mock.astm", "Z1G021SCR", ["HBCT"], ["0.05"], "2024-10-25T18:35:00Z"),
    (
        "spotchem_el_mock.astm",
        "1DC042FP",
        ["Na", "K", "Cl"],
        ["131.0", "9.7", "96.0"],
        "2024-10-29T13:08:00Z",
    ),
]


@pytest.mark.parametrize(("capture", "specimen", "codes", "values", "run_at"), GENERIC)
def test_an_instrument_without_profile_is_read_by_the_standard(
    read_capture: Read,
    capture: str,
    specimen: str,
    codes: list[str],
    values: list[str],
    run_at: str,
) -> None:
    (sample,) = read_capture("generic-astm", capture).samples
    assert sample.sample_id == specimen
    assert [one.test_code for one in sample.results] == codes
    assert [one.value for one in sample.results] == values
    assert {one.run_at for one in sample.results} == {run_at}
