"""Where messages begin in the content of a block or a file, before anything is decoded."""

import re
from collections.abc import Iterator

_LINE_ENDS = b"\r\n"
_HEADERS_BEFORE = re.compile(rb"(?<![^\r\n])(?:(?:FHS|BHS)[^\r\n]*[\r\n]+){1,2}\Z")
_REACH = 2048
"""How far before a message its batch segments are looked for."""


def starts(content: bytes) -> Iterator[int]:
    """Yield where each MSH segment begins."""
    start = content.find(b"MSH")
    while start >= 0:
        before, after = content[max(0, start - 1) : start], content[start + 3 : start + 4]
        if before in (b"", b"\r", b"\n", b"\xbf") and after > b" " and not after.isalnum():
            yield start
        start = content.find(b"MSH", start + 3)


def split_messages(content: bytes) -> list[bytes]:
    """Return the messages of a batch, a file or a block; joined they are `content` again.

    Batch segments stay with the message that they stand before, trailers with the last one.
    """
    if content.count(b"MSH") < 2:  # nearly every block holds one
        return [content]
    edges = [0, *(_with_headers(content, start) for start in list(starts(content))[1:])]
    return [content[a:b] for a, b in zip(edges, [*edges[1:], len(content)], strict=True)]


def _with_headers(content: bytes, start: int) -> int:
    """Return where the batch segments begin that stand directly before the MSH at `start`."""
    found = _HEADERS_BEFORE.search(content, max(0, start - _REACH), start)
    return found.start() if found else start


def header_line(content: bytes) -> bytes:
    """Return the first MSH segment without its end; empty when there is none."""
    start = next(starts(content), None)
    if start is None:
        return b""
    return content[start : line_end(content, start)]


def line_end(content: bytes, start: int) -> int:
    """Return where the line ends that begins at `start`."""
    end = content.find(b"\r", start)
    feed = content.find(b"\n", start, end if end >= 0 else len(content))
    found = feed if feed >= 0 else end
    return found if found >= 0 else len(content)
