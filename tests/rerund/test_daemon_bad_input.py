"""Bad input on the wire: answered as the standard says, kept, visible, and forgotten by the link.

One daemon takes all of it, one case after the other.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest
import pytest_asyncio

from protocols.astm import frame
from protocols.astm.control import ACK, ENQ, EOT, NAK
from rerund.demo import messages
from tests.rerund.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
XN = rb"H|\^&|||    XN-1000^00-24^1"
ORDER = b"O|1||^^%b^B||||||||N||||||||||||||F"
END = b"L|1|N"
NOTHING = b""
"""What the daemon says to what it must not answer."""


def result(number: int, code: bytes = b"^^^^WBC^1", value: bytes = b"5.00") -> bytes:
    at = NOW - timedelta(minutes=number)
    return b"R|%d|%b|%b|10*3/uL||N||F||||%b" % (number, code, value, f"{at:%Y%m%d%H%M%S}".encode())


def frames(*records: bytes) -> list[bytes]:
    return [frame.encode(record + b"\r", number) for number, record in enumerate(records, 1)]


def accepted(*records: bytes) -> list[tuple[bytes, bytes]]:
    """A whole message, every frame of which is acknowledged."""
    return [(ENQ, ACK), *((data, ACK) for data in frames(*records)), (EOT, NOTHING)]


class Case(NamedTuple):
    """What is said and must be answered; state and reason of the first entry it leaves."""

    talk: list[tuple[bytes, bytes]]
    state: str
    reason: str


HEADER_FRAME, *_ = frames(XN)
WRONG = HEADER_FRAME[:-4] + b"00\r\n"
assert WRONG != HEADER_FRAME

CASES = {
    "noise before a message": Case(
        [(b"\xff\x00garbage", NOTHING), *accepted(XN, b"P|1", ORDER % b"A1", result(1), END)],
        "rejected",
        "unexpected_byte",
    ),
    "a wrong checksum, then the right one": Case(
        [(ENQ, ACK), (WRONG, NAK), *accepted(XN, b"P|1", ORDER % b"A2", result(1), END)[1:]],
        "rejected",
        "bad_checksum",
    ),
    "another instrument's message": Case(
        accepted(rb"H|\^&|||XS-500i^00-24^1", b"P|1", b"O|1||^^A4^M", result(1), END),
        "held",
        "other_sender",
    ),
    "unknown record types": Case(
        accepted(XN, b"P|1", ORDER % b"A5", result(1), b"X|1|what", b"Z|1", END),
        "interpreted",
        "",
    ),
    "bytes that no encoding has": Case(
        accepted(XN, b"P|1||||\xff\xfe^\x81", ORDER % b"A6", result(1), END), "interpreted", ""
    ),
    "an unknown test code": Case(
        accepted(XN, b"P|1", ORDER % b"A7", result(1, b"^^^^NOSUCH^1"), END), "interpreted", ""
    ),
    "an empty barcode": Case(accepted(XN, b"P|1", ORDER % b"", result(1), END), "interpreted", ""),
    "a message that says nothing": Case(accepted(XN, END), "empty", "no_results"),
    "a message that its sender gave up": Case(
        accepted(XN, b"P|1", ORDER % b"A8", result(1), b"L|1|E"), "held", "aborted"
    ),
}
ordinals = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory):
    async with Site(tmp_path_factory.mktemp("bad_input")) as site:
        yield site


async def says(site: Site, talk: list[tuple[bytes, bytes]], *, to_the_end: bool = True) -> None:
    reader, writer = await site.line()
    for data, expected in talk:
        writer.write(data)
        if expected:
            heard = await reader.readexactly(len(expected))
            assert heard == expected, f"{data!r} was answered by {heard!r}"
    if to_the_end:
        writer.write_eof()
        assert await reader.read() == b"", "more was said than the standard asks for"
        writer.close()
    else:
        writer.transport.abort()


async def still_works(site: Site) -> None:
    sample = f"GOOD-{next(ordinals)}"
    sent = await site.sends(messages.original(sample, NOW))
    assert sent.accepted
    await site.settled()
    assert len(site.payloads(sample)) == 1


@pytest.mark.parametrize(("talk", "state", "reason"), CASES.values(), ids=CASES)
async def test_answered_and_kept(site, talk, state, reason):
    before = len(site.entries())
    await says(site, talk)
    await still_works(site)
    first = site.entries()[before]
    assert (first["state"], first["reason"]) == (state, reason)


async def test_a_truncated_frame_leaves_its_message_on_hold(site):
    before = len(site.entries())
    whole, last = frames(XN, b"P|1")
    await says(site, [(ENQ, ACK), (whole, ACK), (last[:-5], NOTHING)], to_the_end=False)
    await still_works(site)
    found = {(e["state"], e["reason"]) for e in site.entries()[before:]}
    assert ("held", "incomplete") in found


async def test_an_empty_barcode_matches_no_other(site):
    before = len(site.entries())
    for minute in (1, 2):
        await says(site, accepted(XN, b"P|1", ORDER % b"", result(minute), END))
    await site.settled()
    payloads = [payload for entry in site.entries()[before:] for payload in entry["payloads"]]
    assert [payload["is_rerun"] for payload in payloads] == [False, False]


async def test_a_frame_longer_than_any_is_refused_and_kept_in_part(site):
    before = len(site.entries())
    endless = b"\x021" + b"x" * 200_000 + b"\r\x0300\r\n"
    await says(site, [(ENQ, ACK), (endless, NAK), (EOT, NOTHING)])
    await still_works(site)
    first = site.entries()[before]
    assert first["state"] == "rejected"
    assert first["size"] < len(endless)
