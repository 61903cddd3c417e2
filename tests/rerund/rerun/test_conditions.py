"""Conditions of an auto rerun: every boundary, per sex, condition and comparator."""

import pytest

from rerund.rerun.conditions import Checked, Finding, find
from rerund.rerun.records import Parameter, ParameterMeta, Range

BOTH = (Range("", "4.0", "10.0", "1.0", "50.0"),)
PER_SEX = (Range("M", "13.5", "17.5", "7.0", "20.0"), Range("F", "12.0", "16.0", "6.5", "19.5"))


def parameter(condition, ranges=(), lower=None, upper=None, flags=(), auto=True):
    meta = ParameterMeta(
        auto_rerun=auto,
        auto_rerun_condition=condition,
        auto_rerun_lower=lower,
        auto_rerun_upper=upper,
        auto_rerun_flags=flags,
    )
    return Parameter(1, 10, "HGB", "g/dL", ranges, meta)


def checked(value, flags=(), usable=True):
    """`<5` is 5 with its comparator; None is a value without a number."""
    text = value or ""
    comparator = text[: len(text) - len(text.lstrip("<>="))] or None
    return Checked(text.lstrip("<>=") or None, comparator, usable, tuple(flags))


@pytest.mark.parametrize(
    ("condition", "value", "bound"),
    [
        ("abnormal", "3.9", "4.0"),
        ("abnormal", "3.9999999999999999999999999", "4.0"),
        ("abnormal", "4.0", None),
        ("abnormal", "4", None),
        ("abnormal", "4.00", None),
        ("abnormal", "7", None),
        ("abnormal", "10.0", None),
        ("abnormal", "10.00000000000000000000000001", "10.0"),
        ("abnormal", "10.1", "10.0"),
        ("abnormal", "-1", "4.0"),
        ("abnormal", "0", "4.0"),
        ("critical", "3.9", None),
        ("critical", "1.0", None),
        ("critical", "0.9", "1.0"),
        ("critical", "50.0", None),
        ("critical", "50.1", "50.0"),
        ("abnormal", None, None),
    ],
)
@pytest.mark.parametrize("sex", ["M", "F", "O", "U", "", None])
def test_a_range_for_both_sexes_is_everybodys_and_its_bounds_lie_inside(
    condition, value, bound, sex
):
    expected = bound and Finding(condition, bound)
    assert find(parameter(condition, BOTH), sex, checked(value)) == expected


@pytest.mark.parametrize(
    ("sex", "condition", "value", "bound"),
    [
        ("M", "abnormal", "13.4", "13.5"),
        ("M", "abnormal", "13.5", None),
        ("M", "abnormal", "17.5", None),
        ("M", "abnormal", "17.6", "17.5"),
        ("F", "abnormal", "11.9", "12.0"),
        ("F", "abnormal", "12.0", None),
        ("F", "abnormal", "13.4", None),
        ("F", "abnormal", "16.0", None),
        ("F", "abnormal", "16.1", "16.0"),
        ("M", "critical", "6.9", "7.0"),
        ("M", "critical", "7.0", None),
        ("M", "critical", "20.0", None),
        ("M", "critical", "20.1", "20.0"),
        ("F", "critical", "6.4", "6.5"),
        ("F", "critical", "6.5", None),
        ("F", "critical", "19.5", None),
        ("F", "critical", "19.6", "19.5"),
        ("m", "abnormal", "13.4", "13.5"),
        ("Female", "abnormal", "13.4", None),
        ("male", "abnormal", "13.4", "13.5"),
        *((sex, "abnormal", "1.0", None) for sex in ("O", "U", "", None, "X")),
        *((sex, "critical", "1.0", None) for sex in ("O", "U", "", None, "X")),
    ],
)
def test_ranges_are_per_sex_and_an_unknown_one_never_qualifies_where_they_differ(
    sex, condition, value, bound
):
    expected = bound and Finding(condition, bound)
    assert find(parameter(condition, PER_SEX), sex, checked(value)) == expected


@pytest.mark.parametrize(
    ("ranges", "condition", "bound"),
    [
        ((Range("M", "4", "9"), Range("F", "4.0", "9.00")), "abnormal", "4"),
        ((Range("M", "4", "9"), Range("F", "4", "9.1")), "abnormal", None),
        ((Range("M", "4", None, "2"), Range("F", "4.1", None, "2.0")), "critical", "2"),
        ((Range("M", "4", None, "2"), Range("F", "4.1", None, "2.0")), "abnormal", None),
        ((Range("M", "4", "9"),), "abnormal", None),
        ((Range("", "4", "9"), Range("F", "3", "9")), "abnormal", None),
        ((Range("", "4", "9"), Range("F", "4", "9")), "abnormal", "4"),
    ],
)
def test_an_unknown_sex_qualifies_where_both_have_the_same_bounds(ranges, condition, bound):
    expected = bound and Finding(condition, bound)
    assert find(parameter(condition, ranges), None, checked("1.9")) == expected


