"""Profiles from text and messages from records, for tests of what messages mean."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path

import pytest

from drivers.hl7.interpret import interpret as interpret_hl7
from drivers.interpret import interpret
from drivers.profile import Hl7Profile, Profile, load
from drivers.result import Interpretation
from protocols.astm.message import parse
from protocols.astm.unframe import unframe
from protocols.hl7 import message as hl7

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


HL7_HEADER = "MSH|^~\\&|A1|Lab|||20260520120000||{event}|7|P|2.5.1"

SMALL_HL7_PROFILE = """\
name = "small"
version = "1"
vendor = "Test"
models = "One"
protocol = "hl7"
[specimen]
id = ["SPM.2.1.1", "OBR.3.1"]
[result]
test_code = "OBX.3.1"
[rerun]
marked = false
"""


@pytest.fixture
def make_hl7_profile(tmp_path: Path) -> Callable[..., Hl7Profile]:
    """Load a small HL7 profile with text replaced (`old`, `new`) and tables added at its end."""

    def make(more: str = "", *changes: tuple[str, str]) -> Hl7Profile:
        text = SMALL_HL7_PROFILE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "small.toml"
        path.write_text(text + more, encoding="utf-8")
        profile = load(path)
        assert isinstance(profile, Hl7Profile)
        return profile

    return make


@pytest.fixture
def read_hl7() -> Callable[..., Interpretation]:
    """Interpret segments under a profile (by name or itself); MSH is added."""

    def interpret_segments(
        profile: Hl7Profile | str,
        *segments: str,
        event: str = "ORU^R01",
        header: str = HL7_HEADER,
        zone: tzinfo = UTC,
    ) -> Interpretation:
        loaded = load(profile) if isinstance(profile, str) else profile
        assert isinstance(loaded, Hl7Profile)
        text = "\r".join((header.format(event=event), *segments)) + "\r"
        message = hl7.parse(text.encode(errors="surrogateescape"), loaded.dialect)
        return interpret_hl7([message], loaded, id_prefix="j-1", timezone=zone)

    return interpret_segments
