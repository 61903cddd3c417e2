import ast
import runpy
from pathlib import Path

import pytest

REPORT = runpy.run_path(str(Path(__file__).with_name("conformance_report.py")))


def test_every_item_has_a_test_or_a_reason():
    assert REPORT["problems"]() == []


def test_the_document_is_up_to_date():
    document = REPORT["DOCUMENT"].read_text(encoding="utf-8")
    assert document == REPORT["render"](), "run python tests/conformance_report.py"


def test_an_item_without_test_and_reason_is_found():
    with pytest.raises(ValueError, match="no test and no reason"):
        REPORT["verdict"]({"statement": "x"}, [])
    assert REPORT["verdict"]({"statement": "x", "pending": "y"}, []) == "not yet: y"
    assert REPORT["verdict"]({"statement": "x", "pending": "y"}, ["t"]) == "held"
    assert REPORT["verdict"]({"statement": "x", "reason": "y"}, ["t"]) == "not yet: y"


def test_markers_are_read_from_the_source():
    source = """
pytestmark = [pytest.mark.faults, pytest.mark.conformance(1)]
@pytest.mark.conformance(2, 3)
async def test_a(): ...
@other
def test_b(): ...
def helper(): ...
"""
    assert list(REPORT["_marked"](ast.parse(source))) == [("test_a", [1, 2, 3]), ("test_b", [1])]
