"""Dates and times of E1394 messages (LIS02-A2 5.6.2): YYYYMMDD[HHMM[SS]][+-HHMM].

A clock time without a zone is in the instrument's zone, which is configuration.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import msgspec

_TIME = re.compile(
    r"(?P<date>\d{8})"
    r"(?:(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?P<fraction>\.\d{1,6})?)?)?"
    r"(?:(?P<sign>[+-])(?P<zone_hour>\d\d)(?P<zone_minute>\d\d))?"
)


class Instant(msgspec.Struct, frozen=True, gc=False):
    """A point in time as aware UTC text, or none; `problem` is the code of a note."""

    text: str | None = None
    problem: str | None = None


NEVER = Instant()
"""No time was sent. A field of zeros is none either."""


def parse_instant(text: str, zone: tzinfo) -> Instant:
    """Read a date and time. A date alone names no point in time."""
    if not text.strip("0"):
        return NEVER
    parts = _TIME.fullmatch(text)
    if parts is None:
        return Instant(problem="impossible_time")
    if parts["hour"] is None:
        return Instant(problem="date_without_time")
    try:
        return _instant(parts, zone)
    except (ValueError, OverflowError):
        return Instant(problem="impossible_time")


def parse_date(text: str) -> str | None:
    """Read the date of a date or a date and time as `YYYY-MM-DD`; None when it is impossible."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])).isoformat()
    except ValueError:
        return None


def _instant(parts: re.Match[str], zone: tzinfo) -> Instant:
    clock = datetime(
        int(parts["date"][:4]),
        int(parts["date"][4:6]),
        int(parts["date"][6:]),
        int(parts["hour"]),
        int(parts["minute"]),
        int(parts["second"] or 0),
        tzinfo=_offset(parts) or zone,
    )
    fraction = parts["fraction"] or ""
    instant = f"{clock.astimezone(UTC).replace(tzinfo=None).isoformat()}{fraction}Z"
    if clock.utcoffset() == clock.replace(fold=1).utcoffset():
        return Instant(instant)
    # An hour that the clock shows twice, or never, when summer time ends or begins.
    return Instant(instant, "uncertain_time")


def _offset(parts: re.Match[str]) -> tzinfo | None:
    if parts["sign"] is None:
        return None
    offset = timedelta(hours=int(parts["zone_hour"]), minutes=int(parts["zone_minute"]))
    return timezone(-offset if parts["sign"] == "-" else offset)
