"""Whether two spellings of a unit are one unit, and a value in the report's unit."""

import re
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import NamedTuple

from drivers.result import Result
from rerund.rerun.records import Mapping, Parameter

# One unit a line, UCUM first, then spellings seen on instruments and in report formats.
# Case decides meaning in UCUM (g is gram, G is giga), so it is folded nowhere else.
_SYNONYMS = """
10*9/L K/uL k/uL K/mm3 G/L Giga/L /nL 1/nL
10*12/L M/uL T/L Tera/L /pL 1/pL
10*6/L /uL 1/uL cells/uL /mm3 1/mm3
% percent Percent PERCENT
[iU]/L IU/L iU/L IU/l iu/l mIU/mL mIU/ml m[iU]/mL
m[iU]/L mIU/L mIU/l uIU/mL uIU/ml u[iU]/mL
U/L u/l U/l
mg/dL mg/dl mg/DL MG/DL
g/dL g/dl G/DL
g/L g/l mg/mL mg/ml
mg/L mg/l ug/mL ug/ml
ug/L ug/l ng/mL ng/ml
ng/L ng/l pg/mL pg/ml
mmol/L mmol/l MMOL/L mM
umol/L umol/l uM
nmol/L nmol/l nM
pmol/L pmol/l pM
mmol/mol mmol/molHb
meq/L mEq/L mEq/l meq/l
fL fl FL um3 um^3 um*3
pg PG pg/cell
s sec Sec seconds
mm/h mm/hr mm/H
{INR} INR
{index} index Index S/CO s/co {S/CO}
"""

_PLAIN = str.maketrans({"µ": "u", "μ": "u", "×": "x", " ": None})
_CANONICAL = {
    spelling: line.split()[0] for line in _SYNONYMS.splitlines() for spelling in line.split()
}
_POWER = re.compile(r"[xX]?10(?:\*\*|[*^eE])(\d{1,2})/(L|l|mL|ml|uL|ul|mm3|mm\^3|nL|pL)")
_PER_LITRE = {"L": 0, "mL": 3, "uL": 6, "mm3": 6, "mm^3": 6, "nL": 9, "pL": 12}
_PER_LITRE |= {"l": 0, "ml": 3, "ul": 6}


LONGEST_NUMBER = 64
"""Characters that the stores have for a number; no measurement needs as many."""


class Converted(NamedTuple):
    """A value as the report shows it."""

    value: str
    numeric: str | None
    units: str | None


@lru_cache(maxsize=1024)
def canonical(units: str) -> str:
    """One spelling per unit; an unknown unit is its own."""
    plain = units.translate(_PLAIN)
    power = _POWER.fullmatch(plain)
    if power:
        return f"10*{int(power[1]) + _PER_LITRE[power[2]]}/L"
    return _CANONICAL.get(plain, plain)


def same_unit(one: str, other: str) -> bool:
    """Whether two spellings name one unit (10*3/uL is 10^9/L)."""
    return canonical(one) == canonical(other)


def _multiplied(numeric: str, factor: str) -> str:
    with localcontext() as context:
        context.prec = max(28, len(numeric) + len(factor))
        product = Decimal(numeric) * Decimal(factor)
    return f"{product:f}"


def convert(result: Result, mapping: Mapping, parameter: Parameter) -> Converted | None:
    """The result in the unit of the report format; None when the units do not fit.

    A result that names no unit is in the mapping's, and without that in the report's.
    A text that is no number has no unit to fit. A number of more than `LONGEST_NUMBER`
    characters is shown as the text that it is.
    """
    shown = _converted(result, mapping, parameter)
    if shown is None or shown.numeric is None or len(shown.numeric) <= LONGEST_NUMBER:
        return shown
    return shown._replace(numeric=None)


def _converted(result: Result, mapping: Mapping, parameter: Parameter) -> Converted | None:
    arrived = result.units or mapping.units
    if arrived is None or parameter.units is None or result.numeric is None:
        return Converted(result.value, result.numeric, parameter.units or result.units)
    if mapping.factor and mapping.units and same_unit(arrived, mapping.units):
        numeric = _multiplied(result.numeric, mapping.factor)
        return Converted(f"{result.comparator or ''}{numeric}", numeric, parameter.units)
    if same_unit(arrived, parameter.units):
        return Converted(result.value, result.numeric, parameter.units)
    return None
