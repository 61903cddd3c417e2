"""A link that speaks HL7, on real sockets with a real journal."""

import asyncio
import os
import re
import sqlite3
import tty
from dataclasses import replace

import hl7
import pytest
from hl7.client import MLLPClient
from structlog.testing import capture_logs

from protocols.hl7.dialect import STANDARD
from protocols.hl7.mllp import encode
from rerund.journal import writer
from rerund.journal.reader import JournalReader
from tests.rerund.lines import Bench, FullDisk, Script, SlowDisk, on_hold, until


def message(control_id: str = "7", value: str = "5.0", time: str = "20260520110000") -> bytes:
    segments = [
        rf"MSH|^~\&|A1|Lab|||{time}||ORU^R01|{control_id}|P|2.5.1",
        "PID|1||P1",
        "OBR|1||S1|CHEM",
        f"OBX|1|NM|GLU||{value}|mmol/L||N|||F||||||||20260520110000",
    ]
    return "".join(f"{segment}\r" for segment in segments).encode()


async def answer(line: Script) -> tuple[str, str]:
    """Return MSA-1 and MSA-2 of the next message that the line says."""
    said = await line.hears_until(b"\x1c\r")
    code, control_id = re.search(rb"\rMSA\|(\w\w)\|([^|\r]*)", said).groups()
    return code.decode(), control_id.decode()


@pytest.fixture
async def bench(tmp_path):
    async with Bench(tmp_path) as bench:
        yield bench


async def serve(bench, name="42", **switches):
    return await bench.serve(name, dialect=replace(STANDARD, **switches))


WRITES = {
    "whole": [encode(message())],
    "byte by byte": [bytes([byte]) for byte in encode(message())],
    "after noise": [b"\x00ok", encode(message())],
    "with bytes behind it": [encode(message()) + b"\r\n\r\n"],
    "without the last CR": [encode(message())[:-1]],
    "with LF for CR": [encode(message())[:-1] + b"\n"],
}


@pytest.mark.conformance(115, 116, 118, 125)
@pytest.mark.parametrize("writes", WRITES.values(), ids=WRITES)
async def test_a_message_becomes_one_entry_and_is_acknowledged(bench, writes):
    link = await serve(bench, trailer_timeout=0.01)
    line = await bench.call(link)
    for data in writes:
        line.say(data)
        await asyncio.sleep(0)
    assert await answer(line) == ("AA", "7")
    assert bench.received == [message()]
    assert (link.counters.frames, link.counters.messages) == (1, 1)
    assert bench.entries("received", "held") == [("received", message())]


@pytest.mark.conformance(127, 165)
async def test_what_is_acknowledged_is_on_disk_before_the_answer_is_heard(bench):
    line = await bench.call(await serve(bench))
    onlooker = sqlite3.connect(bench.path)
    for count in range(1, 4):
        line.say(encode(message(str(count))))
        assert await answer(line) == ("AA", str(count))
        stored = onlooker.execute("SELECT raw FROM frame ORDER BY frame_key").fetchall()
        assert [raw for (raw,) in stored] == [
            encode(message(str(number))) for number in range(1, count + 1)
        ]
    onlooker.close()


@pytest.mark.conformance(127, 165)
async def test_a_stalled_disk_delays_the_answer_and_no_other_link(bench):
    slow, other = await serve(bench, "slow"), await serve(bench, "other")
    line, neighbour = await bench.call(slow), await bench.call(other)
    disk = SlowDisk(bench.path)
    disk.stall()
    line.say(encode(message()))
    await until(lambda: slow.counters.frames)
    # Another link is answered, and the loop turns, while the commit hangs.
    neighbour.say(encode(message())[:-1] + b"x")
    assert await answer(neighbour) == ("AE", "7")
    assert slow.counters.bytes_out == 0
    disk.go_on()
    assert await answer(line) == ("AA", "7")


@pytest.mark.conformance(42, 127, 135)
async def test_a_commit_that_takes_too_long_is_an_error_and_the_message_is_kept_once(bench):
    link = await serve(bench, commit_timeout=0.01)
    line = await bench.call(link)
    disk = SlowDisk(bench.path)
    disk.stall()
    line.say(encode(message()))
    assert await answer(line) == ("AE", "7")
    disk.go_on()
    await until(lambda: bench.received)
    line.say(encode(message()))
    assert await answer(line) == ("AA", "7")
    assert link.counters.replies_late == 1
    assert bench.entries("received") == [("received", message())]


@pytest.mark.conformance(123)
async def test_messages_sent_without_waiting_are_stored_and_answered_in_order(bench):
    line = await bench.call(await serve(bench))
    sent = [message(str(number)) for number in range(20)]
    line.say(b"".join(map(encode, sent)))
    assert [await answer(line) for _ in sent] == [("AA", str(n)) for n in range(20)]
    assert bench.received == sent


