import asyncio
import os
import random
import tty

import pytest

from protocols.astm.control import ACK, ENQ, EOT, NAK, STX
from protocols.astm.events import FrameReceived, FrameRejected, FrameRepeated, TransferEnded
from protocols.astm.frame import checksum, encode
from protocols.astm.session import Session
from rerund.simulator import Playing, corrupted, is_frame, reply_word, steps_of
from rerund.simulator_line import simulate
from rerund.transports.connection import Connection
from rerund.transports.dialer import dial
from rerund.transports.serial_port import open_serial
from rerund.transports.url import ConnectUrl, SerialUrl

RECORDS = b"H|\\^&\rP|1\rO|1|A1||^^^GLU\rR|1|^^^GLU|5.5\rL|1|N\r"
FRAMES = encode(b"H|\\^&\rP|1\r", 1) + encode(b"L|1|N\r", 2)


def sent(files, **playing):
    return [step.data for step in steps_of(files, Playing(**playing))]


def test_each_record_has_a_frame_of_its_own():
    texts = [encode(record + b"\r", n, True) for n, record in enumerate(RECORDS.split(b"\r"), 1)]
    assert sent([RECORDS]) == [ENQ, *texts[:-1], EOT]


def test_packed_records_share_frames_up_to_the_limit():
    assert sent([RECORDS], packed=True) == [ENQ, encode(RECORDS, 1), EOT]
    cut = [RECORDS[:30], RECORDS[30:]]
    assert sent([RECORDS], packed=True, max_text=30) == [
        ENQ,
        encode(cut[0], 1, end=False),
        encode(cut[1], 2),
        EOT,
    ]


def test_packed_messages_never_share_a_frame():
    assert sent([RECORDS * 2], packed=True) == [ENQ, encode(RECORDS, 1), encode(RECORDS, 2), EOT]


def test_line_ends_and_comments_of_a_records_file_do_not_matter():
    assert sent([b"# made up\n" + RECORDS.replace(b"\r", b"\r\n")]) == sent([RECORDS])


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n", b""], ids=["CR LF", "CR", "LF", "nothing"])
def test_captured_frames_go_out_with_cr_lf_between_enq_and_eot(end):
    capture = FRAMES.replace(b"\r\n", end)
    assert sent([capture]) == [ENQ, *_frames(), EOT]


def _frames():
    return [encode(b"H|\\^&\rP|1\r", 1), encode(b"L|1|N\r", 2)]


def test_enq_and_eot_of_a_capture_stay_where_they_are():
    assert sent([ENQ + FRAMES + EOT + ENQ + FRAMES + EOT]) == [ENQ, *_frames(), EOT] * 2


def test_a_missing_eot_is_put_before_the_next_enq():
    assert sent([ENQ + FRAMES + ENQ + FRAMES]) == [ENQ, *_frames(), EOT] * 2


def test_a_frame_1_out_of_turn_begins_a_session():
    assert sent([FRAMES + FRAMES]) == [ENQ, *_frames(), EOT] * 2


def test_a_repeated_frame_1_does_not_begin_a_session():
    first = encode(b"H|\\^&\r", 1)
    assert sent([first + first]) == [ENQ, first, first, EOT]


def test_frame_1_after_frame_0_is_in_turn():
    frames = [encode(b"C|1\r", number) for number in range(1, 10)]
    assert sent([b"".join(frames)]) == [ENQ, *frames, EOT]


def test_frames_of_an_edited_capture_are_numbered_anew():
    texts = [b"H|\\^&\r", b"P|1\r", b"O|1\r", b"L|1\r"]
    edited = b"".join(encode(text, n) for text, n in zip(texts, [1, 5, 1, 1], strict=True))
    assert sent([edited]) == [ENQ, *[encode(text, n) for n, text in enumerate(texts, 1)], EOT]


def test_a_frame_with_a_wrong_checksum_stays_as_it_is():
    damaged = encode(b"P|1\r", 2).replace(b"P|1", b"P|9")
    frames = [encode(b"H|\\^&\r", 1), damaged, encode(b"P|1\r", 2)]
    assert sent([b"".join(frames)]) == [ENQ, *frames, EOT]


