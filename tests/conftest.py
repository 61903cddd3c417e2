"""What all tests share: where captures are, and the marker that names conformance items."""

from pathlib import Path

import pytest

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "conformance(*items): the items of docs/conformance.md that this test shows"
    )


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of instrument captures beside the checkout."""
    if not CAPTURES.is_dir():
        pytest.skip(f"no captures at {CAPTURES}")
    return CAPTURES
