"""Paths and sources: how a profile says where a fact stands."""

from typing import Any

import pytest

from drivers.fields import Picker
from drivers.source import FieldPath, Source
from protocols.astm.dialect import Dialect
from protocols.astm.text import Delimiters

PICKER = Picker(Delimiters(), Dialect())


@pytest.mark.parametrize(
    ("path", "raw", "text"),
    [
        ("R.4", " 5.5 ", "5.5"),
        ("R.4", "", ""),
        ("R.4", "3+^3+^45", "3+^3+^45"),
        ("R.4", "40^^", "40"),
        ("R.4", "20.0\\30.0", "20.0\\30.0"),
        ("R.4", "a&S&b&R&c&F&d&E&e", "a^b\\c|d&e"),
        ("R.3.4", "^^^WBC^x", "WBC"),
        ("R.3.4", "^^^WBC&S&1", "WBC^1"),
        ("R.3.1", "HBCT", "HBCT"),
        ("R.3.2", "HBCT", ""),
        ("R.3.9", "^^^WBC", ""),
        ("O.3.*", "^^ ^  27^M", "27"),
        ("O.3.*", "^^^", ""),
        ("O.5[2].4", "^^^WBC\\^^^RBC", "RBC"),
        ("O.5[2]", "^^^WBC\\^^^RBC", "^^^RBC"),
        ("O.5[3].4", "^^^WBC\\^^^RBC", ""),
        ("O.5.4", "^^^WBC\\^^^RBC", "WBC"),
    ],
)
def test_a_path_picks_a_text(path: str, raw: str, text: str) -> None:
    assert PICKER.pick(FieldPath.parse(path), raw) == text


@pytest.mark.parametrize(
    ("rule", "fields", "text"),
    [
        ("O.3", {"O.3": "A"}, "A"),
        (["O.3", "O.4.3"], {"O.4": "^^B"}, "B"),
        (["O.3", "O.4.3"], {}, ""),
        ({"join": ["R.3.2", "R.3.3"], "with": "/"}, {"R.3": "^a^b"}, "a/b"),
        ({"join": ["R.3.2", "R.3.3", "R.3.4"]}, {"R.3": "^a"}, "a"),
        ({"join": ["R.3.1", "R.3.2", "R.3.3"]}, {"R.3": "a^^c"}, "a^^c"),
        ({"from": "R.3.4", "match": "^([^/]*)"}, {"R.3": "^^^685/5"}, "685"),
        ({"from": "R.3.4", "match": "/([^/]+)"}, {"R.3": "^^^685"}, ""),
        ({"from": "R.3.4", "match": "685(x)?"}, {"R.3": "^^^685"}, ""),
        ({"from": ["O.3", "O.4"], "match": r"(\d+)"}, {"O.3": "ab", "O.4": "c12"}, "12"),
    ],
)
def test_a_source_finds_a_text(rule: Any, fields: dict[str, str], text: str) -> None:
    source = Source.parse(rule)
    assert PICKER.find(source, lambda r, position: fields.get(f"{r}.{position}", "")) == text


@pytest.mark.parametrize("text", ["R.9", "R.3.4", "O.3.*", "O.5[2].4", "H.12[3]"])
def test_a_path_is_told_as_it_is_written(text: str) -> None:
    assert str(FieldPath.parse(text)) == text


def test_a_source_is_told_in_words() -> None:
    assert str(Source.parse(["O.3", "O.4.3"])) == "O.3 or O.4.3"
    assert str(Source.parse({"join": ["R.3.2", "R.3.7"]})) == "R.3.2 with R.3.7"


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("R", "expected a field such as R.4"),
        ("C.3", "expected a field such as R.4"),
        ("R.0", "expected a field such as R.4"),
        (["R.4", 3], "got 3"),
        (7, "expected a field, a list of fields or a table, got 7"),
        ({"path": "R.4"}, "unknown key 'path'"),
        ({"match": "(a)"}, "expected either `from` or `join`"),
        ({"from": "R.4", "join": ["R.5"]}, "expected either `from` or `join`"),
        ({"from": {"join": ["R.4"]}}, "expected a field or a list of fields in `from`"),
        ({"from": "R.4", "match": "a"}, "expected one group in `match`, got 0"),
        ({"from": "R.4", "match": "(a"}, "not a regular expression"),
        ({"from": "R.4", "match": 1}, "expected a regular expression, got 1"),
    ],
)
def test_a_wrong_rule_is_told(rule: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(").replace("[", r"\[")):
        Source.parse(rule)
