"""What one instrument's link does differently from the letter of E1381 and E1394.

The defaults are the standard's numbers with the tolerance that the field needs: a wrong
NAK costs a whole message, so what is readable beyond doubt is accepted and reported.
Every switch names the clause it relaxes or the instrument that needs it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """The link and record switches of one instrument. Durations are seconds, sizes bytes."""

    framing: Literal["e1381", "simplified"] = "e1381"
    """`simplified`: ENQ STX records ETX EOT without frame number, checksum or CR LF, and an
    ACK to each of the four characters (Snibe Maglumi X3, wire capture in the field notes of
    the OpenELIS analyzer bridge). Never guessed."""

    role: Literal["computer", "instrument"] = "computer"
    """Who yields when both sides send ENQ: the computer (LIS01-A2 6.2.7.1). `instrument` is
    for a simulator, and for an instrument that insists on the computer's priority."""

    direction: Literal["both", "receive_only", "send_only"] = "both"
    """`receive_only` never sends ENQ, `send_only` answers every ENQ with NAK (6.2.7)."""

    checksum: Literal["required", "ignored", "absent"] = "required"
    """`ignored`: two characters come and mean nothing. `absent`: none come (Snibe with its
    checksum switched off)."""

    lowercase_checksum: bool = True
    """Accept `d4` for `D4`. The standard has 0-9 and A-F only (6.3.1.2)."""

    first_frame_number_any: bool = False
    """Accept any number on the first frame after ENQ; seen in the field with 0. The standard
    begins with 1 (6.3.2.1)."""

    restricted: Literal["strict", "tolerant", "any"] = "tolerant"
    """Restricted characters in a frame's text (6.6): `tolerant` allows LF after CR (records
    that end with CR LF), `any` allows all that cannot be mistaken for framing."""

    max_frame: int = 64_000
    """Longest frame received, STX to LF: 64 000 (LIS01-A2 6.3.1) or 247 (E1381-95)."""

    max_text: int = 240
    """Longest text sent in one frame: 240 (E1381-95) fits every instrument, 63 993 is the
    limit of LIS01-A2."""

    max_message: int = 16 * 1024 * 1024
    max_records: int = 100_000

    enq_reply_timeout: float = 15.0
    """Sender: reply to ENQ (6.5.2.1). A cobas e411 has been seen to take 21 to 28 s."""

    frame_reply_timeout: float = 15.0
    """Sender: reply to a frame (6.5.2.3)."""

    receive_timeout: float = 30.0
    """Receiver: next frame or EOT (6.5.2.4)."""

    commit_timeout: float = 10.0
    """Receiver: how long our own reply may be owed before the frame is answered with NAK,
    inside the 15 s of 6.5.2.5."""

    contention_timeout: float = 20.0
    """Computer: wait for the instrument's ENQ after a contention (6.5.2.2)."""

    reenquire_timeout: float = 1.0
    """Instrument: pause before ENQ is sent again after a contention (6.2.7.1)."""

    busy_timeout: float = 10.0
    """Sender: pause after a NAK to ENQ (6.2.6) or a failed transfer."""

    interrupt_timeout: float = 15.0
    """Sender: no ENQ for this long after honouring a receiver interrupt (6.3.5.3)."""

    frame_end: Literal["crlf", "cr", "none"] = "crlf"
    """What ends a frame after its checksum. An instrument known to send CR alone, or nothing,
    need not wait for `trailer_timeout`."""

    trailer_timeout: float | None = 0.5
    """Receiver: accept a frame whose CR LF does not come (Horiba and others end with CR, or
    with nothing). None waits for it until `receive_timeout`, as the standard has it."""

    pipelining_window: float = 2.0
    """Receiver: an EOT or ENQ that follows a frame within this time was sent without waiting
    for the reply, which is still sent first. A later one means that the sender has given up,
    and then the late reply is not sent: it would be read as the reply to something else."""

    frame_tries: int = 6
    """Sender: tries of one frame before EOT (6.5.1.2)."""

    message_tries: int = 6
    """Sender: sessions tried for one message before it is given back as failed."""

    receiver_interrupt: bool = False
    """Allow EOT in place of ACK to ask for the line (6.3.5). Off: GeneXpert ignores it until
    its last frame (301-2002 Rev E 3.2.3.1.4)."""

    encoding: str = "latin-1"
    """Of bytes 128 to 254 (E1394 5.1 leaves them to the parties)."""

    header_backslash: bool = False
    r"""Read a header `H|\\^&` as `H|\^&` (bioMérieux mini VIDAS, Spotchem EL, Horiba Yumizen
    H550: the backslash was escaped once too often)."""

    utf16_escapes: bool = False
    r"""Decode the vendor escape Z as UTF-16 code units in hexadecimal, `\Z34C8\` (Cepheid
    GeneXpert 301-2002 Rev E 4.4)."""


STANDARD = Dialect()
"""The defaults above."""
