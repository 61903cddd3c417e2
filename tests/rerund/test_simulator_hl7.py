"""An instrument that plays HL7 files, against a host of the same protocol."""

import asyncio

import pytest

from protocols.hl7.acknowledgment import Condition, Stamp
from protocols.hl7.dialect import STANDARD
from protocols.hl7.events import BlockRejected, MessageReceived
from protocols.hl7.mllp import encode
from protocols.hl7.session import Session
from rerund.simulator import Playing
from rerund.simulator_hl7 import blocks_of, is_hl7, replies_due
from rerund.simulator_line import simulate
from rerund.transports.connection import Connection


def message(control_id: str = "7", selectors: str = "", fields: str = "|") -> bytes:
    header = rf"MSH|^~\&|A1|Lab|||20260520110000||ORU^R01|{control_id}|P|2.5.1|||{selectors}"
    return f"{header}\rPID|1\rOBX|1|NM|GLU||5.5\r".replace("|", fields).encode()


MESSAGES = [message(str(number)) for number in range(3)]


def sent(data: bytes, **playing: object) -> list[bytes]:
    return [step.data for step in blocks_of([data], Playing(**playing))]


FORMS = {
    "bare": b"".join(MESSAGES),
    "segments ended by LF": b"".join(MESSAGES).replace(b"\r", b"\n"),
    "segments ended by CR LF": b"".join(MESSAGES).replace(b"\r", b"\r\n"),
    "comments between": b"# made up\n" + b"# and more\n".join(MESSAGES),
    "a batch": b"FHS|1\rBHS|1\r" + b"".join(MESSAGES) + b"BTS|3\rFTS|1\r",
    "blocks": b"".join(map(encode, MESSAGES)),
    "blocks without CR": b"".join(encode(content)[:-1] for content in MESSAGES),
    "noise between blocks": b"\x00\n".join(map(encode, MESSAGES)),
    "a byte order mark": b"\xef\xbb\xbf" + b"".join(MESSAGES),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_a_file_is_told_and_cut_into_blocks(data):
    assert is_hl7(data)
    assert sent(data) == [encode(content) for content in MESSAGES]


def test_raw_adds_nothing_and_mends_nothing():
    damaged = b"noise" + encode(message())[:-1] + b"\x0bMSH|half"
    assert b"".join(sent(damaged, raw=True)) == damaged


@pytest.mark.parametrize(
    ("selectors", "due"),
    [("|", 1), ("AL|AL", 2), ("AL|NE", 1), ("NE|AL", 1), ("ER|ER", 0), ("NE|NE", 0), ("|2", 1)],
)
def test_as_many_replies_are_awaited_as_the_header_asks_for(selectors, due):
    [step] = blocks_of([message(selectors=selectors)], Playing())
    assert replies_due(step) == due


class Host(Connection):
    """A host that stores nothing; `judge` says what is wrong with a message."""

    def __init__(self):
        super().__init__()
        self.session = Session(lambda: Stamp("1", "20260520110000"), STANDARD)
        self.judge = lambda event: None
        self.events = []

    def data_received(self, data):
        now = asyncio.get_running_loop().time()
        self.session.receive_data(data, now)
        while events := self.session.events_received():
            for event in events:
                self.events.append(event)
                if isinstance(event, MessageReceived):
                    self.session.acknowledge(now, event.ticket, None, self.judge(event))
        self._transport.write(self.session.data_to_send())

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def host():
    host = Host()
    server = await asyncio.get_running_loop().create_server(lambda: host, "127.0.0.1", 0)
    host.address = "{}:{}".format(*server.sockets[0].getsockname())
    yield host
    server.close()
    host.abort()


PLAYED = {
    "byte by byte": Playing(read_size=1),
    "in pieces": Playing(read_size=8, delay=0.0001),
    "in one write": Playing(merge=99),
    "repeated": Playing(repeat=1.0),
    "damaged first": Playing(corrupt=0.6, seed=2),
    "all of it": Playing(corrupt=0.5, repeat=0.5, merge=2, read_size=5, seed=1),
}


@pytest.mark.parametrize("playing", PLAYED.values(), ids=PLAYED)
async def test_however_badly_it_is_played_the_host_takes_every_message(host, playing):
    played = await simulate(host.address, [FORMS["bare"], FORMS["blocks"]], playing)
    taken = [event.content for event in host.of(MessageReceived)]
    assert played.accepted
    assert set(taken) == set(MESSAGES)
    assert (len(taken) > 6) == bool(playing.repeat)
    assert bool(host.of(BlockRejected)) == bool(playing.corrupt)


ANSWERS = {
    "taken": ("|", None, ["AA"]),
    "taken in two steps": ("AL|AL", None, ["CA", "AA"]),
    "an error is tried again": ("|", Condition.INTERNAL, ["AE", "AE", "AE"]),
    "a rejection is final": ("|", Condition.UNSUPPORTED_TYPE, ["AR"]),
    "other delimiters": ("|", None, ["AA"]),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_every_answer_is_told(host, case):
    selectors, condition, words = ANSWERS[case]
    fields = "!" if case == "other delimiters" else "|"
    host.judge = lambda event: condition
    replies = []
    content = message(selectors=selectors, fields=fields)
    played = await simulate(host.address, [encode(content)], Playing(frame_tries=3), replies.append)
    assert [reply.word for reply in replies] == words
    assert all(reply.latency >= 0 for reply in replies)
    assert played.accepted == (condition is None)
    assert len(host.of(MessageReceived)) == len(words) - ("CA" in words)


async def test_the_answer_to_another_message_is_a_refusal(host):
    host.data_received = lambda data: host._transport.write(
        encode(b"MSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|8\r")
    )
    playing = Playing(reply_timeout=0.05, frame_tries=1)
    other = await simulate(host.address, [message()], playing)
    assert [reply.word for reply in other.refused] == ["other"]


async def test_silence_is_a_refusal(host):
    host.data_received = lambda data: None
    playing = Playing(reply_timeout=0.001, frame_tries=2)
    played = await simulate(host.address, [message()], playing)
    assert [reply.word for reply in played.refused] == ["none"]


async def test_a_line_lost_on_the_way_is_a_connection_error(host):
    host.data_received = lambda data: host.abort()
    with pytest.raises(ConnectionError, match="lost"):
        await simulate(host.address, [message()], Playing())


async def test_files_of_two_protocols_are_not_mixed():
    with pytest.raises(ValueError, match="together"):
        await simulate("127.0.0.1:1", [message(), b"H|\\^&\rL|1\r"], Playing())
