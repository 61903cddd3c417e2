"""What a profile can not say in its tables: small functions that it may name.

A quirk sees each result after the tables have been applied, and may change it.
"""

from collections.abc import Callable

from drivers.result import Result

Quirk = Callable[[Result], None]


def picture_names_are_no_values(result: Result) -> None:
    """Sysmex sends the file names of scattergrams and histograms as results (SCAT_, DIST_)."""
    if result.value[-4:].upper() in {".PNG", ".BMP", ".JPG"}:
        result.invalid_reason = "picture"


QUIRKS: dict[str, Quirk] = {
    "picture_names_are_no_values": picture_names_are_no_values,
}
