"""An instrument that plays files: what it sends, in which order, and how badly.

Here is what it sends by E1381; `simulator_hl7` says it for HL7. Files hold frames as captured
(with or without ENQ and EOT, ended by CR, LF or CR LF) or bare records. Playing is stop-and-wait
as in LIS01-A2 6.3, by code of its own: an instrument that shared the sender of `protocols` would
share its errors too.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from protocols.astm.control import ACK, CR, ENQ, EOT, ETB, ETX, LF, NAK, STX
from protocols.astm.frame import checksum, encode, split

ReplyWord = Literal["ACK", "NAK", "EOT", "ENQ", "other", "none"]

_TOKEN = re.compile(rb"\x05|\x04|\x02[^\x02\x04\x05]*|[^\x02\x04\x05]+")
_FRAME = re.compile(rb"\x02([0-7])[^\x03\x17]*[\x03\x17][0-9A-Fa-f]{2}", re.DOTALL)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_WORDS: dict[bytes, ReplyWord] = {ACK: "ACK", NAK: "NAK", EOT: "EOT", ENQ: "ENQ"}


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to send, whether a reply is due, and whether it was sent before."""

    data: bytes
    label: str
    awaits_reply: bool = True
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a step (MSA-1 in HL7), and after how many seconds."""

    step: Step
    word: str
    latency: float


@dataclass(frozen=True, slots=True)
class Playing:
    """How files are played.

    `packed`: records share frames of `max_text` bytes, else each has a frame of its own.
    `raw`: nothing is added, mended or tried again, for damaged captures.
    `read_size`: bytes of one write, 0 for whole ones; `delay`: seconds between two writes.
    `merge`: steps put into one write: frames or messages without waiting for the reply, EOT with
    the next ENQ. `repeat` and `corrupt`: chance that a frame or message is sent twice, as after
    a lost reply, or comes damaged first. `seed` makes these the same each time.
    """

    packed: bool = False
    max_text: int = 240
    raw: bool = False
    read_size: int = 0
    delay: float = 0.0
    merge: int = 1
    repeat: float = 0.0
    corrupt: float = 0.0
    seed: int = 0
    reply_timeout: float = 15.0
    busy_timeout: float = 10.0
    frame_tries: int = 6


def reply_word(reply: bytes) -> ReplyWord:
    """Return the name of a reply byte, `none` for nothing."""
    return _WORDS.get(reply, "other") if reply else "none"


def steps_of(files: Iterable[bytes], playing: Playing) -> list[Step]:
    """Return everything to send for the contents of `files`, in order."""
    steps: list[Step] = []
    for data in files:
        if playing.raw:
            steps += _tokens(data)
        elif STX in data:
            steps += _sessions(_tokens(data))
        else:
            steps += _session(_frames_of_records(data, playing))
    return list(worsened(steps, playing, is_frame)) if playing.repeat else steps


def corrupted(data: bytes, rng: random.Random) -> bytes:
    """Return a frame with one bit of its number or text turned so that it remains a frame."""
    text = range(1, data.rfind(ETX) if ETX in data else data.rfind(ETB))
    at = rng.choice(text)
    # Bit 5 keeps a printable character printable: no control character appears or goes.
    return data[:at] + bytes([data[at] ^ (0x20 if data[at] > 0x3F else 0x01)]) + data[at + 1 :]


def is_frame(step: Step) -> bool:
    """Whether the step carries a whole frame."""
    return _FRAME.match(step.data) is not None


def _tokens(data: bytes) -> Iterator[Step]:
    number = 0
    for token in _TOKEN.findall(data):
        if token == ENQ:
            yield Step(ENQ, "ENQ")
        elif token == EOT:
            yield Step(EOT, "EOT", awaits_reply=False)
        elif token[:1] == STX:
            number += 1
            yield Step(token, f"frame {number}")
        elif token.strip(CR + LF):
            yield Step(token, "noise", awaits_reply=False)


def _sessions(tokens: Iterable[Step]) -> Iterator[Step]:
    """Make whole sessions of what was captured: ENQ before, EOT after, CR LF, frames numbered.

    Captures that were edited lack some of it. A frame whose checksum is wrong stays as it is,
    and the same frame again stays a repetition.
    """
    is_open, before, number = False, b"", 0
    for token in tokens:
        frame = token.data if _is_good(token.data) else b""
        begins = frame[1:3] == b"1H" and before not in (b"", frame)
        if is_open and (token.data == ENQ or begins):
            yield Step(EOT, "EOT", awaits_reply=False)
            is_open = False
        if not is_open and token.data not in (ENQ, EOT):
            yield Step(ENQ, "ENQ")
        if not is_open or token.data == EOT:
            before, number = b"", 0
        is_open = token.data != EOT
        if frame:
            number += frame != before
            before = frame
            yield Step(_renumbered(frame, number), token.label)
        else:
            yield token
    if is_open:
        yield Step(EOT, "EOT", awaits_reply=False)


def _is_good(data: bytes) -> bool:
    frame = _FRAME.match(data)
    return frame is not None and checksum(frame.group()[1:-2]) == frame.group()[-2:].upper()


def _renumbered(frame: bytes, number: int) -> bytes:
    whole = _FRAME.match(frame)
    assert whole is not None
    body = whole.group()[1:-2]
    return encode(body[1:-1], number, body[-1:] == ETX)


def _session(frames: Iterable[bytes]) -> Iterator[Step]:
    yield Step(ENQ, "ENQ")
    for number, frame in enumerate(frames, 1):
        yield Step(frame, f"frame {number}")
    yield Step(EOT, "EOT", awaits_reply=False)


def _frames_of_records(data: bytes, playing: Playing) -> Iterator[bytes]:
    records = [line + CR for line in _LINE_END.split(data) if line and line[:1] != b"#"]
    texts = _messages(records) if playing.packed else records
    number = 0
    for text in texts:
        for piece, is_last in split(text, playing.max_text):
            number += 1
            yield encode(piece, number, is_last)


def _messages(records: Iterable[bytes]) -> Iterator[bytes]:
    """Join the records of each message: a header begins a new one (LIS01-A2 6.3.1.1)."""
    message = b""
    for record in records:
        if record[:1] == b"H" and message:
            yield message
            message = b""
        message += record
    if message:
        yield message


def worsened(
    steps: Iterable[Step], playing: Playing, is_repeatable: Callable[[Step], bool]
) -> Iterator[Step]:
    """Yield steps, some of them twice as `repeat` says."""
    rng = random.Random(playing.seed)
    for step in steps:
        yield step
        if is_repeatable(step) and rng.random() < playing.repeat:
            yield Step(step.data, f"{step.label} again", is_repeat=True)
