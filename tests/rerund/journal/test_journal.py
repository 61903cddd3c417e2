"""What the journal keeps, when it says so, and what it finds again."""

import asyncio
import re

import pytest

from protocols.astm.frame import encode
from rerund.journal.errors import JournalClosed, JournalFull, JournalLockedError
from rerund.journal.journal import Journal
from rerund.journal.rows import Mark, ReceivedEntry
from rerund.rerun.model import OpenRerun
from tests.rerund.journal.desk import AT, Desk, payload, until

H, R, L = b"H|\\^&\r", b"R|1|^^^GLU|5.5\r", b"L|1|N\r"


@pytest.mark.conformance(46, 165)
async def test_a_frame_is_there_for_every_reader_when_it_is_called_stored(desk):
    async with desk:
        entry = desk.begin()
        for count, text in enumerate((H, R, L), 1):
            assert await desk.frame(entry, text, count) is None
            with desk.read() as reader:
                assert reader.frames(entry) == [
                    encode(t, n) for n, t in enumerate((H, R, L)[:count], 1)
                ]


async def test_a_complete_entry_is_handed_out_after_its_last_frame_was_called_stored(desk):
    async with desk:
        order = []
        desk.journal.on_received = order.append
        entry = desk.begin()
        desk.journal.append_frame(entry, encode(H + L, 1), H + L, order.append)
        desk.journal.complete_entry(entry, H + L)
        await until(lambda: len(order) == 2)
    assert order == [None, ReceivedEntry(entry, "42", AT, H + L)]


async def test_frame_and_completion_of_one_turn_are_one_transaction(desk):
    async with desk:
        seen = []
        entry = desk.begin()
        answer = desk.frame(entry, H + L)
        desk.journal.complete_entry(entry, H + L)
        await answer
        with desk.read() as reader:
            seen.append(reader.entry(entry).state)
    assert seen == ["received"]


async def test_entries_of_several_links_do_not_mix(desk):
    async with desk:
        entries = [desk.begin(device=str(n), link=f"link {n}") for n in range(5)]
        for number, text in enumerate((H, R, L), 1):
            said = [desk.frame(entry, b"%d" % entry + text, number) for entry in entries]
            if text is L:
                for entry in entries:
                    desk.journal.complete_entry(entry, b"whole")
            assert await asyncio.gather(*said) == [None] * 5
        with desk.read() as reader:
            for entry in entries:
                assert reader.text(entry) == b"".join(b"%d" % entry + t for t in (H, R, L))
                assert reader.entry(entry).frames == 3
        assert {e.entry_id for e in desk.received} == set(entries)


async def test_what_is_cut_short_is_held_with_the_reason(desk):
    async with desk:
        entry = desk.begin()
        await desk.frame(entry, H)
        desk.journal.hold_entry(entry, "incomplete", "the line was lost")
    with desk.read() as reader:
        stored = reader.entry(entry)
    assert (stored.state, stored.reason, stored.detail) == (
        "held",
        "incomplete",
        "the line was lost",
    )
    assert (stored.frames, stored.size) == (1, len(encode(H, 1)))


async def test_eot_without_terminator_is_said_with_the_entry(desk):
    async with desk:
        entry = desk.begin()
        await desk.frame(entry, H)
        desk.journal.complete_entry(entry, H, no_terminator=True)
        await until(lambda: desk.received)
    assert desk.received == [ReceivedEntry(entry, "42", AT, H, "no_terminator")]


async def test_an_entry_without_frames_leaves_no_trace(desk):
    async with desk:
        entry = desk.begin()
        desk.journal.hold_entry(entry, "incomplete")
        desk.journal.complete_entry(desk.begin(), b"")
        await desk.message(H + L)
    with desk.read() as reader:
        assert reader.entry(entry) is None
        assert len(list(reader.entries())) == 1


async def test_a_decision_and_its_payloads_are_kept_together(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(body=b"one"), payload(body=b"two", is_rerun=True))
    with desk.read() as reader:
        assert reader.entry(entry).state == "interpreted"
        assert reader.inputs(entry) == b"i"
        one, two = reader.payloads(entry)
    assert (one.body, one.is_rerun, one.rerun_number, one.state) == (b"one", False, 0, "pending")
    assert (two.body, two.is_rerun, two.rerun_number, two.state) == (b"two", True, 1, "pending")
    assert {one.entry_id, two.entry_id} == {entry}


