"""The runs that an instrument is known to have sent for a sample."""

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo
from typing import Protocol

import msgspec

from drivers.result import Result
from rerund.rerun.identity import (
    Identity,
    identity,
    instant,
    second_reading,
    seconds_between,
)
from rerund.rerun.model import KnownRun, OpenRerun, Windows


class History(Protocol):
    """What one instrument sent before the entry at hand."""

    @property
    def complete(self) -> bool:
        """False while the journal may lack runs of the history window."""

    def runs(self, sample_id: str) -> Sequence[KnownRun]:
        """Return the known runs of a sample in the order of arrival."""

    def previous_digest(self) -> tuple[bytes, str | None] | None:
        """Return digest and `received_at` of the instrument's previous interpreted entry."""


class Waiting(Protocol):
    """The local copy of the waiting list."""

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        """Return the reruns that are open for a sample."""


class Setting(msgspec.Struct, frozen=True):
    """What the rules need to know besides the values."""

    received_at: str | None = None
    complete: bool = True
    repeats_previous: bool = False
    windows: Windows = Windows()
    timezone: tzinfo = UTC


class SampleHistory:
    """The known runs of one sample, looked at from one message, growing as it is read."""

    def __init__(self, runs: Iterable[KnownRun], setting: Setting) -> None:
        self.setting = setting
        self.runs = list(runs)
        self._withdrawn = {run.supersedes for run in self.runs if run.run_kind == "withdrawal"}
        self._by_identity: dict[Identity, list[KnownRun]] = {}
        self._by_test: dict[str, list[KnownRun]] = {}
        self._in_message: dict[str, list[Result]] = {}
        for run in self.runs:
            self._by_identity.setdefault(identity(run), []).append(run)
            if run.run_kind != "withdrawal" and self._in_window(run):
                self._by_test.setdefault(run.test_code, []).append(run)

    def _in_window(self, run: KnownRun) -> bool:
        age = seconds_between(run.received_at, self.setting.received_at)
        return age is None or age <= self.setting.windows.history_window

    def settle_clock(self, result: Result) -> None:
        """Take the later reading of a clock time that comes twice, where the first is taken.

        In the night that summer time ends, a run that was known before the later reading is
        of the first hour, and a value of the same clock time that comes after it of the
        second: two runs, even if equal.
        """
        now = self.setting.received_at
        taken = [run for run in self.earlier(result) if run.run_at == result.run_at]
        if not taken or result.run_at is None or now is None:
            return
        later = second_reading(result.run_at, self.setting.timezone)
        tolerance = self.setting.windows.clock_tolerance
        if later is None or (seconds_between(later, now) or 0.0) < -tolerance:
            return
        if any((seconds_between(run.received_at, later) or 0.0) > tolerance for run in taken):
            result.run_at = later

    def same(self, result: Result) -> list[KnownRun]:
        """Return the known runs with the identity of a value."""
        return self._by_identity.get(identity(result), [])

    def earlier(self, result: Result) -> list[KnownRun]:
        """Return the runs of the value's test in the history window.

        Another part of the same n-fold order is no earlier run.
        """
        runs = self._by_test.get(result.test_code, [])
        if not result.replicate:
            return runs
        return [run for run in runs if run.replicate in (0, result.replicate)]

    def usable(self, run: KnownRun) -> bool:
        """Say whether a known value was usable and has not been withdrawn since."""
        return run.usable and run.result_id not in self._withdrawn

    def has_tests(self) -> bool:
        """Say whether the history window holds any run of the sample."""
        return bool(self._by_test)

    def superseded_by(self, result: Result) -> KnownRun | None:
        """Return the run that a correction means: of the same time, else the latest."""
        runs = self.earlier(result)
        if not runs:
            return None
        of_time = [run for run in runs if run.run_at == result.run_at]
        if of_time:
            return of_time[-1]
        return max(enumerate(runs), key=lambda pair: (instant(pair[1].run_at) or 0.0, pair[0]))[1]

    def arrived_late(self, result: Result) -> bool:
        """Say whether a run of the test that was measured later is known already."""
        measured = instant(result.run_at)
        if measured is None:
            return False
        return any((instant(run.run_at) or 0.0) > measured for run in self.earlier(result))

    def before_in_message(self, result: Result) -> list[Result]:
        """Return the values of the same test and replicate read before in this message."""
        return [
            other
            for other in self._in_message.get(result.test_code, ())
            if other.replicate == result.replicate
        ]

    def add(self, result: Result) -> None:
        """Remember a value of the message at hand."""
        self._in_message.setdefault(result.test_code, []).append(result)


class MemoryHistory:
    """A history of what was decided before in the same process."""

    def __init__(self, *, complete: bool = True) -> None:
        self.complete = complete
        self._runs: dict[str, list[KnownRun]] = {}
        self._previous: tuple[bytes, str | None] | None = None

    def runs(self, sample_id: str) -> Sequence[KnownRun]:
        """Return the known runs of a sample in the order of arrival."""
        return self._runs.get(sample_id, ())

    def previous_digest(self) -> tuple[bytes, str | None] | None:
        """Return digest and `received_at` of the previous entry that was remembered."""
        return self._previous

    def remember(
        self, runs: Iterable[tuple[str, KnownRun]], digest: bytes, received_at: str | None
    ) -> None:
        """Add the (sample id, run) pairs of one interpreted entry."""
        for sample_id, run in runs:
            self._runs.setdefault(sample_id, []).append(run)
        self._previous = (digest, received_at)


class NoWaiting:
    """A waiting list without rows, for input that belongs to no lab."""

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        """Return no rerun."""
        del sample_id
        return ()
