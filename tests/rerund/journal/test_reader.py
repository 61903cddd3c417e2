"""Looking inside while somebody writes."""

import asyncio
import sys
from pathlib import Path

import pytest

from rerund.journal.reader import JournalReader
from rerund.journal.rows import Mark
from tests.rerund.journal.desk import AT, payload, until

H, L = b"H|\\^&\r", b"L|1|N\r"
EARLIER = "2024-05-19T10:00:00.000Z"


@pytest.fixture
async def filled(desk):
    """Three entries of two instruments, the first two decided, and rejected bytes."""
    async with desk:
        first = await desk.message(H, L, device="1", at=EARLIER)
        await desk.decide(first, payload("S1", b"old"), device="1", at=EARLIER, digest=b"1")
        second = await desk.message(H, L, device="1")
        await desk.decide(
            second, payload("S1", b"new"), payload("S2", b"x"), device="1", digest=b"2"
        )
        await desk.message(H, L, device="2")
        desk.journal.reject("2", "tcp", b"noise", "unexpected_byte")
        await desk.flush()
    with JournalReader(desk.path) as reader:
        yield reader


async def test_entries_come_newest_first_and_can_be_chosen(filled):
    def chosen(**terms: object) -> list[tuple[int, str]]:
        return [(entry.entry_id, entry.state) for entry in filled.entries(**terms)]

    everything = [(4, "rejected"), (3, "received"), (2, "interpreted"), (1, "interpreted")]
    assert chosen() == everything
    assert chosen(ascending=True) == everything[::-1]
    assert chosen(states=["received"]) == [(3, "received")]
    assert chosen(states=["received", "rejected"]) == everything[:2]
    assert chosen(device_id="1") == everything[2:]
    assert chosen(device_id="2", states=["rejected"]) == everything[:1]
    assert chosen(limit=2) == everything[:2]
    assert chosen(limit=0) == []


async def test_a_long_listing_is_read_in_pages(filled, monkeypatch):
    monkeypatch.setattr("rerund.journal.reader._PAGE", 2)
    assert [entry.entry_id for entry in filled.entries()] == [4, 3, 2, 1]
    assert [entry.entry_id for entry in filled.entries(limit=3)] == [4, 3, 2]
    assert [entry.entry_id for entry in filled.entries(ascending=True)] == [1, 2, 3, 4]


async def test_history_is_of_one_instrument_and_sample_and_not_older_than_asked(filled):
    assert filled.history_bodies("1", "S1", EARLIER) == [b"old", b"new"]
    assert filled.history_bodies("1", "S1", AT) == [b"new"]
    assert filled.history_bodies("2", "S1", EARLIER) == []


async def test_payloads_of_a_sample_come_in_order(filled):
    assert [p.body for p in filled.payloads_of_sample("S1")] == [b"old", b"new"]


async def test_an_instrument_is_known_since_its_first_decision(filled):
    assert filled.last_decided("1") == (b"2", AT)
    assert filled.known_since("1") == EARLIER
    assert filled.last_decided("2") is None
    assert filled.known_since("2") is None


async def test_what_is_not_settled_is_counted(filled):
    assert filled.backlog() == {
        "entry_open": 0,
        "entry_received": 1,
        "entry_held": 0,
        "payload_pending": 3,
        "payload_held": 0,
        "payload_parked": 0,
    }


async def test_what_is_not_there_is_none(filled):
    assert filled.entry(99) is None
    assert filled.frames(99) == []
    assert filled.payloads(99) == []
    assert filled.inputs(99) == b""
    assert filled.waiting() == ([], None)


async def test_size_counts_what_is_in_use(filled):
    assert 0 < filled.size() <= filled._db.execute("PRAGMA page_count").fetchone()[0] * 4096


async def test_a_reader_sees_commits_made_after_it_was_opened(desk):
    async with desk:
        with desk.read() as reader:
            assert list(reader.entries()) == []
            entry = await desk.message(H, L)
            assert [e.entry_id for e in reader.entries()] == [entry]


