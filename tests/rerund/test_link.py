import asyncio
import sqlite3
import sys
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from protocols.astm.control import ACK, ENQ, EOT, NAK
from protocols.astm.dialect import STANDARD
from protocols.astm.frame import encode
from protocols.errors import Reason
from rerund import link_connection
from rerund.journal import writer
from rerund.journal.reader import JournalReader
from tests.rerund.lines import Bench, FullDisk, Script, SlowDisk, on_hold, until

HEADER, RESULT, END = b"H|\\^&\r", b"P|1\rO|1|A1||^^^GLU\rR|1|^^^GLU|5.5\r", b"L|1|N\r"
MESSAGE = HEADER + RESULT + END
FRAMES = [encode(HEADER, 1), encode(RESULT, 2), encode(END, 3)]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.conformance(1, 16, 48)
async def test_a_message_becomes_one_entry_that_is_handed_on(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(*FRAMES)
        line.say(EOT)
        await until(lambda: bench.received)
        assert bench.received == [MESSAGE]
        assert link.counters.messages == 1
        assert link.counters.frames == 3
        assert link.counters.state == "connected"
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(165)
async def test_an_acknowledged_frame_is_on_disk_before_its_ack_is_heard(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        line.say(ENQ)
        await line.hears(ACK)
        onlooker = sqlite3.connect(bench.path)
        for count, frame in enumerate(FRAMES, 1):
            line.say(frame)
            await line.hears(ACK)
            stored = onlooker.execute("SELECT raw FROM frame ORDER BY frame_key").fetchall()
            assert [raw for (raw,) in stored] == FRAMES[:count]
        onlooker.close()


SERVER = """
import asyncio, sys
from pathlib import Path
from rerund import logs
from tests.rerund.lines import Bench

async def main():
    logs.configure(level="error")
    bench = Bench(Path(sys.argv[1]))
    async with bench:
        print(bench.address(await bench.serve()), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.conformance(165)
async def test_killing_the_process_at_the_ack_loses_nothing(bench, tmp_path):
    for count in range(1, len(FRAMES) + 1):
        folder = tmp_path / str(count)
        folder.mkdir()
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, folder, stdout=asyncio.subprocess.PIPE
        )
        host, port = (await server.stdout.readline()).decode().strip().split(":")
        line = Script(*await asyncio.open_connection(host, int(port)))
        await line.sends(*FRAMES[:count])
        server.kill()
        await server.wait()
        line.writer.close()
        with JournalReader(folder / "journal.db") as reader:
            [entry] = reader.entries()
            assert reader.frames(entry.entry_id) == FRAMES[:count]


@pytest.mark.conformance(41)
async def test_each_frame_gets_one_byte_and_nothing_else_is_ever_said(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        line.say(b"noise" + ACK + NAK + EOT)
        await line.sends(*FRAMES)
        line.say(EOT + b"more noise")
        assert await line.hangs_up() == b""


@pytest.mark.conformance(9, 42)
async def test_a_stalled_disk_delays_the_ack_and_nothing_else(bench):
    async with bench:
        slow = await bench.serve("slow")
        other = await bench.serve("other")
        line = await bench.call(slow)
        line.say(ENQ)
        await line.hears(ACK)
        disk = SlowDisk(bench.path)
        disk.stall()
        line.say(FRAMES[0])
        await until(lambda: slow.counters.frames)
        # Another link is answered, and the loop turns, while the commit hangs.
        neighbour = await bench.call(other)
        neighbour.say(ENQ)
        await neighbour.hears(ACK)
        assert slow.counters.bytes_out == 1
        disk.go_on()
        await line.hears(ACK)


@pytest.mark.conformance(42)
async def test_a_commit_that_takes_too_long_is_answered_nak_and_the_frame_is_kept_once(bench):
    async with bench:
        link = await bench.serve(dialect=replace(STANDARD, commit_timeout=0.01))
        line = await bench.call(link)
        line.say(ENQ)
        await line.hears(ACK)
        disk = SlowDisk(bench.path)
        disk.stall()
        line.say(FRAMES[0])
        await line.hears(NAK)
        disk.go_on()
        [connection] = link.connections
        await until(lambda: connection._owed is None)
        for frame in FRAMES:
            line.say(frame)
            await line.hears(ACK)
        line.say(EOT)
        await until(lambda: bench.received)
        assert link.counters.replies_late == 1
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(8, 32)
async def test_more_than_the_limit_sent_ahead_of_a_commit_waits_on_the_line(bench, monkeypatch):
    monkeypatch.setattr(link_connection, "RECEIVE_LIMIT", 10)
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        line.say(ENQ)
        await line.hears(ACK)
        disk = SlowDisk(bench.path)
        disk.stall()
        line.say(FRAMES[0])
        await until(lambda: link.counters.frames)
        [connection] = link.connections
        line.say(FRAMES[1])
        await until(lambda: connection._pauses)
        line.say(FRAMES[2] + EOT)
        disk.go_on()
        await line.hears(ACK * 3)
        await until(lambda: bench.received)
        assert not connection._pauses
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(43, 45)
async def test_silence_puts_the_unfinished_message_on_hold_and_the_next_enq_works(bench):
    async with bench:
        link = await bench.serve(dialect=replace(STANDARD, receive_timeout=0.01))
        line = await bench.call(link)
        await line.sends(*FRAMES[:2])
        await until(lambda: link.counters.incomplete)
        await line.sends(*FRAMES)
        line.say(EOT)
        await until(lambda: bench.received)
    assert bench.entries() == [("held", HEADER + RESULT), ("received", MESSAGE)]


@pytest.mark.conformance(44)
async def test_a_message_whose_l_record_was_acknowledged_is_kept_without_eot(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(*FRAMES)
        line.writer.transport.abort()
        await until(lambda: bench.received and not link.counters.connections)
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(45, 46)
async def test_a_message_cut_before_its_l_record_is_held_with_what_was_acknowledged(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(*FRAMES[:2])
        line.writer.transport.abort()
        await until(lambda: link.counters.incomplete)
        assert bench.received == []
    assert bench.entries() == [("held", HEADER + RESULT)]


async def test_eot_after_an_etx_frame_ends_a_message_without_l(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(*FRAMES[:2])
        line.say(EOT)
        await until(lambda: bench.received)
        assert bench.received == [HEADER + RESULT]


@pytest.mark.conformance(49)
async def test_eot_after_an_etb_frame_puts_the_message_on_hold(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0], encode(b"R|1|^^^GLU|5", 2, end=False))
        line.say(EOT)
        await until(lambda: link.counters.incomplete)
    assert bench.entries() == [("held", HEADER + b"R|1|^^^GLU|5")]


@pytest.mark.conformance(49)
async def test_a_frame_given_up_after_six_naks_puts_the_message_on_hold(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(*FRAMES[:2])
        for _ in range(6):
            line.say(encode(b"R|2|^^^NA|140\r", 3).replace(b"140", b"141"))
            await line.hears(NAK)
        line.say(EOT)
        await until(lambda: link.counters.messages or link.counters.incomplete)
    assert bench.entries("received", "held") == [("held", HEADER + RESULT)]


@pytest.mark.conformance(7)
async def test_a_second_enq_puts_the_unfinished_message_on_hold_and_begins_anew(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(*FRAMES[:2])
        await line.sends(*FRAMES)
        line.say(EOT)
        await until(lambda: bench.received)
    assert bench.entries() == [("held", HEADER + RESULT), ("received", MESSAGE)]


@pytest.mark.conformance(84)
async def test_a_header_before_the_l_record_puts_the_first_message_on_hold(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(*FRAMES[:2], encode(HEADER, 3), encode(RESULT, 4), encode(END, 5))
        line.say(EOT)
        await until(lambda: bench.received)
    assert bench.entries() == [("held", HEADER + RESULT), ("received", MESSAGE)]


@pytest.mark.conformance(18, 83)
async def test_each_message_of_a_transfer_is_an_entry(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(encode(MESSAGE, 1), encode(MESSAGE, 2))
        line.say(EOT)
        await until(lambda: len(bench.received) == 2)
    assert bench.entries() == [("received", MESSAGE)] * 2


async def test_a_frame_that_ends_one_message_and_begins_the_next_keeps_both_together(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(encode(MESSAGE + HEADER, 1), encode(RESULT + END, 2))
        line.say(EOT)
        await until(lambda: bench.received)
    assert bench.entries() == [("received", MESSAGE * 2)]


@pytest.mark.conformance(20)
async def test_a_repeated_frame_is_acknowledged_again_and_kept_once(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(*[frame for frame in FRAMES for _ in range(3)])
        line.say(EOT)
        await until(lambda: bench.received)
        assert link.counters.frames_repeated == 6
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(21)
async def test_a_repeat_with_another_text_is_kept_and_its_message_held(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        with capture_logs() as logs:
            await line.sends(FRAMES[0], FRAMES[1], encode(b"R|1|^^^GLU|6.6\r", 2), FRAMES[2])
            line.say(EOT)
            await until(lambda: link.counters.incomplete)
        assert bench.received == []
        assert link.counters.rejected == {"repeat_differs": 1}
    assert bench.entries("held") == [("held", MESSAGE)]
    assert logs == [on_hold(1, "repeat_differs")]


@pytest.mark.conformance(21)
async def test_a_repeat_of_a_whole_message_with_another_text_holds_no_later_one(bench):
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(encode(MESSAGE, 1), encode(MESSAGE.replace(b"A1", b"A2"), 1))
        line.say(EOT)
        later = MESSAGE.replace(b"A1", b"A3")
        await line.sends(encode(later, 1), encode(later, 2))
        await until(lambda: len(bench.received) == 3)
    assert bench.entries("received", "held") == [
        ("received", MESSAGE),
        ("received", later),
        ("received", later),
    ]


@pytest.mark.conformance(21, 46)
async def test_a_repeat_with_another_text_is_acknowledged_when_it_is_on_disk(bench):
    other = encode(MESSAGE.replace(b"A1", b"A2"), 1)
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(encode(MESSAGE, 1))
        disk = SlowDisk(bench.path)
        disk.stall()
        line.say(other)
        await until(lambda: link.counters.frames_repeated)
        assert link.counters.bytes_out == 2
        disk.go_on()
        await line.hears(ACK)
        with JournalReader(bench.path) as reader:
            [entry] = reader.entries(states=["rejected"])
            assert reader.frames(entry.entry_id) == [other]


@pytest.mark.conformance(21, 46, 167)
async def test_a_repeat_with_another_text_that_finds_no_room_is_refused(bench, monkeypatch):
    monkeypatch.setattr(writer, "PROBE_SECONDS", 0.001)
    other = encode(MESSAGE + b"C|1|" + b"x" * 60_000 + b"\r", 1)
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(encode(MESSAGE, 1))
        disk = FullDisk(bench.journal)
        disk.fill()
        for _ in range(2):
            line.say(other)
            await line.hears(NAK)
        disk.free()
        await until(lambda: bench.journal.accepting)
        line.say(other)
        await line.hears(ACK)
    assert [state for state, _ in bench.entries()] == ["received", "rejected"]


@pytest.mark.conformance(21, 46)
async def test_every_repeat_with_another_text_that_is_acknowledged_is_kept(bench):
    others = [encode(MESSAGE.replace(b"A1", b"B%d" % n), 1) for n in range(250)]
    async with bench:
        line = await bench.call(await bench.serve())
        await line.sends(encode(MESSAGE, 1), *others)
    assert len(bench.entries("rejected")) == len(others)


@pytest.mark.conformance(22, 24)
async def test_refused_frames_are_kept_as_evidence_and_counted(bench):
    damaged = FRAMES[1].replace(b"5.5", b"5.6")
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0])
        for bad in (damaged, encode(RESULT, 3), encode(RESULT, 7)):
            line.say(bad)
            await line.hears(NAK)
        for good in FRAMES[1:]:
            line.say(good)
            await line.hears(ACK)
        line.say(EOT)
        await until(lambda: bench.received)
        assert link.counters.rejected == {"bad_checksum": 1, "bad_frame_number": 2}
    assert bench.entries("received") == [("received", MESSAGE)]
    assert len(bench.entries("rejected")) == 3


@pytest.mark.conformance(2)
async def test_noise_is_counted_and_kept_without_a_reply(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        line.say(b"\x00\xffGET / HTTP/1.0\r\n\r\n")
        await line.sends(*FRAMES)
        assert link.counters.rejected == {Reason.UNEXPECTED_BYTE.value: 1}
    assert len(bench.entries("rejected")) == 1


@pytest.mark.conformance(25)
async def test_what_a_strict_reader_would_refuse_is_counted(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        frame = encode(MESSAGE, 1)
        await line.sends(frame[:-4] + frame[-4:].lower())
        assert link.counters.tolerated == {"lowercase_checksum": 1}


@pytest.mark.conformance(4, 166, 167)
async def test_a_full_disk_is_answered_nak_until_there_is_room_again(bench, monkeypatch):
    monkeypatch.setattr(writer, "PROBE_SECONDS", 0.001)
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0])
        disk = FullDisk(bench.journal)
        disk.fill()
        big = encode(b"C|1|" + b"x" * 60_000 + b"\r", 2)
        for _ in range(3):
            line.say(big)
            await line.hears(NAK)
        await until(lambda: not bench.journal.accepting)
        other = await bench.call(link)
        other.say(ENQ)
        await other.hears(NAK)
        disk.free()
        await until(lambda: bench.journal.accepting)
        for frame in (big, encode(END, 3)):
            line.say(frame)
            await line.hears(ACK)
        await until(lambda: bench.received)
        assert link.counters.replies_refused == 3
        assert link.counters.enquiries_refused == 1
    assert bench.entries() == [("received", HEADER + big[2:-5] + END)]


@pytest.mark.conformance(167)
async def test_a_message_whose_first_frame_found_no_room_leaves_nothing_behind(bench, monkeypatch):
    monkeypatch.setattr(writer, "PROBE_SECONDS", 0.001)
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends()
        disk = FullDisk(bench.journal)
        disk.fill()
        line.say(encode(HEADER + b"C|1|" + b"x" * 60_000, 1))
        await line.hears(NAK)
        line.say(EOT)
        disk.free()
        await until(lambda: bench.journal.accepting)
        await line.sends(*FRAMES)
        await until(lambda: bench.received)
        assert link.counters.incomplete == 0
    assert bench.entries() == [("received", MESSAGE)]


@pytest.mark.conformance(51)
async def test_a_line_lost_in_the_middle_of_a_frame_leaves_a_clean_state(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0])
        line.say(FRAMES[1][:20])
        await until(lambda: link.counters.bytes_in == 1 + len(FRAMES[0]) + 20)
        line.writer.transport.abort()
        await until(lambda: link.counters.incomplete)
        line = await bench.call(link)
        await line.sends(*FRAMES)
        line.say(EOT)
        await until(lambda: bench.received)
    assert bench.entries("held", "received") == [("held", HEADER), ("received", MESSAGE)]


@pytest.mark.conformance(10, 52)
async def test_two_connections_of_an_instrument_have_sessions_and_entries_of_their_own(bench):
    async with bench:
        link = await bench.serve()
        lines = [await bench.call(link) for _ in range(2)]
        await asyncio.gather(*(line.sends(*FRAMES) for line in lines))
        for line in lines:
            line.say(EOT)
        await until(lambda: len(bench.received) == 2)
    assert bench.entries() == [("received", MESSAGE)] * 2


@pytest.mark.conformance(6, 53)
async def test_one_connection_serves_for_ever_with_keep_alive_calls_between(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        for _ in range(20):
            line.say(ENQ)
            await line.hears(ACK)
            line.say(EOT)
            await line.sends(*FRAMES)
            line.say(EOT)
        await until(lambda: len(bench.received) == 20)
        assert link.counters.connections_total == 1
        assert link.counters.incomplete == 0
    assert bench.entries() == [("received", MESSAGE)] * 20


@pytest.mark.conformance(171)
async def test_slow_and_endless_senders_cost_bounded_memory_and_disturb_nobody(bench):
    dialect = replace(STANDARD, max_frame=247)
    async with bench:
        loris = await bench.serve("loris", dialect=dialect)
        good = await bench.serve("good")
        lines = [await bench.call(loris) for _ in range(64)]
        for line in lines:
            await line.sends()
            line.say(b"\x021")
        for turn in range(40):
            for line in lines:
                line.say(b"x" * 10)
            if turn % 10 == 0:
                neighbour = await bench.call(good)
                await neighbour.sends(*FRAMES)
        await until(lambda: loris.counters.bytes_in == 64 * (1 + 2 + 400))
        assert all(len(connection._session._stream) <= 247 for connection in loris.connections)
        for line in lines:
            line.say(b"\x0300\r\n")
            await line.hears(NAK)
        assert loris.counters.rejected == {"frame_too_long": 64}
    assert bench.entries("received") == [("received", MESSAGE)] * 4


def quotes(data, now):
    """Fail as library code does, with the data in the text."""
    raise ValueError("DOE^JOHN")


async def test_a_fault_of_ours_ends_one_connection_is_logged_once_and_disturbs_nobody(
    bench, monkeypatch
):
    async with bench:
        faulty = await bench.serve("faulty")
        good = await bench.serve("good")
        neighbour = await bench.call(good)
        await neighbour.sends(FRAMES[0])
        line = await bench.call(faulty)
        await until(lambda: faulty.connections)
        [connection] = faulty.connections
        monkeypatch.setattr(connection._session, "receive_data", quotes)
        with capture_logs() as logs:
            line.say(ENQ)
            assert await line.hangs_up() == b""
        [entry] = logs
        assert (entry["event"], entry["error"]) == ("link_failed", "ValueError")
        assert entry["place"].startswith("quotes, line ")
        assert "exc_info" not in entry
        assert "DOE" not in repr(entry)
        line = await bench.call(faulty)
        await line.sends(*FRAMES)
        for frame in FRAMES[1:]:
            neighbour.say(frame)
            await neighbour.hears(ACK)
        await until(lambda: len(bench.received) == 2)


async def test_draining_refuses_new_transfers_and_waits_for_those_under_way(bench):
    async with bench:
        link = await bench.serve()
        line, late = await bench.call(link), await bench.call(link)
        await line.sends(FRAMES[0])
        draining = asyncio.create_task(link.drain())
        await until(lambda: link.draining)
        late.say(ENQ)
        await late.hears(NAK)
        for frame in FRAMES[1:]:
            line.say(frame)
            await line.hears(ACK)
        assert not draining.done()
        line.say(EOT)
        await draining
    assert bench.entries() == [("received", MESSAGE)]


async def test_a_peer_that_does_not_take_its_replies_is_not_read_until_it_does(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0])
        [connection] = link.connections
        connection.pause_writing()
        assert connection._pauses
        line.say(FRAMES[1])
        connection.resume_writing()
        await line.hears(ACK)


@pytest.mark.conformance(26)
async def test_a_line_error_inside_a_frame_is_answered_nak(bench):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        await line.sends(FRAMES[0])
        [connection] = link.connections
        seen = link.counters.bytes_in
        line.say(FRAMES[1][:10])
        await until(lambda: link.counters.bytes_in == seen + 10)
        connection.line_error()
        line.say(FRAMES[1][10:])
        await line.hears(NAK)
        for frame in FRAMES[1:]:
            line.say(frame)
            await line.hears(ACK)
        assert link.counters.rejected == {"line_error": 1}


@pytest.mark.conformance(170)
async def test_a_clock_that_is_set_disturbs_no_timer(bench, monkeypatch):
    async with bench:
        link = await bench.serve()
        line = await bench.call(link)
        for jump, frame in zip((0, 3600, -3600), FRAMES, strict=True):
            monkeypatch.setattr(link_connection.time, "time", lambda jump=jump: 1e9 + jump)
            line.say(frame if jump else ENQ)
            await line.hears(ACK)
            if not jump:
                line.say(frame)
                await line.hears(ACK)
            assert link.counters.last_received_at == 1e9 + jump
        await until(lambda: bench.received)
    assert bench.entries() == [("received", MESSAGE)]
