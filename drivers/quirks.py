"""What a profile can not say in its tables: small functions that it may name.

A quirk sees each value after the tables have been applied, and returns what it really is.
"""

from collections.abc import Callable

from drivers.values import Value

Quirk = Callable[[Value], Value]


def picture_names_are_no_values(value: Value) -> Value:
    """Sysmex sends the file names of scattergrams and histograms as results (SCAT_, DIST_)."""
    if value.text[-4:].upper() in {".PNG", ".BMP", ".JPG"}:
        return value._replace(invalid_reason="picture")
    return value


QUIRKS: dict[str, Quirk] = {
    "picture_names_are_no_values": picture_names_are_no_values,
}