@pytest.mark.conformance(123, 171)
async def test_more_than_the_backlog_waits_on_the_line(bench):
    link = await serve(bench, max_backlog=10)
    line = await bench.call(link)
    disk = SlowDisk(bench.path)
    disk.stall()
    line.say(encode(message("0")))
    await until(lambda: link.counters.frames)
    [connection] = link.connections
    assert not connection._pauses
    line.say(encode(message("1")))
    await until(lambda: connection._pauses)
    line.say(encode(message("2")))
    disk.go_on()
    assert [await answer(line) for _ in range(3)] == [("AA", str(n)) for n in range(3)]
    assert not connection._pauses


ENHANCED = {
    "both": ("AL|AL", ["CA", "AA"]),
    "the accept acknowledgment": ("AL|NE", ["CA"]),
    "the application acknowledgment": ("NE|AL", ["AA"]),
    "errors only": ("ER|ER", []),
    "neither": ("NE|NE", []),
}


@pytest.mark.conformance(126, 127)
@pytest.mark.parametrize(("selectors", "codes"), ENHANCED.values(), ids=ENHANCED)
async def test_what_the_header_asks_for_is_answered_after_the_commit(bench, selectors, codes):
    line = await bench.call(await serve(bench))
    line.say(encode(message().replace(b"|P|2.5.1", f"|P|2.5.1|||{selectors}".encode())))
    heard = [await answer(line) for _ in codes]
    line.say(encode(message("8")))
    assert [*heard, await answer(line)] == [*((code, "7") for code in codes), ("AA", "8")]
    assert len(bench.received) == 2


@pytest.mark.conformance(131, 132)
async def test_the_kind_of_result_in_msh_16_is_answered_as_any_message(bench):
    line = await bench.call(await serve(bench, numeric_condition=True))
    line.say(encode(message().replace(b"|P|2.5.1", b"|P|2.3.1||||2")))
    said = await line.hears_until(b"\x1c\r")
    assert b"\rMSA|AA|7||||0\r" in said


REFUSED = {
    "no control id": (message(""), {}, "AE", "required_field"),
    "no header": (message()[3:], {}, "AE", "required_field"),
    "a type that the link does not take": (
        message(),
        {"message_types": frozenset({"OUL"})},
        "AR",
        "unsupported_type",
    ),
    "a version that the link does not take": (
        message(),
        {"versions": frozenset({"2.3.1"})},
        "AR",
        "unsupported_version",
    ),
}


