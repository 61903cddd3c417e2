"""Siemens DCA Vantage: named by the patient id, corrected by order or by result."""

from collections.abc import Callable

import pytest

from drivers.result import Interpretation

HEADER = "H|\\^&|||DCA VANTAGE^04.04.00.00^S1|||||||P||20260520120000"

Read = Callable[..., Interpretation]


def test_a_captured_message_is_read_whole(read_capture: Read) -> None:
    found = read_capture("siemens-dca-vantage", "dca_vantage.astm")
    (sample,) = found.samples
    assert (sample.sample_id, sample.kind, sample.id_reliable) == ("BU24R554", "patient", True)
    assert found.notes == []
    assert [(one.test_code, one.value, one.units) for one in sample.results] == [
        ("Alb", "63.7", "mg/L"),
        ("Crt", "230.8", "mg/dL"),
        ("Ratio", "27.6", "mg/g"),
    ]
    assert {(one.run_at, one.result_status) for one in sample.results} == {
        ("2024-08-20T15:10:30Z", "F")
    }


@pytest.mark.parametrize(("order", "result"), [("C", "F"), ("F", "C"), ("C", "C")])
def test_a_correction_is_no_rerun(read: Read, order: str, result: str) -> None:
    (sample,) = read(
        "siemens-dca-vantage",
        "P|1|S1",
        "O|1||660^0090" + "|" * 22 + order,
        f"R|1|^^^HbA1c|5.6|%||||{result}|||20260520110000",
        header=HEADER,
    ).samples
    assert sample.results[0].run_kind == "correction"
