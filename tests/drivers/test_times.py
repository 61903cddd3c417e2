"""Dates and times of E1394, conformance item 89."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from drivers.times import Instant, parse_date, parse_instant

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.conformance(89)
@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("20240627135407", Instant("2024-06-27T13:54:07Z")),
        ("202406271354", Instant("2024-06-27T13:54:00Z")),
        ("20240627135407.250", Instant("2024-06-27T13:54:07.250Z")),
        ("20240627135407+0200", Instant("2024-06-27T11:54:07Z")),
        ("20240627135407-0530", Instant("2024-06-27T19:24:07Z")),
        ("", Instant()),
        ("00000000000000", Instant()),
        ("20240627", Instant(problem="date_without_time")),
        ("20240231120000", Instant(problem="impossible_time")),
        ("20240627255959", Instant(problem="impossible_time")),
        ("2024062713", Instant(problem="impossible_time")),
        ("20240627135407+9900", Instant(problem="impossible_time")),
        ("00010101000000+0100", Instant(problem="impossible_time")),
        ("yesterday", Instant(problem="impossible_time")),
    ],
)
def test_a_time_is_read_or_its_problem_told(text: str, instant: Instant) -> None:
    assert parse_instant(text, UTC) == instant


@pytest.mark.conformance(89)
def test_a_clock_time_without_a_zone_is_in_the_zone_of_the_instrument() -> None:
    assert parse_instant("20240627135407", ROME).text == "2024-06-27T11:54:07Z"
    assert parse_instant("20240127135407", ROME).text == "2024-01-27T12:54:07Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [("20241027023000", "2024-10-27T00:30:00Z"), ("20240331023000", "2024-03-31T01:30:00Z")],
    ids=["shown twice", "never shown"],
)
def test_a_clock_time_in_the_hour_of_the_change_is_uncertain(text: str, instant: str) -> None:
    assert parse_instant(text, ROME) == Instant(instant, "uncertain_time")
    assert parse_instant(text + "+0100", ROME).problem is None


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("19870626", "1987-06-26"),
        ("19650102030400", "1965-01-02"),
        ("19870231", None),
        ("1987", None),
        ("", None),
    ],
)
def test_a_date_is_read_or_left_out(text: str, date: str | None) -> None:
    assert parse_date(text) == date
