"""Every golden sample of every profile comes out as written beside it."""

from pathlib import Path

import pytest

from drivers import profile, selftest

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = sorted((*GOLDEN.glob("*/*.astm"), *GOLDEN.glob("*/*.hl7")))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_sample_comes_out_as_written(sample: Path) -> None:
    assert selftest.check(profile.load(sample.parent.name), sample) == []


@pytest.mark.parametrize("name", profile.available())
def test_every_profile_has_golden_samples(name: str) -> None:
    assert list((GOLDEN / name).glob(f"*.{profile.load(name).protocol}"))
