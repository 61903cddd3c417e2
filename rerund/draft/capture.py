"""What a capture is made of: its protocol, how messages are wrapped, which switches read it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from protocols.astm.control import STX
from protocols.astm.dialect import Dialect as AstmDialect
from protocols.astm.frame import Frame
from protocols.astm.text import read_delimiters
from protocols.astm.unframe import message_texts, unframe
from protocols.hl7 import mllp
from protocols.hl7.boundary import split_messages
from protocols.hl7.dialect import Dialect as Hl7Dialect
from protocols.hl7.message import find_codec
from rerund.draft.toml import Line, counted

_MSH = re.compile(rb"(?:\A|[\x0b\r\n])(?:MSH|FHS|BHS)[^A-Za-z0-9\s]")
_HEADER = re.compile(rb"(?:\A|[\r\n]|\x02[0-7]?)[Hh][^A-Za-z0-9\s]")
_FIRST_NUMBER = re.compile(rb"\x05\x02([0-7])")
_CHECKSUM = re.compile(rb"[\x03\x17][0-9A-Fa-f]{2}")
_UTF16 = re.compile(rb"\\Z(?:[0-9A-Fa-f]{4})+\\")

_FRAMINGS: tuple[dict[str, Any], ...] = (
    {"restricted": "any"},
    {"checksum": "ignored"},
    {"checksum": "absent"},
    {"framing": "simplified"},
    {"checksum": "ignored", "restricted": "any"},
)
"""What else a link may do, the likeliest first."""


class CaptureError(Exception):
    """A capture in which no message can be found."""


@dataclass(frozen=True)
class Capture:
    """The messages of a capture, and the `[dialect]` that they need."""

    protocol: Literal["astm", "hl7"]
    form: str
    """How the messages are wrapped, in words."""
    texts: list[bytes]
    switches: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    """The switches as keys with their doubts."""


def read_capture(data: bytes) -> Capture:
    """Find the messages in `data`. Raises CaptureError."""
    if not data.strip():
        raise CaptureError("it is empty")
    if _MSH.search(data):
        return _read_hl7(data)
    if _HEADER.search(data):
        return _read_astm(data)
    raise CaptureError("no message begins in it: neither an H record nor an MSH segment")


# ASTM


def _read_astm(data: bytes) -> Capture:
    lines: list[Line] = []
    framing: dict[str, Any] = {}
    if STX in data:
        framing, frames = _framing_of(data)
        form = counted(len(frames), "frame")
        lines += _framing_lines(data, framing, frames)
        texts = list(message_texts(data, AstmDialect(**framing)))
    else:
        form = "records without frames"
        lines.append(Line.note("the capture has no frames: what the link does is not seen"))
        texts = [_uncommented(data)]
    lines += _text_lines(b"".join(texts))
    switches = {line.key: line.value for line in lines if line.active}
    if not any(texts):
        raise CaptureError("there are frames in it, and none can be read")
    return Capture("astm", form, texts, switches, lines)


def _uncommented(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#"))


def _framing_of(data: bytes) -> tuple[dict[str, Any], list[Frame]]:
    """Return the switches with which most frames can be read; none where the standard's do."""
    best: dict[str, Any] = {}
    frames = unframe(data, AstmDialect())
    if 2 * _damaged(frames) <= len(frames):
        return best, frames
    found = _headers(data, best) - _damaged(frames)
    impossible = "absent" if _CHECKSUM.search(data) else "ignored"
    for switches in _FRAMINGS:
        if switches.get("checksum") == impossible:
            continue
        other = unframe(data, AstmDialect(**switches))
        score = _headers(data, switches) - _damaged(other)
        if score > found:
            best, frames, found = switches, other, score
    return best, frames


def _damaged(frames: list[Frame]) -> int:
    return sum(frame.reason is not None for frame in frames)


def _headers(data: bytes, switches: dict[str, Any]) -> int:
    texts = message_texts(data, AstmDialect(**switches))
    return sum(text[:1] in (b"H", b"h") for text in texts)


