"""Horiba Yumizen H500 and H550: controls, histograms in M records, a doubled backslash."""

from collections.abc import Callable

import pytest

from drivers.result import Interpretation

HEADER = "H|\\^&|||H500^1^2|||||||P|LIS2-A2|20260520120000"

Read = Callable[..., Interpretation]


@pytest.mark.parametrize(
    ("capture", "specimen", "run_at", "count", "first"),
    [
        (
            "yumizen_h500.astm",
            "PX440N",
            "2023-03-29T11:06:31Z",
            21,
            ("MCV", "90.6", "um3", "84.0 - 94.0"),
        ),
        (
            "yumizen_h550_qc.records",
            "PX449L",
            "2024-09-12T07:03:43Z",
            20,
            ("MCV", "78.4", "um3", "73.5-83.5"),
        ),
    ],
)
def test_a_captured_control_is_read_whole(
    read_capture: Read,
    capture: str,
    specimen: str,
    run_at: str,
    count: int,
    first: tuple[str, str, str, str],
) -> None:
    found = read_capture("horiba-yumizen", capture)
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == (specimen, "qc", True)
    assert found.notes == []
    results = sample.results
    assert len(results) == len({one.test_code for one in results}) == count
    main = results[0]
    assert (main.test_code, main.value, main.units, main.reference_range) == first
    assert {one.run_at for one in results} == {run_at}
    assert {(*one.abnormal_flags, one.result_status) for one in results} <= {
        ("N", "F"),
        ("H", "F"),
        ("L", "F"),
    }
    assert all(one.numeric and one.units and one.reference_range for one in results)
    assert {one.dilution for one in results} == {None}


def test_a_suspicion_is_kept_and_what_exceeds_the_capacity_is_no_value(read: Read) -> None:
    (sample,) = read(
        "horiba-yumizen",
        "O|1|S1||^^^DIF",
        "R|1|^^^WBC^6690-2|8.3|10E3/uL||N||W||||",
        "R|2|^^^PLT^777-3|999|10E3/uL||HH||X||||",
        header=HEADER,
    ).samples
    assert sample.kind == "patient"
    assert [(one.result_status, one.invalid_reason) for one in sample.results] == [
        ("W", None),
        ("X", "cannot_be_done"),
    ]
