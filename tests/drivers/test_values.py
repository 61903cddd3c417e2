"""What the text of a value says, conformance item 90."""

import pytest

from drivers.profile import load
from drivers.sections import ResultSection
from drivers.values import Value, compile_value

POINT = compile_value(load("generic-astm").result)
COMMA = compile_value(
    ResultSection.model_validate(
        {
            "test_code": "R.3.4",
            "decimal_sign": ",",
            "comparators": {"less than": "<"},
            "invalid": [
                {"text": ["999999", "-0x0fffffff"], "reason": "overflow"},
                {"pattern": r"^\++$", "reason": "out_of_range"},
            ],
        }
    )
)


@pytest.mark.conformance(90)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5", Value("12.5", None, "12.5")),
        ("99", Value("99", None, "99")),
        ("-2.0", Value("-2.0", None, "-2.0")),
        ("5.50", Value("5.50", None, "5.50")),
        ("+5", Value("+5", None, "5")),
        ("007.5", Value("007.5", None, "7.5")),
        (".5", Value(".5", None, "0.5")),
        ("5.", Value("5.", None, "5")),
        ("1.50E3", Value("1.50E3", None, "1500")),
        ("9.99E+99", Value("9.99E+99", None, None, "out_of_bounds")),
        ("<0.1", Value("<0.1", "<", "0.1")),
        ("> 500", Value("> 500", ">", "500")),
        ("<=0.1", Value("<=0.1", "<=", "0.1")),
        ("≥7", Value("≥7", ">=", "7")),
        ("NEG", Value("NEG")),
        ("3+", Value("3+")),
        ("1:40", Value("1:40")),
        ("٣", Value("٣")),
        ("1" * 31, Value("1" * 31)),
        ("5,5", Value("5,5", problem="other_decimal_sign")),
        ("----", Value("----", invalid_reason="no_number")),
        ("**", Value("**", invalid_reason="no_number")),
        ("", Value("", invalid_reason="empty")),
        ('""', Value("", invalid_reason="deleted")),
    ],
)
def test_a_value_is_a_number_a_limit_a_word_or_none(text: str, value: Value) -> None:
    assert POINT(text) == value


@pytest.mark.conformance(90)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5,50", Value("5,50", None, "5.50")),
        ("5.5", Value("5.5", problem="other_decimal_sign")),
        ("less than 0,1", Value("less than 0,1", "<", "0.1")),
        ("999999", Value("999999", invalid_reason="overflow")),
        ("-0x0fffffff", Value("-0x0fffffff", invalid_reason="overflow")),
        ("++++", Value("++++", invalid_reason="out_of_range")),
    ],
)
def test_a_profile_sets_sign_comparators_and_sentinels(text: str, value: Value) -> None:
    assert COMMA(text) == value
