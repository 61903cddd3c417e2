"""Decoding a file: the messages in it as the daemon would decide them, one by one.

The output depends on nothing but the input: an entry is the ordinal of its message, there
is no time of arrival and no lab, and history is what stands before it in the same input.
"""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Literal

from drivers.profile import AnyProfile, Hl7Profile
from drivers.result import Note
from protocols.astm.frame import Frame
from protocols.astm.unframe import message_texts, unframe
from protocols.hl7 import mllp
from protocols.hl7.boundary import split_messages
from protocols.hl7.dialect import Dialect
from protocols.hl7.mllp import Block
from rerund.interpreter import Decider, MemoryHistory, NoWaiting, Outcome

InputForm = Literal["auto", "frames", "records"]

STX = b"\x02"

# Ids must name a journal; a file is none, and the same input must give the same output.
JOURNAL_ID = "00000000-0000-0000-0000-000000000000"


def decode_input(
    data: bytes, profile: AnyProfile, *, input_form: InputForm = "auto", timezone: tzinfo
) -> Iterator[Outcome | Note]:
    """Decide every message of `data`, and note what of it is no part of a message.

    The `record` of a note is the ordinal of a frame, or of an MLLP block.
    """
    if isinstance(profile, Hl7Profile):
        blocks = _blocks(data, profile.dialect, input_form)
        yield from _damaged(blocks)
        texts = _messages(blocks)
    elif STX in data if input_form == "auto" else input_form == "frames":
        yield from _damaged(unframe(data, profile.dialect))
        texts = message_texts(data, profile.dialect)
    else:
        texts = _recorded(data)
    decider = Decider(profile, profile.name, profile.name, None, JOURNAL_ID, timezone)
    history = MemoryHistory()
    for entry, text in enumerate(texts, 1):
        outcome = decider.decide(entry, None, text, history, NoWaiting())
        history.remember(outcome.known_runs(), outcome.digest, None)
        yield outcome


def _blocks(data: bytes, dialect: Dialect, input_form: InputForm) -> list[Block]:
    """Return the MLLP blocks of `data`, or all of it as one where there are none."""
    return [Block(data, data)] if input_form == "records" else list(mllp.unframe(data, dialect))


def _messages(blocks: Iterable[Block]) -> Iterator[bytes]:
    """Cut what blocks hold, which may be batches, before each header."""
    for block in blocks:
        if block.reason is None:
            yield from (text for text in split_messages(block.content) if text.strip())


def _damaged(frames: Iterable[Frame | Block]) -> Iterator[Note]:
    """Note the frames that a link would have refused; they are no part of a message."""
    for ordinal, frame in enumerate(frames, 1):
        if frame.reason is not None:
            yield Note(frame.reason.value, 0, ordinal, "frame left out")


def _recorded(data: bytes) -> Iterator[bytes]:
    """Cut records that end with CR, LF or CR LF before each H and after each L."""
    message: list[bytes] = []
    for line in data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        if not line.strip():
            continue
        if message and _is(line, b"H"):
            yield _text(message)
            message = []
        message.append(line)
        if _is(line, b"L"):
            yield _text(message)
            message = []
    if message:
        yield _text(message)


def _is(line: bytes, letter: bytes) -> bool:
    return line[:1].upper() == letter and not line[1:2].isalnum()


def _text(lines: list[bytes]) -> bytes:
    return b"\r".join([*lines, b""])
