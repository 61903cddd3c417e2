"""The check of golden samples tells every difference, and accepts what is not written."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.profile import load
from drivers.selftest import check, read_sample
from protocols.astm.frame import encode
from protocols.hl7 import mllp

SAMPLE = b"# a comment\nH|\\^&|||Analyzer\nP|1\nO|1|S1\nR|1|^^^GLU|5.5|mmol/L\nL|1|N\n"


@pytest.mark.parametrize(
    ("expected", "differences"),
    [
        ({"samples": [{"sample_id": "S1", "results": [{"value": "5.5"}]}]}, []),
        ({"samples": [{"results": [{"value": "5"}]}]}, ['expected "5", got "5.5"']),
        ({"samples": [{"results": []}]}, ["samples[0].results: expected [], got 1 of them"]),
        ({}, ["samples: expected [], got 1 of them"]),
        ({"samples": [{}], "notes": ["x"]}, ['notes: expected ["x"], got []']),
        ({"samples": [{"patient": {"name": "A"}}]}, ['patient: expected {"name": "A"}, got null']),
    ],
)
def test_a_difference_is_told_with_its_place(
    tmp_path: Path, expected: dict[str, Any], differences: list[str]
) -> None:
    (tmp_path / "case.astm").write_bytes(SAMPLE)
    (tmp_path / "case.json").write_text(json.dumps(expected), encoding="utf-8")
    found = check(load("generic-astm"), tmp_path / "case.astm")
    assert len(found) == len(differences)
    for difference, told in zip(differences, found, strict=True):
        assert told.endswith(difference)


def test_a_refusal_can_be_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "case.astm").write_bytes(SAMPLE)
    (tmp_path / "case.json").write_text('{"error": "other_sender"}', encoding="utf-8")
    assert check(load("sysmex-xn"), tmp_path / "case.astm") == []
    assert check(load("generic-astm"), tmp_path / "case.astm") != []
    assert read_sample(load("sysmex-xn"), tmp_path / "case.astm") == {"error": "other_sender"}


def test_an_expectation_may_be_elsewhere_and_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "case.astm").write_bytes(SAMPLE)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text('{"samples": [{"sample_id": "S1"}]}', encoding="utf-8")
    assert check(load("generic-astm"), tmp_path / "case.astm", elsewhere) == []
    elsewhere.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="expected an object"):
        check(load("generic-astm"), tmp_path / "case.astm", elsewhere)


def test_what_came_over_the_line_is_a_sample_too(tmp_path: Path) -> None:
    framed = tmp_path / "framed.astm"
    framed.write_bytes(b"".join(encode(line + b"\r", 1) for line in SAMPLE.splitlines()[1:]))
    (tmp_path / "bare.astm").write_bytes(SAMPLE)
    profile = load("generic-astm")
    assert read_sample(profile, framed) == read_sample(profile, tmp_path / "bare.astm")
    message = b"MSH|^~\\&|A\rPID|1\rOBR|1|S1\rOBX|1|NM|GLU||5.5\r"
    (tmp_path / "framed.hl7").write_bytes(mllp.encode(message) + mllp.encode(message))
    (tmp_path / "bare.hl7").write_bytes(message + message)
    hl7 = load("generic-hl7")
    assert read_sample(hl7, tmp_path / "framed.hl7") == read_sample(hl7, tmp_path / "bare.hl7")
