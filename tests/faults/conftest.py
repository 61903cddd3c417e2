"""Disks that fail, for whole daemons."""

from pathlib import Path

import pytest

from tests.faults.shim import FaultyDisk


@pytest.fixture
def disk(tmp_path: Path) -> FaultyDisk:
    """A disk whose faults reach the daemons started in its environment."""
    return FaultyDisk(tmp_path)