@pytest.mark.parametrize(("sex", "bound"), [("M", "4"), ("F", "3")])
def test_a_sex_with_a_range_of_its_own_has_that_and_the_other_the_common_one(sex, bound):
    ranges = (Range("", "4", "9"), Range("F", "3", "9"))
    assert find(parameter("abnormal", ranges), sex, checked("2")) == Finding("abnormal", bound)


def test_a_sex_without_a_range_never_qualifies():
    assert find(parameter("abnormal", (Range("M", "4", "9"),)), "F", checked("1")) is None


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("<3.9", "4.0"),
        ("<4.0", "4.0"),
        ("<4.00", "4.0"),
        ("<4.1", None),
        ("<=3.9", "4.0"),
        ("<=4.0", None),
        ("<1000", None),
        ("<=1000", None),
        (">10.1", "10.0"),
        (">10.0", "10.0"),
        (">9.9", None),
        (">=10.1", "10.0"),
        (">=10.0", None),
        (">1", None),
        (">=1", None),
    ],
)
def test_a_limit_qualifies_only_when_every_number_it_stands_for_is_outside(value, bound):
    expected = bound and Finding("abnormal", bound)
    assert find(parameter("abnormal", BOTH), "M", checked(value)) == expected


@pytest.mark.parametrize(
    ("lower", "upper", "value", "bound"),
    [
        ("4", "9", "3.9", "4"),
        ("4", "9", "4", None),
        ("4", "9", "9", None),
        ("4", "9", "9.1", "9"),
        (None, "9", "-100", None),
        (None, "9", "<9", None),
        (None, "9", "9.1", "9"),
        ("4", None, "1000000", None),
        ("4", None, "3.9", "4"),
        ("4", None, ">4", None),
        (" ", "9", "-100", None),
        (None, None, "0", None),
        ("4", "4", "4", None),
        ("4", "4", "4.1", "4"),
        ("-5", "-1", "-5.1", "-5"),
        ("-5", "-1", "0", "-1"),
        ("four", "9", "1", None),
        ("NaN", "9", "10", None),
        ("1e1", None, "9.9", "10"),
    ],
)
def test_custom_bounds_are_everybodys_and_a_blank_one_is_open(lower, upper, value, bound):
    expected = bound and Finding("custom", bound)
    custom = parameter("custom", PER_SEX, lower, upper)
    assert [find(custom, sex, checked(value)) for sex in ("M", "F", None)] == [expected] * 3


@pytest.mark.parametrize(
    ("value", "flags", "usable", "expected"),
    [
        ("5.0", (), True, None),
        (None, (), True, None),
        ("5.0", (), False, Finding("invalid", None)),
        (None, ("A",), False, Finding("invalid", None)),
        ("5.0", ("A",), True, Finding("invalid", "A")),
        ("5.0", ("H", "W"), True, Finding("invalid", "W")),
        ("5.0", ("a",), True, None),
        ("5.0", ("H",), True, None),
        ("999", (), True, None),
    ],
)
def test_invalid_is_an_unusable_value_or_one_of_the_flags(value, flags, usable, expected):
    rule = parameter("invalid", BOTH, flags=("A", "W"))
    assert find(rule, "M", checked(value, flags, usable)) == expected


@pytest.mark.parametrize("condition", ["abnormal", "critical", "custom"])
def test_an_unusable_value_is_outside_no_range(condition):
    rule = parameter(condition, BOTH, "4", "9", flags=("A",))
    assert find(rule, "M", checked("0.1", ("A",), usable=False)) is None


@pytest.mark.parametrize("condition", ["abnormal", "critical", "custom", "invalid", None])
def test_without_auto_rerun_nothing_qualifies(condition):
    rule = parameter(condition, BOTH, "4", "9", ("A",), auto=False)
    assert find(rule, "M", checked("0.1", ("A",), usable=condition != "invalid")) is None


def test_auto_rerun_without_a_condition_never_qualifies():
    assert find(parameter(None, BOTH), "M", checked("0.1")) is None
