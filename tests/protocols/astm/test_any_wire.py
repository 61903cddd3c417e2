"""Properties of a session under any cut, any garbage, and a line that loses and corrupts."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.astm.control import ACK, ENQ, EOT, NAK, STX
from protocols.astm.dialect import Dialect
from protocols.astm.events import (
    BytesIgnored,
    FrameReceived,
    FrameRepeated,
    MessageFailed,
    MessageSent,
)
from protocols.astm.frame import encode
from protocols.astm.session import Session

MESSAGE = [b"H|\\^&\r", b"P|1\r", b"O|1|A1||^^^GLU\r", b"R|1|^^^GLU|5.5\r", b"L|1|N\r"]


def frames(texts=MESSAGE, first=1):
    return [encode(text, number) for number, text in enumerate(texts, first)]


PIECES = st.sampled_from(
    [
        ENQ,
        EOT,
        ACK,
        NAK,
        STX,
        b"\x03",
        b"\x17",
        b"\r\n",
        b"noise",
        b"\x0400\r\n",
        *frames(),
        encode(b"H|\\^&\rC|1|I|a", 1, end=False),
        frames()[0].replace(b"H", b"G"),
        frames()[0][:-2],
        ENQ + b"".join(frames()) + EOT,
    ]
)
WIRE = st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join)
SWITCHES = st.sampled_from(
    [
        {},
        {"framing": "simplified"},
        {"first_frame_number_any": True, "restricted": "strict", "max_frame": 60},
        {"checksum": "absent", "frame_end": "none", "restricted": "any"},
        {"frame_end": "cr", "checksum": "ignored", "direction": "send_only"},
        {"max_message": 40, "trailer_timeout": None},
    ]
)


def settle(session: Session, now: float) -> tuple[list[object], bytes]:
    """Store what was announced; return what was told and written."""
    told, written = [], b""
    while events := session.events_received():
        for event in events:
            if isinstance(event, FrameReceived | FrameRepeated) and event.ticket is not None:
                session.acknowledge(now, event.ticket)
        told += events
        written += session.data_to_send()
    return told, written + session.data_to_send()


def run(session: Session, pieces: list[bytes], now: float = 0.0) -> tuple[list[object], bytes]:
    """Deliver pieces, storing each frame at once; ignored bytes are told without their cuts."""
    told, written = [], b""
    for piece in pieces:
        session.receive_data(piece, now)
        events, output = settle(session, now)
        told += events
        written += output
    joined: list[object] = []
    for event in told:
        last = joined[-1] if joined else None
        ignored = isinstance(event, BytesIgnored) and isinstance(last, BytesIgnored)
        if ignored and last.reason is event.reason:
            last.raw += event.raw
        else:
            joined.append(event)
    return joined, written


def without_line_ends(told):
    """Leave out line ends between frames: alone they are silent, next to noise they are noise."""
    for event in told:
        if isinstance(event, BytesIgnored):
            event.raw = event.raw.replace(b"\r", b"").replace(b"\n", b"")
    return told


@given(WIRE, SWITCHES, st.data())
def test_any_cut_gives_the_same_events_and_replies(wire, switches, data):
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))
    edges = [0, *sorted(cuts), len(wire)]
    pieces = [wire[a:b] for a, b in pairwise(edges)]
    told, written = run(Session(Dialect(**switches)), pieces)
    whole_told, whole_written = run(Session(Dialect(**switches)), [wire])
    assert written == whole_written
    assert without_line_ends(told) == without_line_ends(whole_told)


@given(WIRE, SWITCHES)
def test_any_bytes_leave_a_link_that_works_again_within_30_seconds(wire, switches):
    session = Session(Dialect(**switches))
    run(session, [wire])
    while (deadline := session.deadline) is not None:
        assert deadline <= 31
        session.handle_timer(deadline)
        settle(session, deadline)
    assert session.is_neutral
    assert len(session._stream) == 0
    if "framing" not in switches and "direction" not in switches:
        _, written = run(session, [ENQ], 100.0)
        assert written == ACK


@pytest.mark.conformance(172)
@given(st.lists(st.tuples(WIRE, st.integers(0, 4), st.floats(0, 20)), max_size=12), SWITCHES)
def test_item_172_anything_in_any_state_neither_fails_nor_grows(steps, switches):
    session = Session(Dialect(**switches))
    now, ticket = 0.0, 0
    for wire, action, pause in steps:
        session.receive_data(wire, now)
        for event in session.events_received():
            if isinstance(event, FrameReceived | FrameRepeated) and event.ticket is not None:
                ticket = event.ticket
        match action:
            case 0:
                session.acknowledge(now, ticket)
            case 1:
                session.refuse(now, ticket)
            case 2:
                session.send_message([b"H|\\^&\rL|1|N\r"], now, "m")
            case 3:
                session.line_error(now)
        now += pause
        session.handle_timer(now)
    for _ in range(1000):
        if session.deadline is None:
            break
        now = max(now, session.deadline)
        session.handle_timer(now)
    assert session.deadline is None
    assert session.is_neutral


class Line:
    """Carries what one side wrote to the other, badly."""

    def __init__(self, rng: random.Random, loss: float, noise: float):
        self.rng, self.loss, self.noise = rng, loss, noise

    def carry(self, data: bytes) -> bytes:
        if not data or self.rng.random() < self.loss:
            return b""
        if self.rng.random() < self.noise:
            flipped = bytearray(data)
            flipped[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            return bytes(flipped)
        return data


def converse(seed: int, loss: float, noise: float, messages: int):
    """Let an instrument send messages to a host; return what each side says of them."""
    rng = random.Random(seed)
    dialect = Dialect(role="instrument", message_tries=100_000)
    instrument, host = Session(dialect), Session(Dialect(max_frame=247))
    line = Line(rng, loss, noise)
    now = 0.0
    received: list[list[bytes]] = []
    outcome = []
    for number in range(messages):
        texts = [*MESSAGE[:-1], b"C|1|I|message %d\r" % number, MESSAGE[-1]]
        instrument.send_message(texts, now, str(number))
    open_texts: list[bytes] = []
    while len(outcome) < messages:
        to_host = line.carry(instrument.data_to_send())
        host.receive_data(to_host, now)
        while events := host.events_received():
            for event in events:
                if not isinstance(event, FrameReceived):
                    continue
                if event.starts_message:
                    open_texts = []
                open_texts.append(event.text)
                if event.completes_message:
                    received.append(open_texts)
                host.acknowledge(now, event.ticket)
        to_instrument = line.carry(host.data_to_send())
        instrument.receive_data(to_instrument, now)
        outcome += [
            e for e in instrument.events_received() if isinstance(e, MessageSent | MessageFailed)
        ]
        if not to_host and not to_instrument:
            deadlines = [d for d in (instrument.deadline, host.deadline) if d is not None]
            now = min(deadlines)
            instrument.handle_timer(now)
            host.handle_timer(now)
    return outcome, received


@settings(deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.15]), st.sampled_from([0.0, 0.05, 0.15])
)
def test_what_was_confirmed_has_arrived_whole_and_in_order(seed, loss, noise):
    outcome, received = converse(seed, loss, noise, 3)
    assert outcome == [MessageSent("0"), MessageSent("1"), MessageSent("2")]
    whole = [[*MESSAGE[:-1], b"C|1|I|message %d\r" % number, MESSAGE[-1]] for number in range(3)]
    arrived = [texts for texts in received if texts in whole]
    first_arrivals = [texts for n, texts in enumerate(arrived) if texts not in arrived[:n]]
    assert first_arrivals == whole
    if not loss and not noise:
        assert received == whole
