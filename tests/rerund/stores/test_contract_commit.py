"""Contract of `ReportStore.commit`: everything or nothing, and only over what was read."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from rerund.rerun.records import NO_REPORT, Transaction
from rerund.stores.ports import StaleReport, StoreRejected
from tests.rerund.stores.made import (
    LATER,
    activity,
    event,
    ledger,
    moved,
    report,
    slot,
    unmatched,
    waiting,
    whole,
)


def everything(reports):
    return [
        reports.reports(1, [1, 2]),
        reports.report_values(1, [1, 2]),
        reports.waiting_rows(1, [1, 2]),
        reports.events(1, 1),
        reports.ledger_of_samples(1, ["S1"]),
        reports.activity(1, 1),
    ]


def without_id(rows):
    return [msgspec.structs.replace(row, row_id=None) for row in rows]


@pytest.fixture
def committed(reports, lims):
    lims(report=report())
    reports.commit(whole())
    return reports


def test_what_is_written_is_read(committed):
    transaction = whole()
    assert committed.reports(1, [1]) == [
        report(rerun_version=1, flag=3, last_rerun_number=1, auto_rerun_indexes=[2, 4])
    ]
    assert committed.events(1, 1) == transaction.events
    assert without_id(committed.ledger_of_samples(1, ["S1"])) == transaction.ledger
    assert committed.report_values(1, [1]) == transaction.values
    assert committed.waiting_rows(1, [1]) == transaction.waiting
    assert committed.activity(1, 1) == transaction.activity


@pytest.mark.parametrize(
    "update",
    [
        moved(version=1),
        moved(flag=4),
        moved(is_signed=True),
        moved(number=9),
        moved(lab_id=2),
    ],
    ids=["another version", "another flag", "signed meanwhile", "no such report", "another lab"],
)
def test_a_report_that_is_not_as_read_is_stale_and_nothing_is_written(reports, lims, update):
    lims(report=report())
    before = everything(reports)
    with pytest.raises(StaleReport) as stale:
        reports.commit(whole(reports=[update]))
    assert (stale.value.lab_id, stale.value.lab_report_id) == (update.lab_id, update.lab_report_id)
    assert everything(reports) == before


def test_one_stale_report_of_many_takes_all_back(reports, lims):
    lims(report=report(1))
    lims(report=report(2))
    before = everything(reports)
    with pytest.raises(StaleReport) as stale:
        reports.commit(whole(reports=[moved(2), moved(1, flag=4)]))
    assert (stale.value.lab_id, stale.value.lab_report_id) == (1, None)
    assert everything(reports) == before


@pytest.mark.parametrize(
    "again",
    [
        {"events": [event(2, event_id="event-1-1")]},
        {"events": [event(1, event_id="another")]},
        {"events": [event(2)], "ledger": [ledger(), ledger(2)]},
        {"events": [event(2)], "ledger": [ledger(3), ledger(3)]},
    ],
    ids=["event id", "version of the report", "result", "result twice in it"],
)
def test_a_key_that_exists_is_stale_and_nothing_is_written(committed, again):
    before = everything(committed)
    later = {"values": [slot(2)], "waiting": [], "activity": [activity(979)]}
    with pytest.raises(StaleReport):
        committed.commit(whole(reports=[moved(version=1, flag=3)], **{**later, **again}))
    assert everything(committed) == before


def test_a_row_that_a_store_cannot_take_is_rejected_and_nothing_is_written(committed):
    before = everything(committed)
    bad = slot(2, value=None)
    with pytest.raises(StoreRejected):
        committed.commit(Transaction([moved(version=1, flag=3)], [event(2)], values=[bad]))
    assert everything(committed) == before


def test_no_instant_is_rejected_without_telling_the_value(committed):
    with pytest.raises(StoreRejected) as rejected:
        committed.commit(Transaction(ledger=[ledger(2, run_at="Doe Jane")]))
    assert "Doe" not in str(rejected.value)
    assert rejected.value.__suppress_context__


def test_slots_and_waiting_rows_replace_those_of_their_key(committed):
    changed = slot(value="11.5", rerun_number=1, note=None)
    narrowed = waiting(remaining=[], status="resulted", version=2, updated_at=LATER)
    committed.commit(Transaction(values=[changed, slot(2)], waiting=[narrowed, waiting(2)]))
    assert committed.report_values(1, [1]) == [changed, slot(2)]
    assert committed.waiting_rows(1, [1]) == [narrowed, waiting(2)]


def test_a_row_of_the_ledger_is_rewritten_where_it_is(committed):
    (row,) = committed.ledger_of_samples(1, ["S1"])
    row.settled = "discarded"
    committed.commit(Transaction(ledger=[row]))
    assert committed.ledger_of_samples(1, ["S1"]) == [row]


def test_an_unmatched_row_gets_its_place_and_keeps_its_id(reports, lims):
    lims(report=report())
    reports.commit(Transaction(ledger=[unmatched()]))
    (row,) = reports.ledger_of_samples(1, ["S1"])
    row.lab_report_id, row.index, row.outcome, row.reason = 1, 3, "original", None
    reports.commit(Transaction(ledger=[row]))
    assert reports.ledger_of_reports(1, [1]) == [row]


def test_a_row_that_somebody_placed_meanwhile_is_not_taken_away(reports):
    reports.commit(Transaction(ledger=[unmatched()]))
    mine, theirs = reports.ledger_of_samples(1, ["S1"]) + reports.ledger_of_samples(1, ["S1"])
    theirs.lab_report_id, theirs.index = 1, 3
    reports.commit(Transaction(ledger=[theirs]))
    mine.reason = "no_mapping"
    with pytest.raises(StaleReport):
        reports.commit(Transaction(ledger=[mine]))
    mine.lab_report_id = 2
    with pytest.raises(StaleReport):
        reports.commit(Transaction(ledger=[mine]))
    assert reports.ledger_of_reports(1, [NO_REPORT, 1, 2]) == [theirs]


def test_an_empty_transaction_changes_nothing(committed):
    before = everything(committed)
    committed.commit(Transaction())
    assert everything(committed) == before


def test_of_many_at_once_exactly_one_wins(reports, beside, lims):
    lims(report=report())

    def claim(number):
        store = (reports, beside.reports)[number % 2]
        try:
            store.commit(Transaction([moved()], [event(event_id=f"client-{number}")]))
        except StaleReport:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(claim, range(16)))
    assert won.count(True) == 1
    assert [row.event_id for row in reports.events(1, 1)] == [f"client-{won.index(True)}"]


def test_no_update_is_lost(reports, beside, lims):
    lims(report=report())

    def count_to(store):
        for _ in range(10):
            while True:
                (row,) = store.reports(1, [1])
                version, number = row.rerun_version, row.last_rerun_number
                update = moved(version=version, flag=row.flag, last_rerun_number=number + 1)
                try:
                    store.commit(Transaction([update], [event(version + 1)]))
                except StaleReport:
                    continue
                break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_to, [reports, beside.reports, reports, beside.reports]))
    (row,) = reports.reports(1, [1])
    assert (row.rerun_version, row.last_rerun_number) == (40, 40)
    assert [one.version for one in beside.reports.events(1, 1)] == list(range(1, 41))
