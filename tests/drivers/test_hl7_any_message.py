"""What holds for any HL7 message, whole or spoiled, under any profile."""

from datetime import UTC
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import InterpretError
from drivers.hl7.interpret import interpret
from drivers.profile import Hl7Profile, available, load
from protocols.hl7.message import parse

GOLDEN = Path(__file__).parent / "golden"
SEGMENTS = sorted(
    {line for path in GOLDEN.glob("*/*.hl7") for line in path.read_bytes().splitlines()}
)
HEADERS = [line for line in SEGMENTS if line.startswith(b"MSH")]
PROFILES = [name for name in available() if isinstance(load(name), Hl7Profile)]
SPOILS = [b"|", b"^", b"~", b"\\", b"&", b'""', b"\r", b"\xff", b"\x00", b"-", b"9" * 40]


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Segments of the golden samples in any order, with a few bytes replaced."""
    body = draw(st.lists(st.sampled_from(SEGMENTS), max_size=12))
    text = b"\r".join([draw(st.sampled_from(HEADERS)), *body])
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 8))
        text = text[:at] + draw(st.sampled_from(SPOILS)) + text[at + cut :]
    return text


@settings(deadline=None)
@given(text=messages(), name=st.sampled_from(PROFILES))
def test_any_message_is_read_or_refused(text: bytes, name: str) -> None:
    profile = load(name)
    assert isinstance(profile, Hl7Profile)
    message = parse(text, profile.dialect)
    try:
        found = interpret([message], profile, id_prefix="j-1", timezone=UTC)
    except InterpretError:
        return
    ids = [result.result_id for sample in found.samples for result in sample.results]
    assert len(set(ids)) == len(ids)
    msgspec.json.encode(found)
    assert interpret([message], profile, id_prefix="j-1", timezone=UTC) == found