async def test_an_entry_is_decided_once(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(body=b"first"))
        await desk.decide(entry, payload(body=b"second"))
    with desk.read() as reader:
        assert [p.body for p in reader.payloads(entry)] == [b"first"]


async def test_delivery_states_are_kept_with_their_reason(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(body=b"one"), payload(body=b"two"))
        with desk.read() as reader:
            one, two = reader.payloads(entry)
        await desk.mark(
            Mark(one.payload_key, "delivered"), Mark(two.payload_key, "held", "refused")
        )
    with desk.read() as reader:
        states = [(p.state, p.reason) for p in reader.payloads(entry)]
        assert reader.undelivered("pending", 10) == []
        assert [p.body for p in reader.undelivered("held", 10)] == [b"two"]
        assert reader.blocked_from(["S1", "S2"]) == {"S1": two.payload_key}
    assert states == [("delivered", ""), ("held", "refused")]


@pytest.mark.conformance(45)
async def test_a_frame_left_without_an_end_by_a_stop_is_held_at_the_next_start(tmp_path):
    async with Desk(tmp_path) as desk:
        entry = desk.begin()
        await desk.frame(entry, H)
        await desk.frame(entry, R, 2)
    async with Desk(tmp_path) as desk:
        with desk.read() as reader:
            stored = reader.entry(entry)
            cut = reader.incomplete("42", AT)
    assert (stored.state, stored.reason, stored.frames) == ("held", "incomplete", 2)
    assert [(c.entry_id, c.text) for c in cut] == [(entry, H + R)]


@pytest.mark.conformance(168)
async def test_what_was_not_decided_is_handed_out_again_in_order(tmp_path):
    async with Desk(tmp_path) as desk:
        entries = [await desk.message(H, b"%d\r" % n, L) for n in range(3)]
        await desk.decide(entries[1], payload())
    async with Desk(tmp_path) as desk:
        await until(lambda: len(desk.received) == 2)
        assert [e.entry_id for e in desk.received] == [entries[0], entries[2]]
        assert [e.text for e in desk.received] == [H + b"0\r" + L, H + b"2\r" + L]
        await desk.decide(entries[0], payload())
    async with Desk(tmp_path) as desk:
        await until(lambda: desk.received)
    assert [e.entry_id for e in desk.received] == [entries[2]]


async def test_ids_go_on_and_the_name_stays(tmp_path):
    async with Desk(tmp_path) as desk:
        name = desk.journal.journal_id
        first = await desk.message(H, L)
    async with Desk(tmp_path) as desk:
        assert desk.journal.journal_id == name
        assert await desk.message(H, L) > first
    assert re.fullmatch("[0-9a-f]{32}", name)


@pytest.mark.conformance(46, 47)
async def test_a_resumed_message_is_linked_with_the_one_cut_short(desk):
    async with desk:
        cut = desk.begin()
        await desk.frame(cut, H)
        desk.journal.hold_entry(cut, "incomplete")
        other = desk.begin()
        await desk.frame(other, H)
        desk.journal.hold_entry(other, "incomplete")
        entry = await desk.message(H, R, L)
        await desk.decide(entry, payload(), superseded=[other], continues=[cut])
    with desk.read() as reader:
        assert reader.entry(entry).continues == cut
        assert (reader.entry(cut).state, reader.entry(cut).reason) == ("superseded", "resumed")
        assert (reader.entry(other).state, reader.entry(other).reason) == (
            "superseded",
            "begun_again",
        )
        assert reader.entry(cut).successor == reader.entry(other).successor == entry
        assert reader.incomplete("42", AT) == []