async def test_delivered_payloads_are_not_offered_again(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, *(payload(body=b"%d" % n) for n in range(3)))
        with desk.read() as reader:
            first, second, third = reader.undelivered("pending", 10)
            await desk.mark(Mark(second.payload_key, "delivered"))
            assert reader.undelivered("pending", 10) == [first, third]
            assert reader.undelivered("pending", 1) == [first]


@pytest.mark.parametrize(
    ("states", "blocks_from", "is_freed"),
    [
        (("pending", "delivered", "discarded"), None, False),
        (("held", "pending", "pending"), 0, False),
        (("held", "parked", "pending"), 0, False),
        (("delivered", "held", "parked"), 1, False),
        (("pending", "parked", "parked"), 1, True),
        (("discarded", "pending", "parked"), 2, True),
    ],
)
async def test_a_sample_is_blocked_from_its_first_held_or_parked_payload(
    desk, states, blocks_from, is_freed
):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, *(payload("S1", b"%d" % n) for n in range(3)))
        with desk.read() as reader:
            keys = [p.payload_key for p in reader.payloads(entry)]
            await desk.mark(*map(Mark, keys, states))
            expected = {} if blocks_from is None else {"S1": keys[blocks_from]}
            assert reader.blocked_from({"S1", "S2"}) == expected
            assert reader.freed_samples() == ({"S1"} if is_freed else set())


async def test_what_is_asked_before_each_batch_grows_with_no_backlog(desk):
    """Neither with what waits nor with what a store that refuses everything has put on hold."""
    async with desk:
        await desk.message(H, L)
    with desk.read() as reader:
        asked = []
        reader._db.set_trace_callback(asked.append)
        reader.undelivered("pending", 64)
        reader.blocked_from([f"S{number}" for number in range(64)])
        reader.freed_samples()
        reader._db.set_trace_callback(None)
        plans = [reader._db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in asked]
    steps = [[line[3] for line in plan] for plan in plans]
    assert steps[0] == ["SEARCH payload USING INDEX payload_undelivered (state=?)"]
    assert steps[1] == ["SEARCH payload USING INDEX payload_sample (sample_id=?)"]
    assert "SEARCH held USING INDEX payload_sample (sample_id=?)" in steps[2]
    assert "SEARCH parked USING INDEX payload_undelivered (state=?)" in steps[2]


async def test_a_reader_beside_the_process_that_writes_sees_every_frame_it_acknowledged(
    tmp_path, disk
):
    sender = await disk.start(Path(__file__).with_name("sender.py"), tmp_path, 5)
    acknowledged = [await sender.stdout.readline() for _ in range(50)]
    with JournalReader(tmp_path / "journal.db") as reader:
        for line in acknowledged:
            entry, ordinal = map(int, line.split()[1:])
            assert len(reader.frames(entry)) > ordinal
    sender.kill()
    await sender.wait()


async def test_another_process_reads_while_this_one_writes(desk):
    program = (
        "import sys; from pathlib import Path; from rerund.journal.reader import JournalReader\n"
        "with JournalReader(Path(sys.argv[1])) as reader: print(len(list(reader.entries())))"
    )
    async with desk:
        await desk.message(H, L)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, desk.path, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await child.communicate()
    assert out == b"1\n"


async def test_texts_are_cut_out_of_whatever_framing_they_came_in(desk):
    async with desk:
        entry = desk.begin()
        answered = []
        for raw, text in ((b"\x02H|1\r\x03", b"H|1\r"), (b"\x021\x173E\r\n", b""), (b"x", b"x")):
            desk.journal.append_frame(entry, raw, text, answered.append)
        await until(lambda: len(answered) == 3)
        with desk.read() as reader:
            assert reader.text(entry) == b"H|1\rx"