def test_raw_adds_nothing_and_mends_nothing():
    damaged = b"noise" + FRAMES.replace(b"\r\n", b"\n")[:-4]
    assert b"".join(sent([damaged], raw=True)) == damaged


def test_a_chance_of_repetition_is_the_same_each_time():
    once = steps_of([RECORDS], Playing(repeat=0.5, seed=3))
    assert once == steps_of([RECORDS], Playing(repeat=0.5, seed=3))
    assert [step.label for step in once if "again" in step.label]
    assert len(sent([RECORDS], repeat=1.0)) == 2 + 2 * 5


@pytest.mark.parametrize("seed", range(50))
def test_a_corrupted_frame_is_still_a_frame_with_a_wrong_checksum(seed):
    frame = encode(b"R|1|^^^GLU|5.5\r", 3)
    damaged = corrupted(frame, random.Random(seed))
    assert len(damaged) == len(frame)
    assert checksum(damaged[1:-4]) != damaged[-4:-2]
    assert (damaged[0], damaged[-5:]) == (frame[0], frame[-5:])


@pytest.mark.parametrize(
    ("reply", "word"),
    [(ACK, "ACK"), (NAK, "NAK"), (EOT, "EOT"), (ENQ, "ENQ"), (b"x", "other"), (b"", "none")],
)
def test_replies_have_names(reply, word):
    assert reply_word(reply) == word


class Host(Connection):
    """A host that stores nothing and accepts what is in order; `refuse` answers NAK."""

    def __init__(self, refuse=lambda event: False):
        super().__init__()
        self.session = Session()
        self.refuse = refuse
        self.events = []
        self.changed = asyncio.Event()

    def data_received(self, data):
        now = asyncio.get_running_loop().time()
        self.session.receive_data(data, now)
        while events := self.session.events_received():
            for event in events:
                self.events.append(event)
                if isinstance(event, FrameReceived):
                    answer = self.session.refuse if self.refuse(event) else self.session.acknowledge
                    answer(now, event.ticket)
        self._transport.write(self.session.data_to_send())
        self.changed.set()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind, count=1):
        while len(self.of(kind)) < count:
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture
async def host():
    host = Host()
    server = await asyncio.get_running_loop().create_server(lambda: host, "127.0.0.1", 0)
    host.address = "{}:{}".format(*server.sockets[0].getsockname())
    yield host
    server.close()
    host.abort()


async def test_a_file_is_played_and_every_reply_is_told_with_its_latency(host):
    replies = []
    played = await simulate(host.address, [RECORDS], Playing(), replies.append)
    await host.until(TransferEnded)
    assert [reply.word for reply in replies] == ["ACK"] * 6
    assert all(reply.latency >= 0 for reply in replies)
    assert (played.accepted, played.replies, played.frames) == (True, 6, 5)
    assert b"".join(event.text for event in host.of(FrameReceived)) == RECORDS


@pytest.mark.parametrize(
    "playing",
    [
        Playing(read_size=1),
        Playing(read_size=8, delay=0.0001),
        Playing(merge=3),
        Playing(merge=99, packed=True, max_text=20),
        Playing(repeat=1.0),
        Playing(corrupt=0.6, seed=2),
        Playing(corrupt=0.5, repeat=0.5, merge=2, read_size=5, seed=5),
    ],
    ids=["byte by byte", "8-byte reads", "merged", "one write", "repeated", "corrupted", "all"],
)
async def test_however_badly_it_is_played_the_host_takes_the_file_once(host, playing):
    played = await simulate(f"connect://{host.address}", [RECORDS, RECORDS], playing)
    await host.until(TransferEnded, 2)
    assert played.accepted
    assert b"".join(event.text for event in host.of(FrameReceived)) == RECORDS * 2
    assert bool(host.of(FrameRepeated)) == bool(playing.repeat)
    assert bool(host.of(FrameRejected)) == bool(playing.corrupt)


