"""One unit in several spellings, and values in the unit of the report."""

import pytest

from drivers.result import Result
from rerund.rerun.records import Mapping, Parameter
from rerund.rerun.units import LONGEST_NUMBER, convert, same_unit
from tests.rerund.conftest import EVERYWHERE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10*3/uL", "10^9/L"),
        ("10*3/uL", "10*9/L"),
        ("x10^3/µL", "10e9/l"),
        ("10E3/uL", "10**3/mm3"),
        ("G/L", "10*3/uL"),
        ("10*6/uL", "T/L"),
        ("10^12/L", "M/uL"),
        ("/uL", "10*6/L"),
        ("mg/dl", "mg/dL"),
        ("g/L", "mg/mL"),
        ("ug/L", "ng/mL"),
        ("μmol/L", "umol/l"),
        ("mIU/mL", "IU/L"),
        ("fl", "fL"),
        ("sec", "s"),
        ("furlong", "furlong"),
    ],
)
def test_spellings_of_one_unit(one, other):
    assert same_unit(one, other)
    assert same_unit(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("g/L", "G/L"),
        ("g/dL", "g/L"),
        ("mg/dL", "mmol/L"),
        ("10*3/uL", "10*6/uL"),
        ("mIU/L", "mIU/mL"),
        ("U/L", "IU/L"),
        ("pg", "pg/mL"),
    ],
)
def test_units_that_differ(one, other):
    assert not same_unit(one, other)


def converted(value, units, *, report, mapping=None, factor=None, comparator=None, text=False):
    result = Result(
        "r",
        "T",
        value=value,
        units=units,
        comparator=comparator,
        numeric=None if text else value.lstrip("<>="),
    )
    return convert(
        result, Mapping("42", "T", 1, 1, "T", mapping, factor), Parameter(1, 1, "T", report)
    )


def test_an_equal_unit_keeps_the_value_as_it_arrived():
    assert converted("12.50", "10^9/L", report="10*3/uL") == ("12.50", "12.50", "10*3/uL")


def test_a_factor_converts_exactly():
    shown = converted("140", "g/L", report="g/dL", mapping="g/L", factor="0.1")
    assert shown == ("14.0", "14.0", "g/dL")


def test_a_comparator_stays_in_front_of_the_converted_value():
    shown = converted("<5", "g/L", report="g/dL", mapping="g/L", factor="0.1", comparator="<")
    assert shown == ("<0.5", "0.5", "g/dL")


def test_a_factor_is_for_the_unit_of_the_mapping_alone():
    shown = converted("14.0", "g/dL", report="g/dL", mapping="g/L", factor="0.1")
    assert shown == ("14.0", "14.0", "g/dL")


def test_a_value_without_a_unit_is_in_that_of_the_mapping():
    shown = converted("140", None, report="g/dL", mapping="g/L", factor="0.1")
    assert shown == ("14.0", "14.0", "g/dL")


@pytest.mark.parametrize(("units", "mapping"), [("mmol/L", None), (None, "mmol/L")])
def test_a_unit_that_does_not_fit_gives_nothing(units, mapping):
    assert converted("8.7", units, report="g/dL", mapping=mapping) is None


def test_a_text_has_no_unit_to_fit():
    assert converted("NEGATIVE", "mmol/L", report="g/dL", text=True) == ("NEGATIVE", None, "g/dL")


def test_a_report_without_a_unit_takes_any():
    assert converted("5", "mg/dL", report=None) == ("5", "5", "mg/dL")


LONG = f"0.{'3' * (LONGEST_NUMBER - 2)}"


@pytest.mark.parametrize(
    ("value", "mapping", "factor", "numeric"),
    [
        (LONG, None, None, LONG),
        (f"{LONG}3", None, None, None),
        (f"<{LONG}3", None, None, None),
        (LONG, "g/L", "0.1", None),
        ("140", "g/L", f"0.{'3' * LONGEST_NUMBER}", None),
    ],
)
def test_a_number_that_is_too_long_for_the_stores_is_a_text(value, mapping, factor, numeric):
    shown = converted(value, mapping or "g/dL", report="g/dL", mapping=mapping, factor=factor)
    assert (shown.numeric, shown.units) == (numeric, "g/dL")
    if factor is None:
        assert shown.value == value


@EVERYWHERE
def test_a_number_that_is_too_long_for_the_stores_is_registered(site):
    site.report()
    site.send("09:00", WBC=f"{LONG}3")
    site.send("09:20", WBC=f"{LONG}34", rerun=-1)
    site.confirm((1, 1))
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.value, slot.numeric) == (f"{LONG}34", None)
