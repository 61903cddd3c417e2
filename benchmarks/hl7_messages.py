"""HL7 messages and links, in one process: against `hl7.parse` and against a bare split."""

import datetime as dt
from collections.abc import Iterator

import hl7

from benchmarks.measure import Row, ratios, row
from benchmarks.samples import oru, oru_with_pictures
from drivers.profile import load
from protocols.hl7 import message, mllp
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.events import MessageReceived
from protocols.hl7.session import Session
from rerund.interpreter import Decider, MemoryHistory, NoWaiting
from rerund.payload_codec import to_json

_STAMP = Stamp("H1", "20260520103001")


def rows() -> Iterator[Row]:
    """Yield the HL7 rows."""
    yield from _parsing(oru(b"00000001"))
    yield _payload(oru(b"00000001"))
    yield from _large(oru_with_pictures())


def _parsing(content: bytes) -> Iterator[Row]:
    text = content.decode()
    block = mllp.encode(content)

    def peer() -> None:
        hl7.parse(text)

    def parse() -> None:
        message.parse(content)

    def every_field() -> None:
        for segment in message.parse(content).segments:
            for position in range(1, len(segment.fields)):
                segment.value(position)

    def acknowledged() -> None:
        for event in _receive(block):
            message.parse(event.content)

    for what, ours, floor in (
        ("parse", parse, 40),
        ("parse and read every field", every_field, 15),
        ("MLLP bytes to message and AA", acknowledged, 15),
    ):
        yield row(
            f"{what}, 64 results: times hl7.parse",
            ratios(peer, ours, calls=10, times=10),
            "x",
            floor=floor,
        )


def _payload(content: bytes) -> Row:
    text = content.decode()
    block = mllp.encode(content)
    decider = Decider(
        profile=load("mindray-bc"),
        device_id="1",
        device_name="bench",
        lab_id=1,
        journal_id="bench",
        timezone=dt.UTC,
    )

    def peer() -> None:
        hl7.parse(text)

    def ours() -> None:
        for received in mllp.unframe(block):
            outcome = decider.decide(1, None, received.content, MemoryHistory(), NoWaiting())
            for payload, _ in outcome.payloads:
                to_json(payload)

    return row(
        "MLLP bytes to payload JSON, 64 results: times hl7.parse alone",
        ratios(peer, ours, calls=10, times=10),
        "x",
        floor=15,
    )


def _large(content: bytes) -> Iterator[Row]:
    block = mllp.encode(content)

    def split() -> None:
        [line.split("|") for line in content.decode().split("\r")]

    def ours() -> None:
        for event in _receive(block):
            message.parse(event.content)

    yield row(
        "MLLP bytes to message and AA, 1 MB of pictures: times as long as a bare split",
        ratios(ours, split, calls=10),
        "x",
        ceiling=5,
    )


def _receive(block: bytes) -> list[MessageReceived]:
    """Return the messages of `block`, acknowledged."""
    session = Session(lambda: _STAMP)
    session.receive_data(block, 0.0)
    received = [each for each in session.events_received() if isinstance(each, MessageReceived)]
    for event in received:
        session.acknowledge(0.0, event.ticket)
    session.data_to_send()
    return received
