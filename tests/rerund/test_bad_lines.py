"""However badly a file comes in, the journal holds the same messages, once each."""

import asyncio
from dataclasses import replace

import pytest

from protocols.astm.control import ACK, ENQ, EOT, NAK, STX
from protocols.astm.dialect import STANDARD
from protocols.astm.frame import encode
from rerund.simulator import Playing, steps_of
from rerund.simulator_line import simulate
from tests.rerund.lines import Bench, until
from tests.rerund.wire import Wire, in_reads_of

RECORDS = b"".join(
    [
        b"H|\\^&|||Analyzer|||||||P|1\r",
        b"P|1||P-1\r",
        b"O|1|A1||^^^GLU\\^^^UREA\r",
        b"R|1|^^^GLU|4.61|mmol/L||N||F\r",
        b"R|2|^^^UREA|6.2|mmol/L||N||F\r",
        b"C|1|I|" + bytes(range(0xA1, 0x100)) + b"\r",
        b"L|1|N\r",
    ]
)
WAYS = {
    "clean": Playing(),
    "one byte at a time": Playing(read_size=1),
    "8-byte reads": Playing(read_size=8),
    "several frames in a read": Playing(merge=4),
    "everything but ENQ in a read": Playing(merge=1000),
    "every frame twice": Playing(repeat=1.0),
    "some frames damaged first": Playing(corrupt=0.5, seed=1),
    "every frame damaged first": Playing(corrupt=1.0),
    "all at once": Playing(read_size=5, merge=3, repeat=0.3, corrupt=0.3, seed=4),
}
CAPTURES = [
    "abbott_afinion2",
    "cobas_c111",
    "cobas_c311",
    "genexpert",
    "mini_vidas_mock",
    "pentra_xlr",
    "sysmex_xn550",
    "yumizen_h500",
]
MANY = 3
"""Messages played one after the other: EOT and the next ENQ come in one read."""


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def stored(bench, files, playing):
    """Play `files` in some way; return the messages that came out complete."""
    async with bench:
        link = await bench.serve()
        played = await simulate(bench.address(link), files, playing)
        assert played.accepted
        await until(lambda: len(bench.received) == len(files) and not link.counters.connections)
    return bench.entries("received")


@pytest.mark.conformance(31, 32, 34)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "a frame per record"])
async def test_a_message_is_stored_whole_and_once(bench, way, packed):
    playing = replace(way, packed=packed, max_text=60)
    assert await stored(bench, [RECORDS] * MANY, playing) == [("received", RECORDS)] * MANY


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", CAPTURES)
async def test_a_capture_is_stored_whole_and_once(bench, captures, name, way):
    capture = (captures / "astm" / f"{name}.astm").read_bytes()
    text = b"".join(step.data[2:-5] for step in steps_of([capture], way) if is_first(step))
    assert await stored(bench, [capture] * 2, way) == [("received", text)] * 2


def is_first(step):
    return step.data[:1] == STX and not step.is_repeat


@pytest.mark.parametrize("seed", range(10))
async def test_a_wire_that_cuts_joins_and_delays_changes_nothing(bench, seed):
    wire = Wire(seed, split=0.7, merge=0.2, delay=0.2)
    pieces = [
        piece for step in steps_of([RECORDS] * MANY, Playing()) for piece in wire.carry(step.data)
    ] + wire.flush()
    async with bench:
        line = await bench.call(await bench.serve())
        for piece in pieces:
            line.say(piece)
            await asyncio.sleep(0)
        await line.hears(ACK * 8 * MANY)
        await until(lambda: len(bench.received) == MANY)
    assert bench.entries() == [("received", RECORDS)] * MANY


