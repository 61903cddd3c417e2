"""Where messages begin and end in the texts of frames (E1394 6, 12).

A frame's end means nothing to records when it is an ETB and ends a record when it is an ETX;
a message begins at H and ends at L. Only the first two characters of a record that an ETB
has cut need to be remembered.
"""

from dataclasses import dataclass

_ENDS = (b"\r", b"\n")
_NOTABLE = b"HhLl\r\n"


@dataclass(slots=True)
class Position:
    """Where the text received so far stands. A new one is made for each frame."""

    is_open: bool = False
    """A message has begun and not ended."""
    tail: bytes = b""
    """The first characters of the record that the last frame left unfinished."""
    size: int = 0
    """Bytes of the message so far."""
    records: int = 0
    """Records of the message so far."""
    starts: bool = False
    """The frame just placed began a message."""
    completes: bool = False
    """The frame just placed ended one."""


def place(before: Position, text: bytes, is_end: bool) -> Position:
    """Return where a frame with `text` leads from `before`."""
    if is_end and text and before.is_open and not before.tail and text[0] not in _NOTABLE:
        # Most frames by far: whole records that begin nothing and end nothing.
        last = text.rfind(b"\r", 0, -1) + 1
        if text[last] not in _NOTABLE:
            size = before.size + len(text)
            return Position(True, b"", size, before.records + text.count(b"\r"))
    return _place_with_care(before, text, is_end)


def _place_with_care(before: Position, text: bytes, is_end: bool) -> Position:
    cut = not is_end and text[-1:] not in _ENDS
    content = text if cut else text.rstrip(b"\r\n")
    if not content and not before.is_open:
        return Position()
    starts = not before.is_open or (not before.tail and _begins(text, b"Hh"))
    record = content.rfind(b"\r") + 1
    last = content[record : record + 3]
    if not record:
        last = before.tail + last
    last = last.lstrip(b"\n")[:2]
    completes = not cut and _begins(last, b"Ll")
    tail = last if cut else b""
    size = len(text)
    records = text.count(b"\r")
    if not starts:
        size += before.size
        records += before.records
    return Position(not completes, tail, size, records, starts, completes)


def _begins(text: bytes, letters: bytes) -> bool:
    """Whether a record with one of the type `letters` begins here: the letter and a delimiter."""
    return text[:1] != b"" and text[:1] in letters and not text[1:2].isalnum()
