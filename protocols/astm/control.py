"""The control characters of E1381 and LIS01-A2, and those that a frame's text may not hold."""

from typing import Final

SOH: Final = b"\x01"
STX: Final = b"\x02"
ETX: Final = b"\x03"
EOT: Final = b"\x04"
ENQ: Final = b"\x05"
ACK: Final = b"\x06"
LF: Final = b"\x0a"
CR: Final = b"\x0d"
DLE: Final = b"\x10"
DC1: Final = b"\x11"
DC2: Final = b"\x12"
DC3: Final = b"\x13"
DC4: Final = b"\x14"
NAK: Final = b"\x15"
SYN: Final = b"\x16"
ETB: Final = b"\x17"

RESTRICTED: Final = b"".join(
    (SOH, STX, ETX, EOT, ENQ, ACK, DLE, NAK, SYN, ETB, LF, DC1, DC2, DC3, DC4)
)
"""Never part of a frame's text (LIS01-A2 6.6)."""
