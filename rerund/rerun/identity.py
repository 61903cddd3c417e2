"""What makes a run the same run, and the ids that follow from where it arrived."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Protocol

from drivers.result import Result

UNUSABLE_STATUSES = frozenset("XID")
"""Cannot be done, pending, deleted or wrong: the letters that drivers translate to."""

_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}  # RFC 4122, 4.1.1
_UNDILUTED = frozenset(("", "1", "1:1", "1.0"))

Identity = tuple[str, str | None, str, str | None, int]


class Measured(Protocol):
    """What a fresh result and a known run have in common."""

    @property
    def test_code(self) -> str:
        """What the instrument calls the result."""

    @property
    def run_at(self) -> str | None:
        """When the run was measured, aware UTC."""

    @property
    def value(self) -> str:
        """The text that arrived."""

    @property
    def units(self) -> str | None:
        """The unit that arrived."""

    @property
    def replicate(self) -> int:
        """1 to n for the parts of an n-fold order, else 0."""


def namespace(journal_id: str) -> uuid.UUID:
    """Return the UUID namespace of a journal."""
    try:
        return uuid.UUID(journal_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, journal_id)


def payload_id(journal: uuid.UUID, entry: int, message: int, group: str) -> str:
    """Return the UUIDv5 that names one group of values of one message of one entry."""
    # uuid.uuid5 without its detours over objects: this runs for every payload.
    name = f"{entry}-{message}-{group}".encode()
    text = hashlib.sha1(journal.bytes + name, usedforsecurity=False).hexdigest()
    variant = _VARIANTS[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def run_key(device_id: str, sample_id: str, journal_id: str, entry: int, group: str) -> str:
    """Name a run by (instrument, sample, first entry of the run).

    Entries are counted per journal, and one message may hold several runs of a sample:
    the journal and the group keep their keys apart.
    """
    return f"{device_id}/{sample_id}/{journal_id}-{entry}/{group}"


def identity(run: Measured) -> Identity:
    """Return the run identity within one instrument and sample.

    Replicates of one order may agree in time and value and still be several
    measurements, so the replicate number takes part.
    """
    return (run.test_code, run.run_at, run.value, run.units, run.replicate)


def is_usable(result: Result) -> bool:
    """Say whether a value may fill a slot of a report."""
    return result.invalid_reason is None and result.result_status not in UNUSABLE_STATUSES


def dilution_factor(dilution: str | None) -> str:
    """Return the factor of a dilution, '1' for none: `1:10` and `10` are the same."""
    text = (dilution or "").strip()
    return "1" if text in _UNDILUTED else text.removeprefix("1:")


@lru_cache(maxsize=4096)  # the values of a message share their times
def instant(text: str | None) -> float | None:
    """Return the POSIX seconds of an aware ISO 8601 instant."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def seconds_between(earlier: str | None, later: str | None) -> float | None:
    """Return the seconds from one ISO 8601 instant to another, None when one is unknown."""
    start, end = instant(earlier), instant(later)
    return None if start is None or end is None else end - start


def second_reading(run_at: str, timezone: tzinfo) -> str | None:
    """Return the later instant of a clock time that `timezone` had twice, None for any other.

    Drivers read the first of the two.
    """
    first = datetime.fromisoformat(run_at)
    later = first.astimezone(timezone).replace(fold=1).astimezone(UTC)
    return f"{later:%Y-%m-%dT%H:%M:%S}Z" if later > first else None


def in_run_order(results: Sequence[Result]) -> list[Result]:
    """Order values by run time and then by arrival; as they came when a time is unknown."""
    times = {result.run_at for result in results}
    if len(times) == 1 or None in times:
        return list(results)
    return sorted(results, key=lambda result: instant(result.run_at) or 0.0)
