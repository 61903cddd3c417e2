"""Where the golden samples of a profile are: beside it, or in the checkout that it came with."""

from pathlib import Path

from drivers.profile import SHIPPED, AnyProfile, find

CHECKOUT = Path("tests", "drivers", "golden")
"""Where the samples of the shipped profiles are in a checkout; they are not installed."""


def shipped_samples() -> Path | None:
    """Return the samples' folder when this runs from a checkout."""
    folder = SHIPPED.parents[1] / CHECKOUT
    return folder if folder.is_dir() else None


def samples_of(
    profile: AnyProfile, name: str, folder: Path | None, golden: Path | None
) -> list[Path]:
    """Return the samples of a profile that was found by `name`, in order."""
    place = golden or _folder_of_samples(find(name, [folder] if folder else []))
    return sorted((place / profile.name).glob(f"*.{profile.protocol}")) if place else []


def _folder_of_samples(profile: Path) -> Path | None:
    """A profile of one's own has them beside it, in a folder of its name."""
    return shipped_samples() if profile.parent.resolve() == SHIPPED else profile.parent