async def test_the_waiting_copy_is_replaced_whole(desk):
    def rerun(sample: str, number: int) -> OpenRerun:
        return OpenRerun(1, 7, sample, "", number, "manual_rerun", AT, 1, {"42": ["GLU"]})

    async with desk:
        for rows, at in (
            ([rerun("S1", 1), rerun("S2", 1)], "2026-05-20T10:00:00.000Z"),
            ([rerun("S2", 2)], "2026-05-20T10:00:01.000Z"),
            ([rerun("S2", 2)], "2026-05-20T10:00:02.000Z"),
        ):
            answer = asyncio.get_running_loop().create_future()
            desk.journal.replace_waiting(rows, at, answer.set_result)
            assert await answer is None
            with desk.read() as reader:
                bodies, refreshed_at = reader.waiting()
            assert len(bodies) == len(rows)
            assert refreshed_at == at


async def test_rejected_bytes_are_entries_with_a_reason(desk):
    async with desk:
        desk.journal.reject("42", "tcp", b"\x00noise", "unexpected_byte")
        await desk.message(H, L)
    with desk.read() as reader:
        (entry,) = reader.entries(states=["rejected"])
        assert (entry.reason, entry.link, entry.size) == ("unexpected_byte", "tcp", 6)
        assert reader.frames(entry.entry_id) == [b"\x00noise"]
        assert reader.text(entry.entry_id) == b""


async def test_a_noisy_link_does_not_fill_the_journal_and_the_last_one_kept_says_so(desk):
    async with desk:
        for _ in range(1000):
            desk.journal.reject("42", "noisy", b"noise", "unexpected_byte")
        desk.journal.reject("43", "quiet", b"noise", "unexpected_byte")
    with desk.read() as reader:
        kept = list(reader.entries(states=["rejected"]))
    noisy = [entry for entry in kept if entry.link == "noisy"]
    assert len(noisy) == 200
    assert [entry.detail for entry in noisy if entry.detail] == [
        "further ones of this hour are not kept"
    ]
    assert noisy[0].detail
    assert len(kept) == 201


async def test_two_daemons_can_not_have_one_journal(desk):
    async with desk:
        with pytest.raises(JournalLockedError, match="in use by another daemon"):
            Journal.open(desk.path)
    assert await Journal.open(desk.path).close()


async def test_nothing_is_taken_after_close_and_what_came_before_is_kept(desk):
    async with desk:
        entry = desk.begin()
        before = desk.frame(entry, H)
        assert await desk.journal.close()
        assert not desk.journal.accepting
        assert await before is None
        after = desk.frame(desk.begin(), H)
        assert isinstance(await after, JournalClosed)
    with desk.read() as reader:
        assert [e.entry_id for e in reader.entries()] == [entry]


async def test_a_decision_after_close_is_answered(desk):
    async with desk:
        entry = await desk.message(H, L)
    answer = asyncio.get_running_loop().create_future()
    desk.journal.mark_payloads([Mark(entry, "delivered")], answer.set_result)
    assert isinstance(await answer, JournalClosed)


async def test_a_journal_that_was_never_started_closes(tmp_path):
    journal = Journal.open(tmp_path / "journal.db")
    assert await journal.close()
    assert await Journal.open(tmp_path / "journal.db").close()


async def test_a_callback_that_raises_keeps_nobody_else_from_being_called(desk):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def bad(_: object) -> None:
        raise ValueError

    async with desk:
        first, second = desk.begin(), desk.begin()
        desk.journal.append_frame(first, encode(H, 1), H, bad)
        assert await desk.frame(second, H) is None
    assert [type(context["exception"]) for context in told] == [ValueError]


async def test_files_belong_to_their_owner_alone(desk):
    async with desk:
        await desk.message(H, L)
        modes = {path.name: path.stat().st_mode & 0o777 for path in desk.path.parent.iterdir()}
    assert set(modes) >= {"journal.db", "journal.db-wal", "journal.lock", "journal.ballast"}
    assert set(modes.values()) == {0o600}


async def test_what_comes_in_waits_behind_a_backlog_and_commits_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr("rerund.journal.writer._HAND_OUT", 1)
    async with Desk(tmp_path) as desk:
        old = [await desk.message(H, b"%d\r" % n, L) for n in range(20)]
    async with Desk(tmp_path) as desk:
        new = await desk.message(H, L)
        await until(lambda: len(desk.received) == 21)
    assert [entry.entry_id for entry in desk.received] == [*old, new]
    assert desk.received[-1].text == H + L