@pytest.mark.conformance(44, 45, 51)
@pytest.mark.parametrize("after", range(9))
async def test_a_line_lost_after_any_step_loses_nothing_that_was_acknowledged(bench, after):
    steps = steps_of([RECORDS], Playing())
    texts = [step.data[2:-5] for step in steps if step.data[:1] == STX]
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        for step in steps[:after]:
            line.say(step.data)
            if step.awaits_reply:
                await line.hears(ACK)
        line.writer.transport.abort()
        await until(lambda: not link.counters.connections and link.counters.connections_total)
        await simulate(bench.address(link), [RECORDS], Playing())
        await until(lambda: RECORDS in bench.received and not link.counters.connections)
    acknowledged = b"".join(texts[: max(0, after - 1)])
    expected = [("received", RECORDS)]
    if acknowledged == RECORDS:
        expected *= 2
    elif acknowledged:
        expected.insert(0, ("held", acknowledged))
    assert bench.entries() == expected


@pytest.mark.conformance(22)
async def test_a_skipped_number_is_refused_until_the_right_one_comes(bench):
    frames = [encode(record + b"\r", n) for n, record in enumerate(RECORDS.split(b"\r")[:-1], 1)]
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(frames[0])
        for early in frames[2:]:
            line.say(early)
            await line.hears(NAK)
        for frame in frames[1:]:
            line.say(frame)
            await line.hears(ACK)
        await until(lambda: bench.received)
    assert bench.entries("received") == [("received", RECORDS)]


@pytest.mark.conformance(24, 34)
async def test_a_damaged_etb_frame_is_refused_and_the_value_comes_out_whole(bench):
    first = encode(b"H|\\^&\rO|1|A1\rR|1|^^^GLU|4", 1, end=False)
    async with bench:
        line = await bench.call(await bench.serve())
        line.say(ENQ)
        await line.hears(ACK)
        line.say(first.replace(b"GLU|4", b"GLU|9"))
        await line.hears(NAK)
        for frame in (first, encode(b".61|mmol/L\rL|1|N\r", 2)):
            line.say(frame)
            await line.hears(ACK)
        line.say(EOT)
        await until(lambda: bench.received)
    text = b"H|\\^&\rO|1|A1\rR|1|^^^GLU|4.61|mmol/L\rL|1|N\r"
    assert bench.entries("received") == [("received", text)]


@pytest.mark.parametrize("end", [b"\r", b"\n", b""], ids=["CR", "LF", "nothing"])
@pytest.mark.conformance(29)
async def test_frames_without_a_proper_end_are_taken(bench, end):
    dialect = replace(STANDARD, trailer_timeout=0.001)
    async with bench:
        line = await bench.call(await bench.serve(dialect=dialect))
        line.say(ENQ)
        await line.hears(ACK)
        line.say(encode(RECORDS, 1)[:-2] + end)
        await line.hears(ACK)
        await until(lambda: bench.received)
    assert bench.entries() == [("received", RECORDS)]


async def test_many_links_at_once_keep_their_messages_apart(bench):
    texts = {f"{n}": RECORDS.replace(b"A1", b"A%d" % n) for n in range(20)}
    async with bench:
        links = {name: await bench.serve(name) for name in texts}
        played = await asyncio.gather(
            *(
                simulate(bench.address(links[name]), [text] * 2, Playing(read_size=50))
                for name, text in texts.items()
            )
        )
        assert all(each.accepted for each in played)
        await until(lambda: len(bench.received) == 2 * len(texts))
    stored = sorted(text for _, text in bench.entries("received"))
    assert stored == sorted([*texts.values()] * 2)


async def test_an_instrument_that_is_called_plays_to_the_daemon(bench, unused_tcp_port):
    address = f"listen://127.0.0.1:{unused_tcp_port}"
    async with bench:
        waiting = asyncio.create_task(simulate(address, [RECORDS], Playing()))
        bench.open(f"connect://127.0.0.1:{unused_tcp_port}")
        assert (await waiting).accepted
        await until(lambda: bench.received)
    assert bench.entries() == [("received", RECORDS)]


def test_reads_of_a_size_lose_nothing():
    assert b"".join(in_reads_of(8, RECORDS)) == RECORDS
    assert {len(read) for read in in_reads_of(8, RECORDS)[:-1]} == {8}
