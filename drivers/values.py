"""What the text of a value says: a number, a limit, a word, or that there is no value.

Numbers stay decimal text from end to end: a float would change what the instrument sent.
"""

import re
from collections.abc import Callable
from decimal import Decimal

import msgspec

from drivers.result import Comparator
from drivers.sections import ResultSection, Sentinel

_COMPARATORS: dict[str, Comparator] = {
    "<=": "<=",
    ">=": ">=",
    "≤": "<=",
    "≥": ">=",
    "<": "<",
    ">": ">",
}

_MAX_EXPONENT = 30
"""Far beyond any measurement: such a number is a mark, or a fault."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value's text and what it stands for. `problem` is the code of a note."""

    text: str
    comparator: Comparator | None = None
    numeric: str | None = None
    invalid_reason: str | None = None
    problem: str | None = None


EMPTY = Value("", invalid_reason="empty")
DELETED = Value("", invalid_reason="deleted")


def compile_value(section: ResultSection) -> Callable[[str], Value]:
    """Return the function that reads the text of a value as the profile says."""
    comparators = _COMPARATORS | section.comparators
    number = _number_pattern(section.decimal_sign, comparators)
    other_sign = "," if section.decimal_sign == "." else "."
    other = _number_pattern(other_sign, comparators)

    def read(text: str) -> Value:
        if text in ("", '""'):  # LIS02-A2 5.4.9: two quotes delete what was sent before
            return DELETED if text else EMPTY
        reason = _invalid_reason(text, section.invalid)
        if reason is not None:
            return Value(text, invalid_reason=reason)
        match = number.fullmatch(text)
        if match is None:
            problem = "other_decimal_sign" if other.fullmatch(text) else None
            return Value(text, problem=problem)
        numeric = _plain(match["number"].replace(section.decimal_sign, "."))
        comparator = comparators.get(match["comparator"])
        return Value(text, comparator, numeric, None if numeric else "out_of_bounds")

    return read


def _number_pattern(sign: str, comparators: dict[str, Comparator]) -> re.Pattern[str]:
    longest_first = sorted(comparators, key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first))
    point = re.escape(sign)
    digits = rf"[+-]?(?:\d{{1,30}}(?:{point}\d{{0,30}})?|{point}\d{{1,30}})(?:[eE][+-]?\d{{1,4}})?"
    return re.compile(rf"(?P<comparator>{words}|)\s*(?P<number>{digits})", re.ASCII)


def _plain(number: str) -> str | None:
    """The number without sign of plus, leading zeros and exponent; its digits are kept."""
    value = Decimal(number)
    return f"{value:f}" if abs(value.adjusted()) <= _MAX_EXPONENT else None


def _invalid_reason(text: str, sentinels: tuple[Sentinel, ...]) -> str | None:
    for sentinel in sentinels:
        if sentinel.text is not None and text in sentinel.text:
            return sentinel.reason
        if sentinel.pattern is not None and sentinel.pattern.search(text):
            return sentinel.reason
    return None
