"""What makes a run the same run, and the ids that follow from where it arrived."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Protocol

from drivers.result import Result

UNUSABLE_STATUSES = frozenset("XIDW")
"""Cannot be done, pending, deleted, wrong (LIS02-A2 9.9, HL7 table 0085)."""

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
    # The digest of uuid.uuid5, without its two detours over text: this runs per message.
    digest = hashlib.sha1(
        journal.bytes + f"{entry}-{message}-{group}".encode(), usedforsecurity=False
    ).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


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


def instant(text: str | None) -> float | None:
    """Return the POSIX seconds of an aware ISO 8601 instant."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def seconds_between(earlier: str | None, later: str | None) -> float | None:
    """Return the seconds from one ISO 8601 instant to another, None when one is unknown."""
    start, end = instant(earlier), instant(later)
    return None if start is None or end is None else end - start


def in_repeated_hour(run_at: str, timezone: tzinfo) -> bool:
    """Say whether a clock in `timezone` showed the time of `run_at` twice that day."""
    wall = datetime.fromisoformat(run_at).astimezone(timezone)
    return wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()


def in_run_order(results: Sequence[Result]) -> list[Result]:
    """Order values by run time and then by arrival; as they came when a time is unknown."""
    if all(result.run_at is not None for result in results):
        return sorted(results, key=lambda result: instant(result.run_at) or 0.0)
    return list(results)
