"""What all tests share: where captures are, and the marker that names conformance items."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.servers import Servers

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


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Private servers on free ports, those of one worker."""
    with ExitStack() as stack:
        yield Servers(stack)
