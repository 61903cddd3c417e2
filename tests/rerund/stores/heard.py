"""A notice that counts its calls, from any thread."""

import threading

PATIENCE = 60.0


class Heard:
    """Called like a notice; `times` says how often it was."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.times = 0

    def __call__(self) -> None:
        with self._changed:
            self.times += 1
            self._changed.notify_all()

    def wait_for(self, times: int) -> None:
        """Wait until it was called so often; fails after a minute."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.times >= times, PATIENCE), self.times
