"""Properties of a session under any cut, any garbage, and a line that loses and corrupts."""

import random
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.events import BytesIgnored
from protocols.hl7 import mllp
from protocols.hl7.acknowledgment import Stamp
from protocols.hl7.dialect import Dialect
from protocols.hl7.events import MessageFailed, MessageReceived, MessageSent
from protocols.hl7.mllp import FS, VT, BlockParser
from protocols.hl7.session import Session
from protocols.stream import Stream
from tests.protocols.hl7.samples import ORDER, block, message, reply

PIECES = st.sampled_from(
    [
        VT,
        FS,
        b"\r",
        b"\n",
        b"noise",
        b"MSH|^~\\&",
        b"\rMSA|AA|O1\r",
        block("1"),
        block("1").replace(b"\r", b"\n"),
        block("2", accept="AL", application="AL"),
        block("3")[:-1],
        block("4")[:-2],
        block("5")[1:],
        reply("O1"),
        reply("O1", "AE"),
        reply("O1", "CA", accept="AL"),
        mllp.encode(b"\x06"),
        mllp.encode(b"\x15"),
        mllp.encode(b""),
        mllp.encode(message("6") + message("7")),
        block("8", "ORU^R01", "OBX|1|ED|" + "A" * 300),
    ]
)
WIRE = st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join)
SWITCHES = st.sampled_from(
    [
        {},
        {"block_end": "strict"},
        {"block_end": "fs", "acknowledgment": "original"},
        {"release": 2},
        {"release": 2, "max_message": 200, "block_end": "strict"},
        {"max_message": 150, "max_backlog": 100},
        {"max_backlog": 0, "acknowledgment": "none"},
    ]
)


def new_session(switches: dict[str, object]) -> Session:
    numbers = count(1)
    return Session(lambda: Stamp(f"H{next(numbers)}", "20260102030405"), Dialect(**switches))


def settle(session: Session, now: float) -> tuple[list[object], bytes]:
    """Store what was announced; return what was told and written."""
    told, written = [], session.data_to_send()
    while events := session.events_received():
        for event in events:
            if isinstance(event, MessageReceived):
                session.acknowledge(now, event.ticket)
        told += events
        written += session.data_to_send()
    return told, written


def run(session: Session, pieces: list[bytes], now: float = 0.0) -> tuple[list[object], bytes]:
    """Deliver pieces, storing each message at once; ignored bytes are told without their cuts."""
    told, written = [], b""
    for piece in pieces:
        session.receive_data(piece, now)
        events, output = settle(session, now)
        told += events
        written += output
    return joined(told), written


def joined(told: list[object]) -> list[object]:
    """Join ignored bytes, without line ends, which alone are silent and next to noise are noise."""
    found: list[object] = []
    for event in told:
        if not isinstance(event, BytesIgnored):
            found.append(event)
            continue
        event.raw = event.raw.replace(b"\r", b"").replace(b"\n", b"")
        last = found[-1] if found else None
        if isinstance(last, BytesIgnored) and last.reason is event.reason:
            last.raw += event.raw
        else:
            found.append(event)
    return found


def messages(told: list[object]) -> list[object]:
    return [event for event in told if isinstance(event, MessageReceived)]


def ignored(told: list[object]) -> bytes:
    return b"".join(event.raw for event in told if isinstance(event, BytesIgnored))


def others(told: list[object]) -> list[str]:
    """Return what may be told earlier or later than a message that waits for its turn."""
    return sorted(str(event) for event in told if not isinstance(event, BytesIgnored))


@given(WIRE, SWITCHES, st.data())
def test_any_cut_gives_the_same_messages_and_replies(wire, switches, data):
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))
    pieces = [wire[a:b] for a, b in pairwise([0, *sorted(cuts), len(wire)])]
    told, written = run(new_session(switches), pieces)
    whole_told, whole_written = run(new_session(switches), [wire])
    assert messages(told) == messages(whole_told)
    assert ignored(told) == ignored(whole_told)
    if switches.get("release") != 2:
        # A commit block means something only after the block that it answers.
        assert others(told) == others(whole_told)
        assert written == whole_written


@given(WIRE, SWITCHES, st.data())
def test_any_cut_gives_the_same_blocks(wire, switches, data):
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))
    pieces = [wire[a:b] for a, b in pairwise([0, *sorted(cuts), len(wire)])]
    assert tokens(pieces, Dialect(**switches)) == tokens([wire], Dialect(**switches))


