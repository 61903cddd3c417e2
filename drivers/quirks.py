"""What a profile can not say in its tables: small functions that it may name.

A quirk sees each value after the tables have been applied, and returns what it really is.
"""

import re
from collections.abc import Callable

import msgspec

from drivers.values import Value

Quirk = Callable[[Value], Value]


def picture_names_are_no_values(value: Value) -> Value:
    """Sysmex sends the file names of scattergrams and histograms as results (SCAT_, DIST_)."""
    if value.text[-4:].upper() in {".PNG", ".BMP", ".JPG"}:
        return msgspec.structs.replace(value, invalid_reason="picture")
    return value


def commas_part_thousands(value: Value) -> Value:
    """Abbott Alinity m sends numbers as people write them, 161,152."""
    if _IN_THOUSANDS.fullmatch(value.text):
        return msgspec.structs.replace(value, numeric=value.text.replace(",", ""), problem=None)
    return value


_IN_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+", re.ASCII)

QUIRKS: dict[str, Quirk] = {
    "commas_part_thousands": commas_part_thousands,
    "picture_names_are_no_values": picture_names_are_no_values,
}