@pytest.mark.conformance(128, 130)
@pytest.mark.parametrize(("content", "switches", "code", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_taken_is_stored_on_hold_and_refused(
    bench, content, switches, code, reason
):
    link = await serve(bench, **switches)
    line = await bench.call(link)
    with capture_logs() as logs:
        line.say(encode(content))
        assert (await answer(line))[0] == code
    assert bench.received == []
    assert link.counters.rejected == {reason: 1}
    with JournalReader(bench.path) as reader:
        [entry] = reader.entries()
        assert (entry.state, entry.reason) == ("held", reason)
        assert reader.text(entry.entry_id) == content
    assert logs == [on_hold(entry.entry_id, reason)]


@pytest.mark.conformance(135)
async def test_a_message_sent_again_on_any_connection_is_acknowledged_and_stored_once(bench):
    link = await serve(bench)
    for _ in range(3):
        line = await bench.call(link)
        for _ in range(2):
            line.say(encode(message()))
            assert await answer(line) == ("AA", "7")
    assert (link.counters.messages, link.counters.frames_repeated) == (1, 5)
    assert bench.entries("received", "held") == [("received", message())]
    assert link.counters.rejected == {"retransmitted": 5}


OTHERS = {
    "other content": (message(), message(value="5.1")),
    "another time": (message(), message(time="20260520110001")),
    "no time to tell them apart": (message(time=""), message(time="")),
}


@pytest.mark.conformance(136)
@pytest.mark.parametrize(("first", "second"), OTHERS.values(), ids=OTHERS)
async def test_the_same_control_id_alone_makes_no_retransmission(bench, first, second):
    line = await bench.call(await serve(bench))
    for sent in (first, second):
        line.say(encode(sent))
        assert await answer(line) == ("AA", "7")
    assert bench.received == [first, second]


@pytest.mark.conformance(129)
async def test_answers_have_control_ids_of_their_own(bench):
    link = await serve(bench)
    own = set()
    for _ in range(2):
        line = await bench.call(link)
        for number in range(3):
            line.say(encode(message(str(number))))
            said = await line.hears_until(b"\x1c\r")
            own.add(said.split(b"|")[9])
    assert len(own) == 6


@pytest.mark.conformance(166, 167)
async def test_a_full_disk_is_an_error_until_there_is_room_again(bench, monkeypatch):
    monkeypatch.setattr(writer, "PROBE_SECONDS", 0.001)
    big = message("8") + b"NTE|1||" + b"x" * 60_000 + b"\r"
    link = await serve(bench)
    line = await bench.call(link)
    line.say(encode(message()))
    assert await answer(line) == ("AA", "7")
    disk = FullDisk(bench.journal)
    disk.fill()
    for _ in range(3):
        line.say(encode(big))
        assert await answer(line) == ("AE", "8")
    assert not bench.journal.accepting
    disk.free()
    await until(lambda: bench.journal.accepting)
    line.say(encode(big))
    assert await answer(line) == ("AA", "8")
    assert link.counters.replies_refused == 3
    assert bench.entries() == [("received", message()), ("received", big)]


@pytest.mark.conformance(120)
async def test_a_message_cut_by_the_line_is_kept_as_evidence_and_not_handed_on(bench):
    link = await serve(bench)
    line = await bench.call(link)
    line.say(encode(message())[:40])
    assert await line.hangs_up() == b""
    await until(lambda: link.counters.rejected)
    assert link.counters.rejected == {"truncated_frame": 1}
    with JournalReader(bench.path) as reader:
        await until(lambda: list(reader.entries(states=["rejected"])))
        [entry] = reader.entries()
        assert (entry.reason, reader.frames(entry.entry_id)) == (
            "truncated_frame",
            [encode(message())[:40]],
        )


async def test_messages_of_an_instrument_that_hangs_up_at_once_are_stored(bench):
    link = await serve(bench)
    line = await bench.call(link)
    sent = [message("1"), message("2")]
    line.say(b"".join(map(encode, sent)))
    line.writer.write_eof()
    await until(lambda: len(bench.received) == 2)
    assert bench.received == sent


@pytest.mark.conformance(118)
async def test_a_block_that_ends_wrongly_is_refused_and_kept_as_evidence(bench):
    link = await serve(bench)
    line = await bench.call(link)
    line.say(encode(message())[:-1] + b"x")
    assert await answer(line) == ("AE", "7")
    line.say(encode(message()))
    assert await answer(line) == ("AA", "7")
    assert link.counters.rejected["bad_block_end"] == 1
    assert bench.entries("received") == [("received", message())]


async def test_a_line_error_within_a_block_refuses_it(bench):
    link = await serve(bench)
    line = await bench.call(link)
    data = encode(message())
    line.say(data[:50])
    await until(lambda: link.counters.bytes_in == 50)
    [connection] = link.connections
    connection.line_error()
    line.say(data[50:])
    assert await answer(line) == ("AE", "7")
    line.say(data)
    assert await answer(line) == ("AA", "7")
    assert link.counters.rejected == {"line_error": 1}


@pytest.mark.conformance(138)
async def test_an_acknowledgment_of_nothing_is_counted_kept_and_not_answered(bench):
    link = await serve(bench)
    line = await bench.call(link)
    line.say(encode(b"MSH|^~\\&|A1|Lab|||||ACK|9|P|2.5.1\rMSA|AA|1\r") + encode(message()))
    assert await answer(line) == ("AA", "7")
    assert link.counters.rejected == {"unexpected_acknowledgment": 1}


@pytest.mark.conformance(121)
async def test_in_release_2_the_block_is_committed_before_the_acknowledgment(bench):
    line = await bench.call(await serve(bench, release=2))
    line.say(encode(message()))
    await line.hears(encode(b"\x06"))
    assert await answer(line) == ("AA", "7")


async def test_draining_refuses_new_messages_and_waits_for_the_one_under_way(bench):
    link = await serve(bench)
    line, late = await bench.call(link), await bench.call(link)
    data = encode(message())
    line.say(data[:50])
    await until(lambda: link.counters.bytes_in == 50)
    draining = asyncio.create_task(link.drain())
    await until(lambda: link.draining)
    late.say(encode(message("8")))
    assert await answer(late) == ("AE", "8")
    assert not draining.done()
    line.say(data[50:])
    assert await answer(line) == ("AE", "7")
    await draining
    link.reopen()
    line.say(data)
    assert await answer(line) == ("AA", "7")


async def test_the_client_of_the_hl7_library_is_acknowledged(bench):
    link = await serve(bench)
    host, port = bench.address(link).split(":")

    def send() -> bytes:
        with MLLPClient(host, int(port)) as client:
            return client.send_message(message())

    said = await asyncio.to_thread(send)
    [msa] = hl7.parse(said.strip(b"\x0b\x1c\r").decode()).segments("MSA")
    assert (str(msa[1]), str(msa[2])) == ("AA", "7")
    assert bench.received == [message()]


async def test_an_instrument_that_is_called_is_received_as_well(bench):
    called = asyncio.Queue()
    server = await asyncio.start_server(lambda *ends: called.put(ends), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    bench.open(f"connect://{host}:{port}", dialect=STANDARD)
    line = Script(*await called.get())
    line.say(encode(message()))
    assert await answer(line) == ("AA", "7")
    assert bench.received == [message()]
    line.writer.close()
    server.close()


async def test_an_instrument_on_a_serial_line_is_received_as_well(bench):
    master, slave = os.openpty()
    tty.setraw(slave)
    link = bench.open(f"serial://{os.ttyname(slave)}?baud=9600", dialect=STANDARD)
    await until(lambda: link.connections)
    os.write(master, encode(message()))
    said = b""
    while not said.endswith(b"\x1c\r"):
        said += await asyncio.to_thread(os.read, master, 4096)
    assert b"\rMSA|AA|7\r" in said
    assert bench.received == [message()]
    for connection in list(link.connections):
        connection.abort()
        await connection.closed
    os.close(master)
    os.close(slave)
