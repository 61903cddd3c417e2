"""What other processes change beside the daemon, and that it notices."""

import asyncio
import sqlite3
import sys

import pytest

from rerund.journal import maintenance
from rerund.journal.errors import JournalFull, JournalMissingError
from rerund.journal.prune import Limits
from rerund.journal.rows import Decision, Mark
from tests.rerund.journal.desk import AT, payload, until

H, L = b"H|\\^&\r", b"L|1|N\r"

RELEASE = (
    "import sys; from pathlib import Path; from rerund.journal import maintenance\n"
    "print(maintenance.release(Path(sys.argv[1]), int(sys.argv[2])))"
)


async def held_entry(desk) -> int:
    entry = await desk.message(H, L)
    await desk.decide(entry, state="held")
    return entry


async def test_a_released_entry_is_handed_out_again_by_the_running_daemon(desk):
    async with desk:
        entry = await held_entry(desk)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RELEASE, desk.path, str(entry), stdout=asyncio.subprocess.PIPE
        )
        assert (await child.communicate())[0] == b"True\n"
        await until(lambda: len(desk.received) == 2)
        assert desk.received[1].reason == "released"
        assert desk.received[1].text == H + L
        await desk.decide(entry, payload())
        with desk.read() as reader:
            assert reader.entry(entry).state == "interpreted"


async def test_the_daemon_is_told_when_another_process_changed_something(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(), payload(body=b"two"))
        with desk.read() as reader:
            one, two = reader.payloads(entry)
        await desk.mark(Mark(one.payload_key, "held", "refused"))
        await until(lambda: desk.changes == 1)
        assert maintenance.release(desk.path, entry)
        await until(lambda: desk.changes == 2)
        with desk.read() as reader:
            assert {(p.state, p.reason) for p in reader.payloads(entry)} == {("pending", "")}
        assert two.state == "pending"


async def test_only_what_is_on_hold_is_released_or_discarded(desk):
    async with desk:
        entry = await desk.message(H, L)
        assert not maintenance.release(desk.path, entry)
        assert not maintenance.discard(desk.path, entry)
        await desk.decide(entry, payload())
        assert not maintenance.release(desk.path, entry)
        assert not maintenance.discard(desk.path, 99)


async def test_a_discarded_entry_keeps_its_bytes(desk):
    async with desk:
        entry = await held_entry(desk)
        assert maintenance.discard(desk.path, entry)
        with desk.read() as reader:
            assert reader.entry(entry).state == "discarded"
            assert reader.text(entry) == H + L


async def test_a_discarded_payload_is_no_history(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload())
        assert maintenance.hold(desk.path, entry, "looked at")
        with desk.read() as reader:
            assert [p.reason for p in reader.payloads(entry)] == ["looked at"]
        assert maintenance.discard(desk.path, entry)
        with desk.read() as reader:
            assert reader.history_bodies("42", "S1", AT) == []


async def test_an_entry_held_by_another_process_is_not_decided_behind_its_back(desk):
    async with desk:
        entry = await desk.message(H, L)
        assert maintenance.hold(desk.path, entry, "looked at")
        await desk.decide(entry, payload())
        with desk.read() as reader:
            assert reader.entry(entry).state == "held"
            assert reader.payloads(entry) == []
        assert maintenance.release(desk.path, entry)
        await until(lambda: len(desk.received) == 2)
        await desk.decide(entry, payload())
        with desk.read() as reader:
            assert len(reader.payloads(entry)) == 1


async def test_an_entry_is_decided_again_unless_something_of_it_was_delivered(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(body=b"first reading"))
        assert maintenance.decide_again(desk.path, entry)
        await until(lambda: len(desk.received) == 2)
        await desk.decide(entry, payload(body=b"second reading"))
        with desk.read() as reader:
            (kept,) = reader.payloads(entry)
        assert kept.body == b"second reading"
        await desk.mark(Mark(kept.payload_key, "delivered"))
        assert not maintenance.decide_again(desk.path, entry)


async def test_correction_payloads_come_after_those_of_the_entry(desk):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload(body=b"first"))
        with desk.read() as reader:
            await desk.mark(Mark(reader.payloads(entry)[0].payload_key, "delivered"))
        assert maintenance.add_payloads(desk.path, entry, [payload(body=b"correction")])
        assert not maintenance.add_payloads(desk.path, 99, [payload(body=b"correction")])
        with desk.read() as reader:
            kept = [(p.body, p.state, p.device_id) for p in reader.payloads(entry)]
    assert kept == [(b"first", "delivered", "42"), (b"correction", "pending", "42")]


async def test_pruning_works_beside_the_daemon(desk):
    async with desk:
        for _ in range(3):
            await desk.decide(await desk.message(H, L))
        assert maintenance.prune(desk.path, Limits(keep=0, history_window=0)) == 2
        assert await desk.message(H, L) == 4


async def test_changes_of_others_wait_for_the_write_lock_and_do_not_lose_commits(desk):
    async with desk:
        other = sqlite3.connect(desk.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = desk.frame(desk.begin(), H)
        await asyncio.sleep(0)
        assert not answer.done()
        other.execute("ROLLBACK")
        other.close()
        assert await answer is None


async def test_decisions_of_entries_unknown_here_change_nothing(desk):
    async with desk:
        answer = asyncio.get_running_loop().create_future()
        desk.journal.record(Decision(99, "42", AT, "interpreted"), answer.set_result)
        assert await answer is None
        with desk.read() as reader:
            assert list(reader.entries()) == []


def test_there_is_nothing_to_change_without_a_journal(tmp_path):
    with pytest.raises(JournalMissingError):
        maintenance.release(tmp_path / "journal.db", 1)


async def test_a_full_disk_is_told_to_the_one_who_asked(desk, monkeypatch):
    async with desk:
        entry = await desk.message(H, L)
        await desk.decide(entry, payload())
    opened = maintenance.schema.open_editor

    def without_room(path):
        db = opened(path)
        db.execute("PRAGMA max_page_count = 1")
        return db

    monkeypatch.setattr(maintenance.schema, "open_editor", without_room)
    big = payload(body=bytes(100_000))
    with pytest.raises(JournalFull):
        maintenance.add_payloads(desk.path, entry, [big])