def _framing_lines(data: bytes, switches: dict[str, Any], frames: list[Frame]) -> Iterator[Line]:
    bad = _damaged(frames)
    said = f"{counted(len(frames), 'frame')}, {bad} damaged"
    if not switches:
        yield Line.note(f"{said}: numbers and checksums as in LIS01-A2")
    for key, value in switches.items():
        yield Line(key, value, (f"{said} when read so; see LIS interface, link layer",))
    firsts = set(_FIRST_NUMBER.findall(data))
    if firsts - {b"1"}:
        doubt = f"{len(firsts - {b'1'})} numbers other than 1 on a first frame after ENQ"
        yield Line("first_frame_number_any", True, (doubt,))
    if any("no_crlf" in frame.tolerated for frame in frames):
        yield Line.note(
            "some frames do not end with CR LF, which is accepted; a file may have lost them"
        )


def _text_lines(text: bytes) -> Iterator[Line]:
    header = text[:8].decode("latin-1")
    if read_delimiters(header) is None and read_delimiters(
        header, AstmDialect(header_backslash=True)
    ):
        yield Line("header_backslash", True, ("the header doubles the backslash",))
    high = sum(byte > 0x7F for byte in text)
    if high and _is_utf8(text):
        yield Line("encoding", "utf-8", (f"{high} bytes above 127, all of them UTF-8",))
    elif high:
        yield Line(
            "encoding",
            "latin-1",
            (f"{high} bytes above 127 that are no UTF-8: perhaps cp1251, cp1252 or gb18030",),
        )
    if _UTF16.search(text):
        yield Line("utf16_escapes", True, ("escapes with Z and hexadecimal digits: UTF-16?",))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# HL7


def _read_hl7(data: bytes) -> Capture:
    blocks = [block for block in mllp.unframe(data) if block.reason is None]
    if mllp.VT in data:
        form = counted(len(blocks), "MLLP block")
        contents = [block.content for block in blocks]
    else:
        form = "messages without blocks"
        contents = [_uncommented(data)]
    texts = [
        text.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        for content in contents
        for text in split_messages(content)
        if text.strip()
    ]
    lines = list(_block_lines(data, blocks))
    lines += _character_lines(texts)
    switches = {line.key: line.value for line in lines if line.active}
    if not texts:
        raise CaptureError("there are MLLP blocks in it, and none can be read")
    return Capture("hl7", form, texts, switches, lines)


def _block_lines(data: bytes, blocks: list[mllp.Block]) -> Iterator[Line]:
    if mllp.VT not in data:
        yield Line.note("the capture has no MLLP blocks: what the link does is not seen")
        return
    odd = sum(bool(block.tolerated) for block in blocks)
    yield Line.note(f"{counted(len(blocks), 'block')}, {odd} without FS CR at the end")
    if odd == len(blocks):
        text = 'no block ends with FS CR: "fs" answers at once, where the manual says so'
        yield Line("block_end", "fs", (text,), active=False)


def _character_lines(texts: list[bytes]) -> Iterator[Line]:
    header = texts[0][:16].decode("latin-1") if texts else ""
    if header.startswith("MSH|^~\\\\&"):
        yield Line("header_backslash", True, ("the header doubles the backslash",))
    found = [(text, *find_codec(text)) for text in texts]
    unknown = sum(not known for _, _, known in found)
    unreadable = sum(not _is_in(text, codec) for text, codec, _ in found)
    if unreadable:
        best = "utf-8" if all(map(_is_utf8, texts)) else "latin-1"
        said = f"{unreadable} messages can not be read in the character set of their MSH-18"
        yield Line("trust_charset", False, (said,))
        yield Line("encoding", best, ("it may also be cp1251, cp1252 or gb18030",))
    elif unknown:
        yield Line.note(f"MSH-18 of {unknown} messages names an unknown character set")
    if any(map(_UTF16.search, texts)):
        yield Line("utf16_escapes", True, ("escapes with Z and hexadecimal digits: UTF-16?",))


def _is_in(text: bytes, codec: str) -> bool:
    try:
        text.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def dialect_of(capture: Capture) -> AstmDialect | Hl7Dialect:
    """Return the dialect that the capture's messages are parsed with."""
    kind = AstmDialect if capture.protocol == "astm" else Hl7Dialect
    return kind(**capture.switches)
