"""Measure things side by side: rounds interleaved, the median of ratios, the spread shown."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

SLACK = 0.30
"""Gates keep this much below the target: two runs on a shared machine differ by as much."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `floor` is what is to be reached, `ceiling` what not to exceed."""

    name: str
    figure: float
    low: float
    high: float
    unit: str
    floor: float | None = None
    ceiling: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the target itself is reached."""
        return self._within(0.0)

    @property
    def passed(self) -> bool:
        """Whether the gate, the target less the slack, is passed."""
        return self._within(SLACK)

    def _within(self, slack: float) -> bool:
        above = self.floor is None or self.figure >= self.floor * (1 - slack)
        below = self.ceiling is None or self.figure <= self.ceiling * (1 + slack)
        return above and below


def seconds_per_call(function: Callable[[], object], calls: int) -> float:
    """Return the mean seconds of one call over `calls` calls."""
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls


def ratios(
    slow: Callable[[], object], fast: Callable[[], object], *, rounds: int = 15, calls: int = 100
) -> list[float]:
    """Return how many times as fast `fast` is, per round, both measured within each round."""
    found = []
    for _ in range(rounds):
        reference = seconds_per_call(slow, calls)
        found.append(reference / seconds_per_call(fast, calls))
    return found


def row(
    name: str,
    figures: list[float],
    unit: str,
    *,
    floor: float | None = None,
    ceiling: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of the median of `figures` and their spread."""
    middle = statistics.median(figures)
    return Row(name, middle, min(figures), max(figures), unit, floor, ceiling, note)
