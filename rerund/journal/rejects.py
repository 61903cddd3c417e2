"""How much rejected material a link may leave in the journal: a noisy line must not fill it."""

from dataclasses import dataclass

HOUR = 3600.0


@dataclass(slots=True)
class _Used:
    since: float
    rows: int = 0
    size: int = 0


class RejectBudget:
    """Rows and bytes that each link may still leave in its current hour."""

    def __init__(self, rows: int = 200, size: int = 2_000_000):
        self._rows = rows
        self._size = size
        self._used: dict[str, _Used] = {}

    def take(self, link: str, size: int, now: float) -> bool:
        """Count bytes rejected at `now` (monotonic seconds); False when they are too many."""
        used = self._used.get(link)
        if used is None or now - used.since >= HOUR:
            used = self._used[link] = _Used(now)
        if self.spent(link):
            return False
        used.rows += 1
        used.size += size
        return True

    def spent(self, link: str) -> bool:
        """Say whether the link may leave nothing more in this hour."""
        used = self._used[link]
        return used.rows >= self._rows or used.size >= self._size