def tokens(pieces: list[bytes], dialect: Dialect) -> list[object]:
    stream = Stream()
    parser = BlockParser(stream, dialect)
    found = []
    for piece in pieces:
        stream.feed(piece)
        while not isinstance(token := parser.next_token(), mllp.Awaiting):
            found.append(
                BytesIgnored(token.raw, token.reason) if isinstance(token, mllp.Fragment) else token
            )
    return joined(found)


@given(WIRE, SWITCHES)
def test_any_bytes_leave_a_link_that_works_again_within_30_seconds(wire, switches):
    session = new_session(switches)
    run(session, [wire])
    while (deadline := session.deadline) is not None:
        assert deadline <= 30 or switches.get("release") == 2
        session.handle_timer(deadline)
        settle(session, deadline)
    assert session.is_neutral
    assert len(session._stream) == 0
    if not switches:
        _, written = run(session, [block("9")], 100.0)
        assert b"MSA|AA|9" in written


ACTIONS = [
    lambda session, now, ticket: None,
    lambda session, now, ticket: session.acknowledge(now, ticket),
    lambda session, now, ticket: session.refuse(now, ticket),
    lambda session, now, ticket: session.accept(now, ticket),
    lambda session, now, ticket: session.send_message(ORDER, now, "m"),
    lambda session, now, ticket: session.acknowledge(now, ticket, message("R", "RSP", "MSA|AA|1")),
]


@pytest.mark.conformance(172)
@given(st.lists(st.tuples(WIRE, st.integers(0, 5), st.floats(0, 20)), max_size=12), SWITCHES)
def test_item_172_anything_in_any_state_neither_fails_nor_grows(steps, switches):
    session = new_session(switches)
    now, ticket = 0.0, 0
    for wire, action, pause in steps:
        session.receive_data(wire, now)
        for event in session.events_received():
            if isinstance(event, MessageReceived):
                ticket = event.ticket
        ACTIONS[action](session, now, ticket)
        now += pause
        session.handle_timer(now)
    for _ in range(1000):
        if session.deadline is None:
            break
        now = max(now, session.deadline)
        session.handle_timer(now)
    assert session.deadline is None
    assert session.is_neutral
    session.receive_eof(now)


class Line:
    """Carries what one side wrote to the other, badly."""

    def __init__(self, rng: random.Random, loss: float, noise: float):
        self.rng, self.loss, self.noise = rng, loss, noise

    def carry(self, data: bytes) -> bytes:
        if not data or self.rng.random() < self.loss:
            return b""
        if self.rng.random() < self.noise:
            cut = self.rng.randrange(len(data))
            return data[:cut] + self.rng.choice([b"", VT + data[cut:]])
        return data


def converse(seed: int, loss: float, noise: float, release: int):
    """Let two sides send each other messages at once; return what each says of them."""
    rng = random.Random(seed)
    switches = {"message_tries": 100_000, "block_tries": 3, "release": release}
    sides = [new_session(switches), new_session(switches)]
    line = Line(rng, loss, noise)
    now = 0.0
    sent: list[list[str]] = [[], []]
    received: list[list[bytes]] = [[], []]
    for name, side in zip("ab", sides, strict=True):
        for number in range(3):
            side.send_message(message(f"{name}{number}"), now, f"{name}{number}")
    while min(map(len, sent)) < 3:
        moved = False
        for index, side in enumerate(sides):
            told, data = settle(side, now)
            received[index] += [e.content for e in told if isinstance(e, MessageReceived)]
            for event in told:
                assert not isinstance(event, MessageFailed) or release == 2
                if isinstance(event, MessageFailed):
                    number = event.message_id
                    side.send_message(message(number), now, number)
                if isinstance(event, MessageSent):
                    sent[index].append(event.message_id)
            carried = line.carry(data)
            moved |= bool(data)
            sides[1 - index].receive_data(carried, now)
        if not moved:
            deadlines = [side.deadline for side in sides if side.deadline is not None]
            now = min(deadlines, default=now)
            for side in sides:
                side.handle_timer(now)
    return sent, received


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from([1, 2]),
)
def test_what_was_confirmed_has_arrived_whole(seed, loss, noise, release):
    sent, received = converse(seed, loss, noise, release)
    for name, ours, theirs in zip("ab", sent, reversed(received), strict=True):
        assert sorted(ours) == [f"{name}{number}" for number in range(3)]
        assert {message(each) for each in ours} <= set(theirs)
        if release == 1 or not (loss or noise):
            assert ours == sorted(ours)
        if not loss and not noise and release == 1:
            assert theirs == [message(each) for each in ours]
