import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.astm.dialect import Dialect
from protocols.astm.text import DEFAULT, Delimiters, escape, read_delimiters, unescape
from protocols.errors import LocalProtocolError

GENEXPERT = Delimiters("|", "@", "^", "\\")


@pytest.mark.conformance(68)
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (r"H|\^&", Delimiters("|", "\\", "^", "&")),
        (r"H|\^&|||x", Delimiters("|", "\\", "^", "&")),
        (r"H|@^\|x", GENEXPERT),
        (r"H|\^|x", Delimiters("|", "\\", "^", "")),
        ("H|~^&|x", Delimiters("|", "~", "^", "&")),
        ("H|`^&|x", Delimiters("|", "`", "^", "&")),
        ("H!\\^&!x", Delimiters("!", "\\", "^", "&")),
        ("h|\\!~|x", Delimiters("|", "\\", "!", "~")),
    ],
)
def test_item_068_delimiters_come_from_the_header(header, expected):
    assert read_delimiters(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "H",
        "H|",
        "H||x",
        r"H|\|",
        r"H|\^&~|x",
        r"H|\\&|",
        r"H|ab&|",
        "H|\\ &|",
        r"H|\\^&",
    ],
)
def test_headers_that_declare_no_usable_delimiters(header):
    assert read_delimiters(header) is None


@pytest.mark.parametrize("header", [r"H|\\^&|x", r"H|\^&|x"])
def test_a_doubled_backslash_is_read_once_by_switch(header):
    assert read_delimiters(header, Dialect(header_backslash=True)) == DEFAULT


@pytest.mark.conformance(75)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a&F&b&S&c&R&d&E&e", "a|b^c\\d&e"),
        ("&X0D&", "\r"),
        ("&X4142e9&", "AB\xe9"),
        ("&H&bold&N&", "bold"),
        ("&Zvendor 1&", "&Zvendor 1&"),
        ("plain", "plain"),
    ],
)
def test_item_075_escapes_are_decoded(text, expected):
    problems = []
    assert unescape(text, problems=problems) == expected
    assert problems == []


@pytest.mark.conformance(75)
@pytest.mark.parametrize("text", ["a & b", "&Q&", "&F", "a&", "&X0&", "&XGG&", "&&", "A & B & C"])
def test_item_075_unknown_or_unclosed_escapes_stay_and_are_told(text):
    problems = []
    assert unescape(text, problems=problems) == text
    assert problems == ["unknown_escape"]
    assert unescape(text) == text


@pytest.mark.conformance(75)
def test_item_075_an_escape_after_a_stray_mark_is_still_decoded():
    problems = []
    assert unescape("A & B &F& C", problems=problems) == "A & B | C"
    assert problems == ["unknown_escape"]


@pytest.mark.conformance(75)
@pytest.mark.parametrize(
    ("text", "expected"),
    [("\\Z34C8\\", "\u34c8"), ("\\Z00410042\\", "AB"), ("\\Z34C\\", "\\Z34C\\"), ("\\F\\", "|")],
)
def test_item_075_genexpert_writes_utf_16(text, expected):
    assert unescape(text, GENEXPERT, Dialect(utf16_escapes=True)) == expected
    assert unescape("\\Z34C8\\", GENEXPERT) == "\\Z34C8\\"


@pytest.mark.conformance(76)
def test_item_076_escapes_do_not_nest():
    assert unescape("&E&F&E&") == "&F&"


def test_without_an_escape_character_nothing_is_decoded():
    assert unescape("&F&", Delimiters("|", "\\", "^", "")) == "&F&"


def test_hexadecimal_bytes_are_of_the_links_encoding():
    assert unescape("&XC3A9&", dialect=Dialect(encoding="utf-8")) == "\xe9"
    assert unescape("&XFF&", dialect=Dialect(encoding="utf-8")) == "\ufffd"


def test_what_needs_escaping_cannot_be_written_without_an_escape_character():
    plain = Delimiters("|", "\\", "^", "")
    assert escape("abc & def", plain) == "abc & def"
    with pytest.raises(LocalProtocolError):
        escape("a^b", plain)


@pytest.mark.conformance(64)
def test_item_064_delimiters_and_control_characters_are_written_as_escapes():
    assert escape("a|b^c\\d&e\r") == "a&F&b&S&c&R&d&E&e&X0D&"


@pytest.mark.conformance(64)
@given(st.text(st.characters(max_codepoint=255)), st.sampled_from([DEFAULT, GENEXPERT]))
def test_item_064_escaped_text_holds_nothing_special_and_comes_back(text, delimiters):
    escaped = escape(text, delimiters)
    structure = {*delimiters[:3], *map(chr, range(32))}
    assert not structure & set(escaped)
    assert unescape(escaped, delimiters) == text
