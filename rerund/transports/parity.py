"""Line errors out of a byte stream that the terminal driver has marked (termios PARMRK).

With INPCK and PARMRK set and IGNPAR clear, the kernel passes a byte with a parity or
framing error as FF 00 byte, a break as FF 00 00, and an honest FF as FF FF.
"""

import re

_MARK = re.compile(rb"\xff\xff|\xff\x00.|\xff\x00?\Z", re.DOTALL)


class ParityMarks:
    """Takes marked bytes, gives clean ones; a mark may be cut anywhere between two reads."""

    def __init__(self) -> None:
        self._cut = b""

    def receive_data(self, data: bytes) -> list[bytes | None]:
        """Return clean pieces in order, None where a byte was damaged; that byte is dropped."""
        if not self._cut and b"\xff" not in data:
            return [data]
        data = self._cut + data
        self._cut = b""
        pieces: list[bytes | None] = []
        clean = bytearray()
        at = 0
        for mark in _MARK.finditer(data):
            clean += data[at : mark.start()]
            at = mark.end()
            match len(mark.group()), mark.group()[-1]:
                case 2, 0xFF:
                    clean.append(0xFF)
                case 3, _:
                    if clean:
                        pieces.append(bytes(clean))
                        clean.clear()
                    pieces.append(None)
                case _:
                    self._cut = mark.group()
        clean += data[at:]
        if clean:
            pieces.append(bytes(clean))
        return pieces
