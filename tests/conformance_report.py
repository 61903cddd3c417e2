"""Write docs/conformance.md from the markers in the tests: python tests/conformance_report.py.

Items are listed in conformance_items.toml. A test shows an item when it carries
`@pytest.mark.conformance(number, ...)`; the markers are read from the source, no test is run.
"""

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ITEMS = TESTS / "conformance_items.toml"
DOCUMENT = ROOT / "docs" / "conformance.md"


def load_items() -> dict[str, Any]:
    """Return the sections and items, item numbers being text."""
    return tomllib.loads(ITEMS.read_text(encoding="utf-8"))


def find_tests() -> dict[int, list[str]]:
    """Return the tests of each item as path::name, in the order of the files."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, numbers in _marked(tree):
            for number in numbers:
                found[number].append(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return found


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[int]]]:
    module = [number for node in tree.body for number in _module_marks(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("test_"):
                continue
            numbers = [n for mark in node.decorator_list for n in _numbers(mark)]
            yield node.name, module + numbers


def _module_marks(node: ast.stmt) -> list[int]:
    """Return the items of a `pytestmark = pytest.mark.conformance(...)`, alone or in a list."""
    if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "pytestmark":
        return []
    marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return [number for mark in marks for number in _numbers(mark)]


def _numbers(mark: ast.expr) -> list[int]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != "pytest.mark.conformance":
        return []
    return [ast.literal_eval(argument) for argument in mark.args]


def verdict(item: dict[str, str], tests: list[str]) -> str:
    """Return what can be said of an item; raises when nothing can."""
    if "reason" in item:
        return f"not yet: {item['reason']}"
    if tests:
        return f"held, by switch `{item['switch']}`" if "switch" in item else "held"
    if "pending" in item:
        return f"not yet: {item['pending']}"
    raise ValueError("no test and no reason")


def problems() -> list[str]:
    """Return what is wrong with the items and markers."""
    items, tests = load_items()["items"], find_tests()
    wrong = [f"{number}: marked, and no such item" for number in tests if str(number) not in items]
    for number, item in items.items():
        try:
            verdict(item, tests.get(int(number), []))
        except ValueError as error:
            wrong.append(f"{number}: {error}")
    return wrong


def render() -> str:
    """Return the whole document."""
    data, tests = load_items(), find_tests()
    lines = [
        "# Conformance",
        "",
        "What rerund does as a host on an ASTM link (E1381 / LIS01-A2, E1394 / LIS02-A2) and on an",
        "HL7 v2 link (MLLP), item by item, and the tests that show it. Written by",
        "`python tests/conformance_report.py` from the markers in the tests. *By switch* names the",
        "setting that decides.",
    ]
    for letter, title in data["sections"].items():
        lines += ["", f"## {letter}. {title}", "", "| item | rule | verdict | tests |"]
        lines.append("|---|---|---|---|")
        for number, item in data["items"].items():
            if item["section"] == letter:
                shown = tests.get(int(number), [])
                lines.append(
                    f"| {number} | {item['statement']} | {verdict(item, shown)} "
                    f"| {_listed(shown)} |"
                )
    return "\n".join(lines) + "\n"


def _listed(tests: list[str]) -> str:
    return "<br>".join(f"`{test}`" for test in tests)


if __name__ == "__main__":
    if wrong := problems():
        sys.exit("\n".join(wrong))
    DOCUMENT.write_text(render(), encoding="utf-8")
