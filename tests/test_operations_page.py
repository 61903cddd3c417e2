"""docs/operations.md is what people read at night: it names every alert."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERT = re.compile(r'log\.(\w+)\(\s*"([^"]+)",\s*alert=True')
ALERTS = {
    name: level
    for path in sorted((ROOT / "rerund").rglob("*.py"))
    for level, name in ALERT.findall(path.read_text())
}


@pytest.mark.parametrize(("name", "level"), ALERTS.items(), ids=ALERTS)
def test_an_alert_has_a_row_with_its_level(name, level):
    [row] = [line for line in PAGE.splitlines() if line.startswith("| `") and f"`{name}`" in line]
    assert ("(warning)" in row.split("|")[1]) == (level == "warning")
    if level == "critical":
        assert f"`{name}`" in PAGE.partition("`critical`")[0].rpartition("\n\n")[2]
