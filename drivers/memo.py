"""A bounded dictionary that computes what it lacks.

An instrument sends the same codes, units, flags and times over and over: what a field's
text means is worked out once and looked up afterwards.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIMIT = 4096
"""Entries kept; at the limit all are dropped, so that memory stays bounded on any input."""


class Memo(dict[K, V], Generic[K, V]):
    """`memo[key]` is `compute(key)`, remembered."""

    def __init__(self, compute: Callable[[K], V], limit: int = LIMIT):
        super().__init__()
        self._compute = compute
        self._limit = limit

    def __missing__(self, key: K) -> V:
        if len(self) >= self._limit:
            self.clear()
        value = self[key] = self._compute(key)
        return value
