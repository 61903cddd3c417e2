"""What one instrument's link does differently from the letter of MLLP and HL7 v2.

The defaults are the standard's with the tolerance that the field needs: what is readable
beyond doubt is accepted and reported. Every switch says what it relaxes or who needs it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """The link and message switches of one instrument. Durations are seconds, sizes bytes."""

    release: Literal[1, 2] = 1
    """Of MLLP. In release 2 every block is answered with a block of one byte, ACK or NAK,
    before anything that HL7 itself answers."""

    block_end: Literal["strict", "tolerant", "fs"] = "tolerant"
    """A block ends with FS CR. `tolerant` also takes FS LF, FS before the next VT, and FS
    before a silence of `trailer_timeout`. `fs` ends it at FS at once, for an instrument that
    is known to send no CR."""

    direction: Literal["both", "receive_only"] = "both"
    """`receive_only` acknowledges, and never sends a message of ours."""

    max_message: int = 64 * 1024 * 1024
    """Longest message received. Pictures in base64 make some of them large."""

    max_backlog: int = 1024 * 1024
    """Bytes of whole messages that may wait for the reply to an earlier one."""

    receive_timeout: float = 30.0
    """Receiver: silence within a block before it is dropped."""

    trailer_timeout: float = 0.5
    """Receiver: silence after FS before the block is taken to have ended (`block_end`)."""

    commit_timeout: float = 10.0
    """Receiver: how long our own reply may be owed before the message is answered as not
    stored."""

    answer_timeout: float = 10.0
    """Receiver: how long the answer to a query that is stored may be owed."""

    reply_timeout: float = 15.0
    """Sender: an acknowledgment of our message."""

    commit_reply_timeout: float = 15.0
    """Sender, release 2: the peer's ACK or NAK block."""

    busy_timeout: float = 10.0
    """Sender: pause before a message is sent again."""

    message_tries: int = 3
    """Sender: times a message is sent before it is given back as failed."""

    block_tries: int = 3
    """Sender, release 2: times a block is sent before it is given up."""

    acknowledgment: Literal["as_asked", "original", "none"] = "as_asked"
    """`as_asked`: by MSH-15 and MSH-16. `original`: one AA, AE or AR whatever they say.
    `none`: the instrument does not listen."""

    accepted_text: str = ""
    """MSA-3 of a positive acknowledgment. Mindray's manuals show "Message accepted"."""

    numeric_condition: bool = False
    """Write the number of the error condition to MSA-6, 0 for none (Mindray BS and CL)."""

    message_types: frozenset[str] = frozenset()
    """What the link takes, as `ORU^R01`, or as `ORU` for all events; empty for everything."""

    versions: frozenset[str] = frozenset()
    """Values of MSH-12 that the link takes; empty for everything."""

    processing_ids: frozenset[str] = frozenset()
    """Values of MSH-11 that the link takes; empty for everything."""

    encoding: str = "utf-8"
    """Of a message whose MSH-18 is empty, ASCII or unknown."""

    trust_charset: bool = True
    """Read a message in the character set of its MSH-18; otherwise always in `encoding`."""

    header_backslash: bool = False
    r"""Read a header `MSH|^~\\&` as `MSH|^~\&` (the backslash was escaped once too often)."""

    utf16_escapes: bool = False
    r"""Read `\Z03BC\` as UTF-16 (Cepheid GeneXpert, BioSystems); otherwise it stays as it is."""


STANDARD = Dialect()
"""The defaults above."""
