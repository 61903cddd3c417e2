"""`ranges` and `meta` of a parameter, as rerund and as a LIMS write them."""

import pytest

from rerund.rerun.records import ParameterMeta, Range
from rerund.stores.parameters import decode_meta, decode_ranges, encode_meta, encode_ranges


@pytest.mark.parametrize(
    "ranges",
    [(), (Range("", "4.0", "10.0", "1.0", None),), (Range("M", "4.50"), Range("F", None, "5"))],
)
def test_ranges_round_trip(ranges):
    assert decode_ranges(encode_ranges(ranges)) == ranges


@pytest.mark.parametrize(
    "meta",
    [
        ParameterMeta(),
        ParameterMeta(manual_rerun=True),
        ParameterMeta(True, True, "custom", "1.0", None, ("A", "HH")),
    ],
)
def test_meta_round_trips(meta):
    assert decode_meta(encode_meta(meta)) == meta


def test_numbers_keep_their_digits_and_blank_is_open():
    text = '[{"sex": "m", "lower": 4.50, "upper": 10, "critical_lower": " "}]'
    assert decode_ranges(text) == (Range("M", "4.50", "10", None, None),)
    custom = '"auto_rerun_custom": {"lower": "", "upper": 5.10}'
    meta = decode_meta(f'{{"auto_rerun": 1, "auto_rerun_condition": "custom", {custom}, "x": 1}}')
    assert meta == ParameterMeta(False, True, "custom", None, "5.10")


@pytest.mark.parametrize("text", [None, "", "null"])
def test_nothing_is_nothing(text):
    assert decode_ranges(text) == ()
    assert decode_meta(text) == ParameterMeta()


@pytest.mark.parametrize("text", ["{", '{"lower": 1}', "[1]"])
def test_no_list_of_ranges(text):
    with pytest.raises(ValueError):  # noqa: PT011 - what is wrong is msgspec's to say
        decode_ranges(text)


@pytest.mark.parametrize("text", ["[]", '{"auto_rerun_condition": "sometimes"}'])
def test_no_meta(text):
    with pytest.raises(ValueError):  # noqa: PT011 - what is wrong is msgspec's to say
        decode_meta(text)
