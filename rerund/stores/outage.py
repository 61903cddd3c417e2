"""A server that failed is left alone for a while: each failure costs a timeout, no skip does."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Outage:
    """Pauses that double from `FIRST_PAUSE` to `LONGEST_PAUSE` seconds until a call works.

    One log line when an outage begins and one when it is over. `what` names it there. May
    be used from several threads, of which one at a time tries after a pause.
    """

    def __init__(self, what: str, clock: Callable[[], float]):
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._pause = 0.0
        self._try_at = 0.0

    def may_try(self) -> bool:
        """Whether to call the server now; afterwards say `worked` or `failed`."""
        with self._lock:
            now = self._clock()
            if self._pause and now < self._try_at:
                return False
            self._try_at = now + self._pause
            return True

    def failed(self, error: Exception) -> float:
        """Note a failure; answers the seconds until the next try."""
        with self._lock:
            begins = not self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE) or FIRST_PAUSE
            self._try_at = self._clock() + self._pause
            pause = self._pause
        if begins:
            log.warning(f"{self._what}_away", reason=type(error).__name__)
        return pause

    def worked(self) -> None:
        """Note that a call worked."""
        with self._lock:
            ends, self._pause = bool(self._pause), 0.0
        if ends:
            log.info(f"{self._what}_back")
