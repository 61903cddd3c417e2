"""Decoding, in one process: against a bare split and against the codec of astm-2025."""

import datetime as dt
from collections.abc import Iterator

from astm import codec

from benchmarks.measure import Row, ratios, row
from benchmarks.samples import many_frames, one_frame
from drivers.profile import load
from protocols.astm import message
from protocols.astm.unframe import unframe
from rerund.interpreter import Decider, MemoryHistory, NoWaiting
from rerund.payload_codec import to_json


def rows() -> Iterator[Row]:
    """Yield the decoding rows."""
    for label, driver, framed in (
        ("1 frame, 41 results", "sysmex-xn", one_frame(b"00000001")),
        ("28 frames, 21 results", "horiba-pentra", many_frames(b"00000001")),
    ):
        yield from _parsing(label, framed)
        yield _payload(label, driver, framed)


def _parsing(label: str, framed: bytes) -> Iterator[Row]:
    text = b"".join(part.text for part in unframe(framed))
    lines = [line for line in text.split(b"\r") if line]

    def peer() -> None:
        for line in lines:
            codec.decode_record(line, "latin-1")

    def split() -> None:
        [line.split("|") for line in text.decode("latin-1").split("\r")]

    def ours() -> None:
        message.parse(text)

    yield row(
        f"parse to records, {label}: times the codec of astm-2025",
        ratios(peer, ours),
        "x",
        floor=12,
    )
    yield row(
        f"parse to records, {label}: share of a bare split's speed",
        ratios(split, ours),
        "x",
        floor=0.5,
    )


def _payload(label: str, driver: str, framed: bytes) -> Row:
    decider = Decider(
        profile=load(driver),
        device_id="1",
        device_name="bench",
        lab_id=1,
        journal_id="bench",
        timezone=dt.UTC,
    )

    def peer() -> None:
        codec.decode(framed, "latin-1")

    def ours() -> None:
        text = b"".join(part.text for part in unframe(framed))
        outcome = decider.decide(1, None, text, MemoryHistory(), NoWaiting())
        for payload, _ in outcome.payloads:
            to_json(payload)

    return row(
        f"framed bytes to payload JSON, {label}: times codec.decode of the same bytes",
        ratios(peer, ours),
        "x",
        floor=2,
    )
