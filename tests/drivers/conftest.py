"""Profiles from text and messages from records, for tests of what messages mean."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path

import pytest

from drivers.interpret import interpret
from drivers.profile import Profile, load
from drivers.result import Interpretation
from protocols.astm.message import parse
from protocols.astm.unframe import unframe

HEADER = "H|\\^&|||Analyzer|||||||P|1|20260520120000"

SMALL_PROFILE = """\
name = "small"
version = "1"
vendor = "Test"
models = "One"
protocol = "astm"
[specimen]
id = "O.3"
[result]
test_code = "R.3.4"
[rerun]
marked = false
"""


@pytest.fixture
def small_profile() -> str:
    """The text of the smallest profile there can be."""
    return SMALL_PROFILE


@pytest.fixture
def make_profile(tmp_path: Path) -> Callable[..., Profile]:
    """Load a small profile with text replaced (`old`, `new`) and tables added at its end."""

    def make(more: str = "", *changes: tuple[str, str]) -> Profile:
        text = SMALL_PROFILE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "small.toml"
        path.write_text(text + more, encoding="utf-8")
        return load(path)

    return make


@pytest.fixture
def read() -> Callable[..., Interpretation]:
    """Interpret records under a profile (by name or itself); H and L are added."""

    def interpret_records(
        profile: Profile | str,
        *records: str,
        header: str = HEADER,
        end: str = "L|1|N",
        zone: tzinfo = UTC,
    ) -> Interpretation:
        profile = load(profile) if isinstance(profile, str) else profile
        text = "\r".join((header, *records, end)) + "\r"
        messages = parse(text.encode(profile.dialect.encoding), profile.dialect)
        return interpret(messages, profile, id_prefix="j-1", timezone=zone)

    return interpret_records


@pytest.fixture
def read_capture(captures: Path) -> Callable[[str, str], Interpretation]:
    """Interpret a capture (`NAME.astm` framed, `NAME.records` not) under a profile, in UTC."""

    def interpret_capture(profile_name: str, capture: str) -> Interpretation:
        profile = load(profile_name)
        data = (captures / "astm" / capture).read_bytes()
        if capture.endswith(".astm"):
            data = b"".join(frame.text for frame in unframe(data, profile.dialect))
        return interpret(parse(data, profile.dialect), profile, id_prefix="c", timezone=UTC)

    return interpret_capture