async def test_a_frame_that_is_refused_six_times_ends_the_session_and_is_reported(host):
    host.refuse = lambda event: event.text.startswith(b"R")
    played = await simulate(host.address, [RECORDS, b"H|\\^&\rL|1\r"], Playing())
    await host.until(TransferEnded, 2)
    assert not played.accepted
    assert [(reply.step.label, reply.word) for reply in played.refused] == [("frame 4", "NAK")]
    assert len([event for event in host.of(FrameReceived) if event.text[:1] == b"R"]) == 6
    assert host.of(FrameReceived)[-1].text == b"L|1\r", "the second file is played all the same"


async def test_enq_is_sent_again_after_a_pause_until_the_host_is_ready(host):
    host.session.set_ready(False)
    played = await simulate(host.address, [RECORDS], Playing(busy_timeout=0.001, frame_tries=3))
    assert [(reply.step.label, reply.word) for reply in played.refused] == [("ENQ", "NAK")]
    assert played.replies == 3


async def test_a_damaged_capture_is_played_raw_without_trying_again(host):
    damaged = FRAMES.replace(b"P|1", b"P|2")
    played = await simulate(host.address, [ENQ + damaged + EOT], Playing(raw=True))
    await host.until(TransferEnded)
    assert [reply.word for reply in played.refused] == ["NAK", "NAK"]
    assert len(host.of(FrameRejected)) == 2


async def test_silence_is_a_refusal(host):
    host.data_received = lambda data: None
    playing = Playing(reply_timeout=0.001, busy_timeout=0, frame_tries=2)
    played = await simulate(host.address, [RECORDS], playing)
    assert [reply.word for reply in played.refused] == ["none"]


async def test_a_line_lost_on_the_way_is_a_connection_error(host):
    host.data_received = lambda data: host.abort()
    with pytest.raises(ConnectionError, match="lost"):
        await simulate(host.address, [RECORDS], Playing())


async def test_a_line_lost_between_two_writes_is_a_connection_error(host):
    host.data_received = lambda data: data.count(STX) and host.abort()
    playing = Playing(raw=True, read_size=1)
    with pytest.raises(ConnectionError, match="line lost"):
        await simulate(host.address, [STX + b"x" * 1_000_000], playing)


async def test_an_instrument_that_listens_waits_for_the_call(unused_tcp_port_factory):
    port = unused_tcp_port_factory()
    playing = asyncio.create_task(simulate(f"listen://127.0.0.1:{port}", [RECORDS], Playing()))
    host = None
    while host is None:
        await asyncio.sleep(0)
        try:
            host = await dial(ConnectUrl("127.0.0.1", port), Host)
        except ConnectionRefusedError:
            continue
    assert (await playing).accepted
    await host.closed


async def test_an_instrument_on_a_serial_line():
    ends = [os.openpty() for _ in range(2)]
    for _, slave in ends:
        tty.setraw(slave)
    loop = asyncio.get_running_loop()
    # A null modem: what one pseudo terminal gets is written to the other.
    for (here, _), (there, _) in (ends, reversed(ends)):
        loop.add_reader(here, lambda here=here, there=there: os.write(there, os.read(here, 4096)))
    paths = [os.ttyname(slave) for _, slave in ends]
    host = await open_serial(SerialUrl(paths[0]), Host)
    played = await simulate(f"serial://{paths[1]}?baud=19200", [RECORDS], Playing())
    await host.until(TransferEnded)
    assert played.accepted
    host.abort()
    await host.closed
    for master, slave in ends:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("to", ["nonsense", "tcp://127.0.0.1:1", "listen://127.0.0.1"])
async def test_a_bad_address_is_a_value_error(to):
    with pytest.raises(ValueError, match=r"scheme|host and a port"):
        await simulate(to, [RECORDS], Playing())


def test_what_is_a_frame_is_told_from_what_is_not():
    steps = steps_of([RECORDS], Playing())
    assert [is_frame(step) for step in steps] == [False, *[True] * 5, False]
