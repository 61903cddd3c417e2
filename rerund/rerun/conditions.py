"""Whether one value meets the condition of its parameter's auto rerun. Pure, in decimals.

Bounds lie inside the range; a blank bound is open. A value with a comparator stands for
many numbers and qualifies only when every one of them is outside.
"""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from rerund.rerun.records import AutoCondition, Parameter, Range

Bounds = tuple[Decimal | None, Decimal | None]

_OPEN: Bounds = (None, None)
_SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}


class Checked(NamedTuple):
    """A value in the unit of the report, as far as a condition looks at it."""

    numeric: str | None
    comparator: str | None
    usable: bool
    flags: tuple[str, ...]


class Finding(NamedTuple):
    """The condition that a value meets, and the bound (or flag) that says so, if any."""

    condition: AutoCondition
    bound: str | None


def find(parameter: Parameter, sex: str | None, value: Checked) -> Finding | None:
    """What makes a value qualify for an auto rerun; None when nothing does."""
    meta = parameter.meta
    if not meta.auto_rerun or meta.auto_rerun_condition is None:
        return None
    if meta.auto_rerun_condition == "invalid":
        return _invalid(value, meta.auto_rerun_flags)
    if not value.usable or value.numeric is None:
        return None
    bounds = _bounds(parameter, meta.auto_rerun_condition, sex)
    bound = None if bounds is None else _passed(Decimal(value.numeric), value.comparator, bounds)
    return None if bound is None else Finding(meta.auto_rerun_condition, f"{bound:f}")


def _invalid(value: Checked, flags: tuple[str, ...]) -> Finding | None:
    if not value.usable:
        return Finding("invalid", None)
    flag = next((flag for flag in value.flags if flag in flags), None)
    return None if flag is None else Finding("invalid", flag)


def _bounds(parameter: Parameter, condition: AutoCondition, sex: str | None) -> Bounds | None:
    """The bounds for a sex; None when it is unknown and matters, or a bound is no number."""
    meta = parameter.meta
    try:
        if condition == "custom":
            return _decimal(meta.auto_rerun_lower), _decimal(meta.auto_rerun_upper)
        critical = condition == "critical"
        by_sex = {s: _of_sex(parameter.ranges, s, critical=critical) for s in ("M", "F")}
    except InvalidOperation:
        return None
    known = _SEXES.get((sex or "").strip().upper())
    if known is not None:
        return by_sex[known]
    return by_sex["M"] if by_sex["M"] == by_sex["F"] else None


def _of_sex(ranges: tuple[Range, ...], sex: str, *, critical: bool) -> Bounds:
    """The range of a sex, else the one for both; open without either."""
    by_sex = {one.sex: one for one in ranges}
    found = by_sex.get(sex) or by_sex.get("")
    if found is None:
        return _OPEN
    if critical:
        return _decimal(found.critical_lower), _decimal(found.critical_upper)
    return _decimal(found.lower), _decimal(found.upper)


def _decimal(text: str | None) -> Decimal | None:
    """A bound. Raises InvalidOperation for a text that is no finite number."""
    if text is None or not text.strip():
        return None
    number = Decimal(text.strip())
    if not number.is_finite():
        raise InvalidOperation
    return number


def _passed(number: Decimal, comparator: str | None, bounds: Bounds) -> Decimal | None:
    """The bound beyond which every number lies that a value stands for."""
    lower, upper = bounds
    if lower is not None and _all_below(number, comparator, lower):
        return lower
    if upper is not None and _all_above(number, comparator, upper):
        return upper
    return None


def _all_below(number: Decimal, comparator: str | None, lower: Decimal) -> bool:
    if comparator == "<":
        return number <= lower
    return comparator in (None, "<=") and number < lower


def _all_above(number: Decimal, comparator: str | None, upper: Decimal) -> bool:
    if comparator == ">":
        return number >= upper
    return comparator in (None, ">=") and number > upper
