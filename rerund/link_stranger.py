"""The other protocol on a line, known by the bytes that the line ignores.

An instrument that is set to ASTM while its driver is one for HL7, or the other way round, gets no
answer that it understands: without a word, nobody would know why.
"""

import re

import structlog

log = structlog.get_logger(__name__)

_TAIL = 4
"""Bytes of what was ignored before that a mark may begin in."""

_MARKS = {
    # Somebody waits for an answer to ENQ, or does not wait and begins a frame with a header.
    "ASTM": re.compile(rb"\A[\x04\x05]*\x05\Z|\x02[0-7]?H[^A-Za-z0-9]"),
    "HL7": re.compile(rb"\x0b(?:MSH|FHS|BHS)"),
}


class Stranger:
    """What may be at the other end of one connection, and warns of it once."""

    def __init__(self, link: str, *, expected: str, protocol: str) -> None:
        self._link = link
        self._expected = expected
        self._protocol = protocol
        self._mark = _MARKS[protocol]
        self._tail = b""
        self._told = False

    def look_at(self, ignored: bytes) -> None:
        """Look for the mark of the other protocol, however its bytes were cut."""
        if self._told:
            return
        so_far = self._tail + ignored
        if self._mark.search(ignored) or self._mark.search(so_far):
            self._told = True
            self._tell()
        self._tail = so_far[-_TAIL:]

    def _tell(self) -> None:
        log.warning(
            "other_protocol",
            link=self._link,
            hint=f"the instrument sends {self._protocol}, its driver is one for {self._expected}:"
            f" give [[instrument]] a driver whose protocol is {self._protocol.lower()}"
            f" (rerund drivers list), or set the instrument to {self._expected}",
        )
