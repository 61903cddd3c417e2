"""Paths and sources of HL7 profiles: how a part of a segment is named and picked."""

import pytest

from drivers.fields import Picker
from drivers.hl7.paths import parse_path, parse_source
from drivers.hl7.picker import Hl7Picker
from protocols.hl7.segment import Coding
from protocols.hl7.text import Delimiters

PICKER: Picker = Hl7Picker(Coding(Delimiters(), "utf-8"))


@pytest.mark.parametrize(
    ("path", "raw", "text"),
    [
        ("OBX.5", " 5.5 ", "5.5"),
        ("OBX.5", "", ""),
        ("OBX.5", "2.35^", "2.35"),
        ("OBX.5", "a~b", "a~b"),
        ("OBX.5", '""', ""),
        ("OBX.3.1", "6690-2^WBC^LN", "6690-2"),
        ("OBX.3.2", "6690-2", ""),
        ("OBX.3.9", "6690-2^WBC", ""),
        ("SPM.2.1", "S1&BARCODE^x", "S1&BARCODE"),
        ("SPM.2.1.1", "S1&BARCODE^x", "S1"),
        ("SPM.2.1.2", "S1&BARCODE^x", "BARCODE"),
        ("SPM.2.1.3", "S1&BARCODE^x", ""),
        ("SPM.2.1.1", '""^x', ""),
        ("OBX.6.*", "^Copies/mL", "Copies/mL"),
        ("OBX.6.*", '""^ ^mL~L', "mL"),
        ("OBX.6.*", "^^", ""),
        ("OBX.18[2].1", "A^x~B^y", "B"),
        ("OBX.18[2]", "A^x~B^y", "B^y"),
        ("OBX.18[3].1", "A^x~B^y", ""),
        ("OBX.5", r"a\T\b\S\c", "a&b^c"),
        ("OBX.6", "\udcb5g/L", "\ufffdg/L"),
    ],
)
def test_a_path_picks_a_text(path: str, raw: str, text: str) -> None:
    assert PICKER.pick(parse_path(path), raw) == text


@pytest.mark.parametrize(
    "path", ["OBX.3", "OBX.3.1", "OBX.3.1.2", "OBX.6.*", "OBX.18[2].1", "OBX.18[2]", "PV1.3"]
)
def test_a_path_is_written_as_it_was_read(path: str) -> None:
    assert str(parse_path(path)) == path


@pytest.mark.parametrize(
    "path", ["OBX", "OBX.", "OBX.0", "OBX.3.", "R.3", "obx.3", "OBX.3.*.1", "OBX.3.1.", "OBX3", 3]
)
def test_what_is_no_path_is_told(path: object) -> None:
    with pytest.raises(ValueError, match=r"expected a field such as OBX\.5"):
        parse_path(path)


def test_a_source_joins_and_matches_as_for_records() -> None:
    fields = {("OBX", 3): "A&B^x", ("OBX", 4): "C"}

    def raw(segment: str, position: int) -> str:
        return fields.get((segment, position), "")

    joined = parse_source({"join": ["OBX.3.1.1", "OBX.3.1.2", "OBX.4", "OBX.5"], "with": "/"})
    assert PICKER.find(joined, raw) == "A/B/C"
    assert PICKER.find(parse_source({"from": ["OBX.5", "OBX.3"], "match": "B(.x)"}), raw) == "^x"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"\Z03BC\g/L", "\u03bcg/L"),
        ("\\ZD83D\\\\ZDE00\\", "\U0001f600"),
        (r"\ZD83DDE00\!", "\U0001f600!"),
        (r"\ZD83D\!", "\ufffd!"),
        (r"\Z3\!", r"\Z3\!"),
    ],
)
def test_utf16_escapes_are_read_where_the_dialect_says_so(raw: str, text: str) -> None:
    picker = Hl7Picker(Coding(Delimiters(), "utf-8"), utf16_escapes=True)
    assert picker.pick(parse_path("OBX.6"), raw) == text
    assert PICKER.pick(parse_path("OBX.6"), raw) == raw


def test_the_delimiters_are_those_of_the_message() -> None:
    picker = Hl7Picker(Coding(Delimiters("|", "$", "*", "!", "%"), "utf-8"))
    assert picker.pick(parse_path("OBX.3[2].2.1"), "a$b*c$d!T!%e") == "d%"
