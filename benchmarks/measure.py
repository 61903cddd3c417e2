"""Measure things side by side: rounds interleaved, the median of ratios, the spread shown."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
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
    """Return the mean seconds of one call over `calls` calls.

    Seconds of a core, not those in which others had it, and without what others left behind.
    """
    gc.collect()
    started = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - started) / calls


def ratios(
    slow: Callable[[], object],
    fast: Callable[[], object],
    *,
    rounds: int = 15,
    calls: int = 100,
    times: int = 1,
) -> list[float]:
    """Return how many times as fast `fast` is, per round, both measured within each round.

    `fast` is called `times` as often as `slow`, so that both are looked at for as long.
    """
    found = []
    for _ in range(rounds):
        reference = seconds_per_call(slow, calls)
        found.append(reference / seconds_per_call(fast, calls * times))
    return found


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the figure that so large a share of them does not exceed."""
    return sorted(figures)[int(share * (len(figures) - 1))]


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
