from pathlib import Path

import pytest

from tests.faults.shim import FaultyDisk
from tests.rerund.journal.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    return FaultyDisk(tmp_path)
