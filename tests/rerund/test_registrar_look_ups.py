"""The thread of the look-ups: what is open of samples, for the daemon, from its stores."""

import pytest

from rerund.journal.rows import Mark
from rerund.registrar_look_ups import LookUpThread
from tests.rerund.journal.desk import Desk, payload, until
from tests.rerund.ordered import Copy, ordered

LONG = 3600.0


@pytest.fixture
def copy(site):
    for number in (1, 2):
        site.report(number, sample=f"S{number}")
        ordered(site, 1, 2, 4, report=number)
    return Copy(site)


class Asking:
    """A journal that counts how often it is asked for results on their way."""

    def __init__(self, reader):
        self._reader = reader
        self.asked = 0

    def awaits_delivery(self, sample_ids):
        self.asked += 1
        return self._reader.awaits_delivery(sample_ids)


class Running:
    """`async with Running(...)`: a thread at work on a site's stores and a journal."""

    def __init__(self, copy, desk):
        self.answers = {}
        self.reader = desk.read()
        self.journal = Asking(self.reader)
        self.thread = LookUpThread(copy.look_up, self.journal, self)

    def looked_up(self, ticket, orders):
        self.answers[ticket] = orders

    async def __aenter__(self):
        self.thread.start()
        return self

    async def __aexit__(self, *exc):
        self.thread.stop(30.0)
        self.reader.close()


@pytest.fixture
async def desk(tmp_path):
    folder = tmp_path / "journal"
    folder.mkdir()
    async with Desk(folder) as desk:
        yield desk


async def test_a_look_up_without_results_on_their_way_is_answered_at_once(copy, desk):
    async with Running(copy, desk) as running:
        running.thread.look_up(1, ["S1"], LONG)
        running.thread.look_up(2, ["S9"], LONG)
        await until(lambda: len(running.answers) == 2)
        assert [order.key for order in running.answers[1]] == [(1, "", 0)]
        assert running.answers[2] == []
        assert running.journal.asked == 2


async def test_a_look_up_waits_for_results_on_their_way_and_others_do_not(site, copy, desk):
    entry = await desk.message(b"H|\\^&\r", b"L|1|N\r")
    await desk.decide(entry, payload("S1"))
    async with Running(copy, desk) as running:
        running.thread.look_up(1, ["S1", "S2"], LONG)
        running.thread.look_up(2, ["S2"], LONG)
        await until(lambda: running.journal.asked > 5)
        assert list(running.answers) == [2]
        site.send("09:00", WBC="12.5")
        with desk.read() as reader:
            (row,) = reader.payloads(entry)
        await desk.mark(Mark(row.payload_key, "delivered"))
        await until(lambda: 1 in running.answers)
        first, second = running.answers[1]
        assert first.codes == {"42": ["CBC", "PLT"]}
        assert second.codes == {"42": ["CBC", "PLT"], "43": ["WBC"]}


async def test_of_results_that_take_too_long_nobody_knows_what_they_leave(copy, desk):
    entry = await desk.message(b"H|\\^&\r", b"L|1|N\r")
    await desk.decide(entry, payload("S1"))
    async with Running(copy, desk) as running:
        running.thread.look_up(1, ["S1"], 0.05)
        await until(lambda: running.answers)
        assert running.answers == {1: None}
        assert running.journal.asked > 1


async def test_of_a_store_that_is_away_nobody_knows(copy, desk):
    async with Running(copy, desk) as running:
        copy.store.away = True
        running.thread.look_up(1, ["S9"], LONG)
        await until(lambda: running.answers)
        assert running.answers == {1: None}
        copy.store.away = False
        running.thread.look_up(2, ["S9"], LONG)
        await until(lambda: 2 in running.answers)
        assert running.answers[2] == []
