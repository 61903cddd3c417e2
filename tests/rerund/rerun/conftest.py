"""A scripted instrument: results as a driver fills them in, through the rules."""

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from drivers.profile import load
from drivers.result import Interpretation, Result, SampleResults
from rerund.interpreter import Decider, Outcome
from rerund.rerun.history import MemoryHistory
from rerund.rerun.model import OpenRerun, Payload, Windows

JOURNAL = "5f0c0c1e-7a51-4a0e-8d3c-0f6f1d2b3a49"
DAY = "2026-05-20T"


def instant(time: str | None) -> str | None:
    """`10:00` is that time of the test's day, anything longer a whole instant."""
    if time is None or len(time) > len("10:00:00"):
        return time
    return f"{DAY}{time}Z" if time.count(":") == 2 else f"{DAY}{time}:00Z"


class Copy:
    """A waiting-list copy in a dict."""

    def __init__(self) -> None:
        self.rows: dict[str, list[OpenRerun]] = {}

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        return self.rows.get(sample_id, ())


class Instrument:
    """One instrument whose messages are decided one after the other."""

    def __init__(
        self,
        device_id: str = "42",
        *,
        driver: str = "generic-astm",
        complete: bool = True,
        zone: str = "UTC",
    ) -> None:
        self.device_id = device_id
        self.history = MemoryHistory(complete=complete)
        self.copy = Copy()
        self.entry = 0
        self.decider = Decider(
            load(driver), device_id, "Analyzer", 1, JOURNAL, ZoneInfo(zone), Windows()
        )

    def order(self, *tests: str, number: int = 1, at: str = "09:30", **row: Any) -> OpenRerun:
        """Put an open rerun of sample S1 into the waiting-list copy."""
        sample = row.setdefault("sample_id", "S1")
        rerun = OpenRerun(
            lab_id=1,
            lab_report_id=row.pop("report", 7),
            sample_id=row.pop("sample_id"),
            device_id=row.pop("device_id", ""),
            rerun_number=number,
            rerun_type=row.pop("rerun_type", "manual_rerun"),
            requested_at=instant(at) or "",
            version=row.pop("version", 3),
            tests=row.pop("tests", {self.device_id: list(tests)}),
            **row,
        )
        self.copy.rows.setdefault(sample, []).append(rerun)
        return rerun

    def send(
        self,
        *values: Result,
        at: str | None = "11:00",
        sample: str = "S1",
        kind: Any = "patient",
        reliable: bool = True,
        digest: bytes | None = None,
    ) -> Outcome:
        """Send one message with values of one sample, received `at`."""
        self.entry += 1
        samples = [SampleResults(1, sample, kind, reliable, self._named(values))]
        said = Interpretation(samples, [], [], digest or b"message %d" % self.entry)
        return self.decide(said, at)

    def receive(self, text: str, at: str | None = "11:00") -> Outcome:
        """Send one message as its records, one a line, received `at`."""
        self.entry += 1
        received = instant(at)
        records = text.strip().replace("\n", "\r") + "\r"
        outcome = self.decider.decide(
            self.entry, received, records.encode(), self.history, self.copy
        )
        self.history.remember(outcome.known_runs(), outcome.digest, received)
        return outcome

    def decide(self, said: Interpretation, at: str | None) -> Outcome:
        """Decide one interpretation and remember it."""
        received = instant(at)
        outcome = self.decider.decide_interpretation(
            self.entry, received, said, self.history, self.copy
        )
        self.history.remember(outcome.known_runs(), outcome.digest, received)
        return outcome

    def _named(self, values: Sequence[Result]) -> list[Result]:
        return [
            msgspec.structs.replace(value, result_id=f"{self.device_id}-{self.entry}-1-{record}")
            for record, value in enumerate(values, 3)
        ]


@pytest.fixture
def instrument() -> Instrument:
    return Instrument()


@pytest.fixture
def new_instrument() -> type[Instrument]:
    return Instrument


@pytest.fixture
def value() -> Callable[..., Result]:
    """Make a result of a test: its value, run time and whatever else the driver knows."""

    def make(test: str, text: str = "5.0", at: str | None = "10:00", **more: Any) -> Result:
        return Result("", test, value=text, run_at=instant(at), **more)

    return make


@pytest.fixture
def summary() -> Callable[[Outcome], list[Any]]:
    """Tell payloads as (rerun number, test codes in order)."""

    def tell(outcome: Outcome) -> list[Any]:
        payloads: list[Payload] = [payload for payload, _ in outcome.payloads]
        return [
            (payload.rerun_number, [result.test_code for result in payload.results])
            for payload in payloads
        ]

    return tell


@pytest.fixture
def kinds() -> Callable[[Outcome], dict[str, str]]:
    """Tell the run kind of each test that got into a payload."""

    def tell(outcome: Outcome) -> dict[str, str]:
        return {
            result.test_code: result.run_kind
            for payload, _ in outcome.payloads
            for result in payload.results
        }

    return tell
