"""Contract of `ReportStore`: what becomes of orders, in their rows, and nowhere else."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from sqlalchemy import insert

from rerund.rerun.order_notes import LONGEST_REASON, OrderNote
from rerund.rerun.records import Transaction
from rerund.stores.ports import StaleReport, StoreRejected
from rerund.stores.rows import as_row
from rerund.stores.schema import lab_report_relation
from tests.rerund.stores.made import AT, event, moved, report, waiting


def note(status, device="42", number=0, **fields):
    row = {"lab_report_id": 1, "row_device_id": "", "rerun_number": number}
    return OrderNote(status=status, device_id=device, **{**row, **fields})


@pytest.fixture
def registered(reports, lims):
    """Report 1 with its original order and the order of its first rerun."""
    lims(report=report())
    reports.commit(Transaction(waiting=[waiting(0, reason="stat"), waiting(1)]))
    return reports


def rows_of(store, number=1):
    return {row.rerun_number: row for row in store.waiting_rows(1, [number])}


def told(store, *notes, number=0):
    idle = store.note_orders(1, notes)
    row = rows_of(store)[number]
    return row.status, row.taken_by, row.reason, row.version, len(idle)


@pytest.mark.parametrize(
    ("notes", "status", "taken_by", "reason", "changes"),
    [
        ((("sent", "42"),), "sent", "42", "stat", 1),
        ((("accepted", "42"),), "accepted", "42", "stat", 1),
        ((("sent", "42"), ("accepted", "42")), "accepted", "42", "stat", 2),
        ((("accepted", "42"), ("sent", "42")), "accepted", "42", "stat", 1),
        ((("sent", "42"), ("sent", "42")), "sent", "42", "stat", 1),
        ((("sent", "42"), ("refused", "42")), "refused", None, "42: no reagent", 2),
        ((("accepted", "42"), ("refused", "42")), "refused", None, "42: no reagent", 2),
        ((("refused", "42"),), "refused", None, "42: no reagent", 1),
        ((("sent", "42"), ("refused", "43")), "sent", "42", "stat", 1),
        ((("accepted", "42"), ("refused", "43")), "accepted", "42", "stat", 1),
        ((("sent", "42"), ("accepted", "43")), "accepted", "43", "stat", 2),
        ((("sent", "42"), ("sent", "43"), ("refused", "42")), "sent", "43", "stat", 2),
        ((("accepted", "42"), ("sent", "43"), ("refused", "42")), "sent", "43", "stat", 2),
        ((("accepted", "42"), ("accepted", "43")), "accepted", "43", "stat", 2),
        ((("refused", "42"), ("sent", "43")), "sent", "43", None, 2),
        ((("refused", "42"), ("refused", "43")), "refused", None, "42: no reagent", 1),
    ],
)
def test_a_note_moves_a_row_from_the_states_it_may_follow(
    registered, notes, status, taken_by, reason, changes
):
    made = [note(said, device, reason="no reagent") for said, device in notes]
    state = (status, taken_by, reason, 1 + changes, len(notes) - changes)
    assert told(registered, *made) == state


def test_a_note_is_no_event_and_leaves_report_and_other_rows_alone(registered):
    before = registered.reports(1, [1]), registered.events(1, 1), rows_of(registered)[1]
    registered.note_orders(1, [note("sent")])
    after = registered.reports(1, [1]), registered.events(1, 1), rows_of(registered)[1]
    assert after == before
    assert rows_of(registered)[0].updated_at > AT


def test_notes_of_rows_that_are_closed_or_gone_change_nothing(registered):
    done = waiting(0, status="resulted", version=2)
    registered.commit(Transaction(waiting=[done]))
    notes = [note("sent"), note("sent", row_device_id="42"), note("sent", lab_report_id=9)]
    assert registered.note_orders(1, notes) == notes
    assert registered.note_orders(2, [note("sent", number=1)]) != []
    assert registered.note_orders(1, []) == []
    assert list(rows_of(registered).values()) == [done, waiting(1)]


def test_a_reason_that_is_too_long_is_cut(registered):
    registered.note_orders(1, [note("refused", reason="µ" * 300)])
    reason = rows_of(registered)[0].reason
    assert (reason[:5], len(reason)) == ("42: µ", LONGEST_REASON)


def test_of_many_notes_all_or_none_are_taken(registered):
    notes = [note("sent"), note("refused", number=1, reason="\ud800")]
    with pytest.raises(StoreRejected):
        registered.note_orders(1, notes)
    assert rows_of(registered)[0].status == "pending"


def test_whatever_notes_are_told_again_the_rows_end_as_they_were(reports, lims):
    """Of every sequence of three notes, all and each end of it are told once more."""
    said = list(product(("sent", "accepted", "refused"), ("42", "43")))
    ways = [(way, start) for way in product(said, repeat=3) for start in range(3)]
    numbers = range(1, len(ways) + 1)
    with lims.database.write() as connection:
        rows = [as_row(report(number)) for number in numbers]
        connection.execute(insert(lab_report_relation), rows)
    reports.commit(Transaction(waiting=[waiting(0, lab_report_id=n) for n in numbers]))

    def notes(number, way):
        return [note(s, d, lab_report_id=number, reason=f"r{i}") for i, (s, d) in enumerate(way)]

    def ends():
        rows = reports.waiting_rows(1, list(numbers))
        return [(r.status, r.taken_by, r.reason if r.status == "refused" else None) for r in rows]

    every = [notes(number, way) for number, (way, _) in zip(numbers, ways, strict=True)]
    reports.note_orders(1, [one for told in every for one in told])
    before = ends()
    again = [told[start:] for told, (_, start) in zip(every, ways, strict=True)]
    reports.note_orders(1, [one for told in again for one in told])
    assert ends() == before


@pytest.mark.parametrize("status", ["sent", "accepted", "refused"])
def test_an_order_that_went_to_an_instrument_waits_again(registered, status):
    registered.note_orders(1, [note(status, reason="no reagent")])
    row = rows_of(registered)[0]
    registered.order_again(1, [row])
    again = rows_of(registered)[0]
    reason = None if status == "refused" else "stat"
    state = (again.status, again.taken_by, again.reason, again.version)
    assert state == ("pending", None, reason, row.version + 1)
    assert again.updated_at >= row.updated_at


def test_of_orders_that_wait_again_one_that_has_changed_is_stale(registered):
    registered.note_orders(1, [note("sent"), note("sent", number=1)])
    rows = registered.waiting_rows(1, [1])
    registered.note_orders(1, [note("accepted", number=1)])
    with pytest.raises(StaleReport):
        registered.order_again(1, rows)
    assert [row.status for row in registered.waiting_rows(1, [1])] == ["sent", "accepted"]


def test_an_open_order_says_who_has_taken_it(registered):
    registered.note_orders(1, [note("sent")])
    taken = [row.taken_by for row in registered.orders(1, "2020-01-01T00:00:00Z")]
    assert taken == ["42", None]


def test_the_order_token_differs_after_a_note(registered, beside):
    before = registered.order_token(1)
    beside.reports.note_orders(1, [note("sent")])
    assert registered.order_token(1) != before


def test_a_change_of_a_report_does_not_undo_a_note_that_it_did_not_see(registered, beside):
    (seen, _) = registered.waiting_rows(1, [1])
    beside.reports.note_orders(1, [note("accepted")])
    narrowed = waiting(0, remaining=[], version=seen.version + 1)
    with pytest.raises(StaleReport):
        registered.commit(Transaction([moved()], [event()], waiting=[narrowed]))
    assert rows_of(registered)[0].status == "accepted"
    assert (registered.reports(1, [1])[0].rerun_version, registered.events(1, 1)) == (0, [])


def test_a_new_row_goes_over_none_that_is_there(registered):
    with pytest.raises(StaleReport):
        registered.commit(Transaction(waiting=[waiting(2), waiting(1, remaining=[1])]))
    assert list(rows_of(registered)) == [0, 1]


def test_notes_and_changes_of_the_same_rows_never_undo_each_other(reports, beside, lims):
    numbers = range(1, 31)
    for number in numbers:
        lims(report=report(number))
    reports.commit(Transaction(waiting=[waiting(0, lab_report_id=n) for n in numbers]))

    def narrow(store):
        while True:
            rows = [row for row in store.waiting_rows(1, list(numbers)) if row.remaining]
            for row in rows:
                row.remaining, row.version = [], row.version + 1
            try:
                store.commit(Transaction(waiting=rows[::-1]))
            except StaleReport:
                continue
            return

    def tell(store, status):
        for start in (20, 10, 0):
            some = numbers[start : start + 10]
            store.note_orders(1, [note(status, lab_report_id=n) for n in some])

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(narrow, reports), pool.submit(narrow, beside.reports)]
        work += [pool.submit(tell, reports, "sent"), pool.submit(tell, beside.reports, "accepted")]
        for one in work:
            one.result()
    rows = reports.waiting_rows(1, list(numbers))
    assert {(tuple(row.remaining), row.status, row.taken_by) for row in rows} == {
        ((), "accepted", "42")
    }
