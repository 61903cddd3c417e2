"""Horiba Pentra: suspicions, values that could not be measured, corrections of an order."""

from collections import Counter
from collections.abc import Callable

from drivers.result import Interpretation

HEADER = "H|\\^&|||ABX|||||||P|E1394-97|20260520120000"

Read = Callable[..., Interpretation]


def test_a_captured_message_is_read_whole(read_capture: Read) -> None:
    found = read_capture("horiba-pentra", "pentra_xlr.astm")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.order_status) == ("S1234", "patient", "F")
    assert sample.patient is not None
    assert (sample.patient.birth_date, sample.patient.sex) == ("1977-12-01", "F")
    assert found.notes == []
    results = sample.results
    assert [one.test_code for one in results] == [
        *("WBC", "LYM#", "LYM%", "MON#", "MON%", "NEU#", "NEU%", "EOS#", "EOS%", "BAS#", "BAS%"),
        *("RBC", "HGB", "HCT", "MCV", "MCH", "MCHC", "RDW", "PLT", "MPV", "RDWSD"),
    ]
    assert Counter(one.result_status for one in results) == {"W": 9, "X": 2, "F": 10}
    assert {one.run_at for one in results} == {"2022-07-27T12:15:50Z"}
    assert {(one.units, one.dilution, one.run_kind) for one in results} == {("1", None, "unknown")}
    flagged = {one.test_code: one.abnormal_flags for one in results if one.abnormal_flags}
    assert flagged == {"MON#": ["L"], "BAS#": ["HH"]}
    unusable = {one.test_code: one for one in results if one.invalid_reason}
    assert list(unusable) == ["BAS#", "BAS%"]
    assert {(one.value, one.numeric) for one in unusable.values()} == {("-----", None)}


def test_an_order_type_of_correction_makes_each_result_one(read: Read) -> None:
    (sample,) = read(
        "horiba-pentra",
        "O|1|S1^01^02||^^^CBC" + "|" * 21 + "C",
        "R|1|^^^WBC^804-5^1|8.7|1||||F||||20260520110000",
        "R|2|^^^PLT^777-3^1|201|1||||C||||20260520110000",
        header=HEADER,
    ).samples
    assert [(one.run_kind, one.result_status) for one in sample.results] == [
        ("correction", "F"),
        ("correction", "C"),
    ]


def test_dashes_are_no_value_whatever_the_status_says(read: Read) -> None:
    (sample,) = read(
        "horiba-pentra",
        "O|1|S1||^^^CBC",
        "R|1|^^^WBC|-----|1||||F",
        header=HEADER,
    ).samples
    assert sample.results[0].invalid_reason == "not_measured"