async def test_a_frame_that_could_not_be_stored_may_be_appended_again(desk, monkeypatch):
    monkeypatch.setattr("rerund.journal.writer.PROBE_SECONDS", 0.001)
    async with desk:
        entry = desk.begin()
        assert await desk.frame(entry, H) is None
        await desk.flush()
        db = desk.journal._writer._db
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        big = b"C|1|" + b"x" * 60_000 + b"\r"
        answer = desk.frame(entry, big, 2)
        desk.journal.complete_entry(entry, H + big)
        assert isinstance(await answer, JournalFull)
        assert not desk.journal.accepting
        db.execute("PRAGMA max_page_count = 1000000")
        await until(lambda: desk.journal.accepting)
        answer = desk.frame(entry, big, 2)
        desk.journal.complete_entry(entry, H + big)
        assert await answer is None
        await until(lambda: desk.received)
        assert desk.accepting == [False, True]
    assert desk.received == [ReceivedEntry(entry, "42", AT, H + big)]


@pytest.mark.conformance(45)
async def test_an_entry_ended_while_its_last_frame_failed_is_held(desk, monkeypatch):
    monkeypatch.setattr("rerund.journal.writer.PROBE_SECONDS", 0.001)
    async with desk:
        entry = desk.begin()
        assert await desk.frame(entry, H) is None
        db = desk.journal._writer._db
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        big = b"C|1|" + b"x" * 60_000 + b"\r"
        answer = desk.frame(entry, big, 2)
        await asyncio.sleep(0)  # the frame is on its way, and EOT arrives
        desk.journal.complete_entry(entry, H + big, no_terminator=True)
        assert isinstance(await answer, JournalFull)
        db.execute("PRAGMA max_page_count = 1000000")
        await until(lambda: desk.journal.accepting)
        await desk.flush()
        with desk.read() as reader:
            assert reader.entry(entry).state == "held"
            assert reader.entry(entry).reason == "incomplete"
            assert reader.text(entry) == H
    assert desk.received == []


@pytest.mark.conformance(168)
async def test_decisions_made_while_the_disk_is_full_are_kept_and_stored_later(desk, monkeypatch):
    monkeypatch.setattr("rerund.journal.writer.PROBE_SECONDS", 0.001)
    async with desk:
        entry = await desk.message(H, L)
        db = desk.journal._writer._db
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        stored = asyncio.ensure_future(desk.decide(entry, payload(body=b"x" * 60_000)))
        await until(lambda: not desk.journal.accepting)
        assert not stored.done()
        db.execute("PRAGMA max_page_count = 1000000")
        await stored
        await until(lambda: desk.journal.accepting)
        with desk.read() as reader:
            assert len(reader.payloads(entry)) == 1


@pytest.mark.conformance(170)
async def test_the_order_of_entries_is_that_of_arrival_whatever_the_clock_says(tmp_path):
    hours = ["2024-05-20T12:00:00.000Z", "2024-05-20T11:00:00.000Z", "2024-05-20T13:00:00.000Z"]
    async with Desk(tmp_path) as desk:
        entries = [await desk.message(H, L, at=at) for at in hours]
    async with Desk(tmp_path) as desk:
        await until(lambda: len(desk.received) == 3)
        assert [entry.entry_id for entry in desk.received] == entries == sorted(entries)
        for entry in entries:
            await desk.decide(entry, payload(body=b"%d" % entry))
        with desk.read() as reader:
            bodies = [p.body for p in reader.undelivered("pending", 9)]
    assert bodies == [b"%d" % entry for entry in entries]


@pytest.mark.conformance(169)
async def test_what_cannot_be_understood_is_held_and_keeps_nothing_else_waiting(desk):
    async with desk:
        poison = await desk.message(b"\xff\xfe garbage\r")
        await desk.decide(poison, state="held")
        entry = await desk.message(H, L)
        await desk.decide(entry, payload())
        with desk.read() as reader:
            assert reader.entry(poison).state == "held"
            assert reader.text(poison) == b"\xff\xfe garbage\r"
            assert [p.entry_id for p in reader.undelivered("pending", 9)] == [entry]
