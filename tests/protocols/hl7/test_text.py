"""Escape sequences, item 140."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.hl7.text import DEFAULT, Delimiters, escape, read_delimiters, unescape

pytestmark = pytest.mark.conformance(140)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\F\\\\S\\\\T\\\\R\\\\E\\", "|^&~\\"),
        ("\\P\\", "#"),
        ("a\\X41\\b\\X4243\\", "aAbBC"),
        ("\\X0D\\", "\r"),
        ("\\XC3A4\\", "ä"),
        ("\\XE4\\", "�"),
        ("one\\.br\\two", "one\ntwo"),
        ("a\\.sp\\b\\.sp3\\c\\.sp+2\\", "a\nb\n\n\nc\n\n"),
        ("a\\.sk2\\b\\.ce\\c", "a  b\nc"),
        ("\\.in+4\\\\.ti-2\\\\.fi\\\\.nf\\x", "x"),
        ("\\.sp9999\\", "\n" * 99),
        ("\\H\\bold\\N\\", "bold"),
        ("\\Zvendor 1\\", "\\Zvendor 1\\"),
        ("\\M2442\\45<T\\C2842\\ ABC", "患者 ABC"),
        ("\\M242844\\\\C2842\\", ""),
        ("\\M2999\\x\\CFFFF\\y", "\\M2999\\x\\CFFFF\\y"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_item_140_escapes_are_decoded(text, expected):
    problems = []
    assert unescape(text, problems=problems) == expected
    assert problems == []


@pytest.mark.parametrize(
    "text", ["a \\ b", "\\Q\\", "\\F", "a\\", "\\X0\\", "\\XGG\\", "\\\\", "\\.xx\\", "\\C28\\"]
)
def test_item_140_unknown_or_unclosed_escapes_stay_and_are_told(text):
    problems = []
    assert unescape(text, problems=problems) == text
    assert problems == ["unknown_escape"]
    assert unescape(text) == text


def test_item_140_bytes_are_read_in_the_set_of_the_message():
    assert unescape("\\XE4\\", codec="latin-1") == "ä"
    assert unescape("\\XBCEC\\", codec="gb18030") == "检"


def test_item_140_escapes_do_not_nest():
    assert unescape("\\E\\F\\E\\") == "\\F\\"


DELIMITERS = st.sampled_from([DEFAULT, Delimiters("#", "!", "`", "$", "*"), Delimiters(*"|^~\\&#")])


@given(st.text(), DELIMITERS)
def test_escaped_text_holds_nothing_special_and_comes_back(text, delimiters):
    written = escape(text, delimiters)
    assert unescape(written, delimiters) == text
    assert not {*delimiters, "\r", "\n", "\x0b", "\x1c"} - {delimiters.escape, ""} & {*written}


@given(st.text(st.sampled_from("\\FSTREXZ.brspCM04$ 8")))
def test_any_text_can_be_unescaped(text):
    assert isinstance(unescape(text), str)


def test_a_header_that_is_cut_short_declares_nothing():
    assert read_delimiters("MSH") is None
