"""`rerund results`: what became of each value, and what the stores have not taken yet."""

import pytest

from rerund.journal.rows import Mark, PayloadRow
from rerund.payload_codec import pack
from rerund.rerun.rules import Rules
from tests.rerund.conftest import Site
from tests.rerund.journal.desk import Desk
from tests.rerund.stores_at import open_embedded
from tests.rerund.test_cli_rerun import Bench


@pytest.fixture
async def bench(tmp_path):
    """A lab whose instrument has sent a first run and one rerun, and a journal beside it."""
    bench = Bench(tmp_path)
    bench.sends("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    bench.sends("09:20", WBC="12.0", HGB="13.9", rerun=-1)
    async with Desk(tmp_path / "state"):
        pass
    return bench


def values(bench, sample="S1"):
    """Return the lines of the table by parameter, and its heading."""
    lines = bench.ok("results", sample).splitlines()
    heading = lines[: next(n for n, line in enumerate(lines) if "───" in line)]
    rows = {line.split()[0]: line for line in lines[len(heading) :] if line.strip()}
    return rows, "\n".join(heading)


def cells(row):
    return [cell.strip() for cell in row.split("  ") if cell.strip()][1:]


async def test_what_is_shown_and_what_is_to_review_is_marked(bench):
    rows, _ = values(bench)
    assert cells(rows["WBC"]) == ["12.5 10*3/uL (shown)", "12.0 10*3/uL (to review)"]
    assert cells(rows["RBC"]) == ["4.5 10*6/uL (shown)"]


async def test_what_was_settled_is_marked_as_it_was(bench):
    bench.ok("rerun", "confirm", 1, "--take", "1=1")
    rows, _ = values(bench)
    assert cells(rows["WBC"]) == ["12.5 10*3/uL (discarded)", "12.0 10*3/uL (shown)"]
    assert cells(rows["HGB"]) == ["14.0 g/dL (shown)", "13.9 g/dL (discarded)"]


async def test_a_value_on_no_report_has_no_mark(bench):
    bench.sends("09:40", sample="S9", WBC="7.0")
    rows, heading = values(bench, "S9")
    assert "no report" in heading
    assert cells(rows["WBC"]) == ["7.0 10*3/uL"]


WAITING = {
    "pending": "waiting to be delivered",
    "held": "on hold: a reason",
    "parked": "waits behind one on hold",
    "delivered": "",
}


@pytest.mark.parametrize(("state", "said"), WAITING.items(), ids=WAITING)
async def test_what_the_stores_do_not_have_says_why(bench, state, said):
    folder = bench.folder / "state"
    with open_embedded(folder / "store.db") as opened:
        site = Site(opened.stores, lambda **_: None, Rules())
        payload, context = site.payload("10:00", sample="S7", WBC="8.1")
    row = PayloadRow(payload.payload_id, "S7", False, 0, "patient", pack(payload, context))
    async with Desk(folder) as desk:
        entry = await desk.message(b"H|\\^&\r", b"L|1\r")
        await desk.decide(entry, row)
        with desk.read() as reader:
            [stored] = reader.payloads(entry)
        await desk.mark(Mark(stored.payload_key, state, "a reason" if state == "held" else ""))
    rows, heading = values(bench, "S7")
    assert cells(rows["WBC"]) == ["8.1 10*3/uL"]
    assert said in heading
    assert ("wait" in heading or "hold" in heading) == bool(said)
