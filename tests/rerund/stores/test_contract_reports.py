"""Contract of what `ReportStore` answers: of one lab, in its order, within its limits."""

import time

import msgspec
import pytest
from sqlalchemy import insert

from rerund.rerun.instants import iso
from rerund.rerun.records import Transaction
from rerund.stores.rows import as_row
from rerund.stores.schema import lab_report_relation
from tests.rerund.conftest import CBC, LAB_DATA
from tests.rerund.stores.made import (
    AT,
    LATER,
    activity,
    event,
    ledger,
    report,
    slot,
    unmatched,
    waiting,
)


def numbers_of(rows):
    return [row.lab_report_id for row in rows]


def results_of(rows):
    return [row.result_id for row in rows]


def test_now_is_the_time(reports):
    before = time.time()
    assert before - 60 < reports.now() < before + 60


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("reports", [1]),
        ("reports_of_samples", ["S1"]),
        ("report_values", [1]),
        ("waiting_rows", [1]),
        ("unapplied_events", [1]),
        ("ledger_by_result", ["j-17-1-1"]),
        ("ledger_of_samples", ["S1"]),
        ("ledger_of_reports", [1]),
    ],
)
def test_rows_are_those_of_the_lab_and_of_the_keys(reports, lims, method, keys):
    lims(report=report())
    reports.commit(
        Transaction(events=[event()], ledger=[ledger()], values=[slot()], waiting=[waiting()])
    )
    ask = getattr(reports, method)
    assert len(ask(1, keys)) == 1
    assert ask(2, keys) == []
    assert ask(1, []) == []
    assert ask(1, ["S9"] if isinstance(keys[0], str) else [9]) == []


def test_a_report_is_read_as_the_lims_wrote_it(reports, lims):
    row = report(
        patient_id="P1",
        patient_name="Ünal^Ayşe",
        sex="F",
        birth_date="1980-02-01",
        is_completed=True,
        is_signed=True,
        completed_at=LATER,
        flag=1,
        results_checked=True,
    )
    lims(report=row)
    assert reports.reports(1, [1]) == [row]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-05-20T09:00:00Z", "2026-05-20T09:00:00.000Z"),
        ("2026-05-20T11:00:00+02:00", "2026-05-20T09:00:00.000Z"),
        ("2026-05-20T09:00:00", "2026-05-20T09:00:00.000Z"),
        ("2026-05-20T09:00:00.123456Z", "2026-05-20T09:00:00.123456Z"),
    ],
    ids=["seconds", "another zone", "no zone is UTC", "microseconds"],
)
def test_an_instant_is_kept_in_utc(reports, lims, written, read):
    lims(report=report(registered_at=written))
    assert reports.reports(1, [1])[0].registered_at == read


def test_sample_ids_differ_by_every_letter(reports, lims):
    for number, sample in enumerate(["abc", "ABC", "äbc", "abç"], 1):
        lims(report=report(number, sample_id=sample))
    assert numbers_of(reports.reports_of_samples(1, ["abc"])) == [1]
    assert numbers_of(reports.reports_of_samples(1, ["abc", "abç"])) == [1, 4]


def test_unchecked_reports_come_in_order_of_registration_until_marked(reports, lims):
    for number, at in enumerate(["10:00", "09:00", "11:00"], 1):
        lims(report=report(number, registered_at=f"2026-05-20T{at}:00Z"))
    lims(report=report(4, lab_id=2))
    assert numbers_of(reports.unchecked_reports(1, 2)) == [2, 1]
    reports.mark_checked(1, [2, 4])
    reports.mark_checked(1, [])
    assert numbers_of(reports.unchecked_reports(1, 9)) == [1, 3]
    assert numbers_of(reports.unchecked_reports(2, 9)) == [4]


def test_slots_come_by_report_and_index(reports):
    reports.commit(Transaction(values=[slot(3, 2), slot(2, 1), slot(1, 2)]))
    rows = reports.report_values(1, [1, 2])
    assert [(row.lab_report_id, row.index) for row in rows] == [(1, 2), (2, 1), (2, 3)]


def test_the_copy_has_reruns_that_are_open_or_closed_since(reports, lims):
    lims(report=report())
    late = {"updated_at": LATER}
    rows = [
        waiting(0),
        waiting(1),
        waiting(2, status="sent"),
        waiting(3, status="accepted"),
        waiting(4, status="refused"),
        waiting(5, status="resulted"),
        waiting(6, status="resulted", **late),
        waiting(7, status="cancelled", **late),
        waiting(7, device_id="42", status="cancelled"),
    ]
    reports.commit(Transaction(waiting=rows))
    copied = reports.waiting_copy(1, LATER)
    assert [row.rerun_number for row in copied] == [1, 2, 3, 4, 6, 7]
    assert reports.waiting_rows(1, [1]) == rows
    assert reports.waiting_copy(2, LATER) == []


def test_a_waiting_row_has_sample_and_format_of_its_report(reports, lims):
    lims(report=report(sample_id="S77", report_format_id=5))
    reports.commit(Transaction(waiting=[waiting()]))
    (row,) = reports.waiting_rows(1, [1])
    assert (row.sample_id, row.report_format_id) == ("S77", 5)


def test_events_wait_until_applied(reports):
    reports.commit(Transaction(events=[event(2), event(1), event(1, 2)]))
    waiting_for = [(row.lab_report_id, row.version) for row in reports.unapplied_events(1, [1, 2])]
    assert waiting_for == [(1, 1), (1, 2), (2, 1)]
    assert reports.unapplied_reports(1, 9) == [1, 2]
    assert reports.unapplied_reports(1, 1) == [1]
    reports.mark_applied(1, ["event-1-1", "event-1-2"])
    reports.mark_applied(2, ["event-2-1"])
    reports.mark_applied(1, [])
    assert reports.unapplied_reports(1, 9) == [2]
    assert numbers_of(reports.unapplied_events(1, [1, 2])) == [2]


def test_the_time_of_applying_is_kept(reports):
    reports.commit(Transaction(events=[event()]))
    reports.mark_applied(1, ["event-1-1"])
    first = reports.event(1, "event-1-1")
    assert first.applied_at is not None
    reports.mark_applied(1, ["event-1-1"])
    assert reports.event(1, "event-1-1") == first


def test_an_event_is_found_by_its_id(reports):
    reports.commit(Transaction(events=[event()]))
    assert reports.event(1, "event-1-1") == event()
    assert reports.event(2, "event-1-1") is None
    assert reports.event(1, "EVENT-1-1") is None


def test_the_ledger_is_in_order_of_arrival(reports):
    reports.commit(Transaction(ledger=[ledger(3), ledger(1)]))
    reports.commit(Transaction(ledger=[ledger(2)]))
    rows = reports.ledger_of_samples(1, ["S1"])
    assert results_of(rows) == ["j-17-1-3", "j-17-1-1", "j-17-1-2"]
    assert reports.ledger_of_reports(1, [1]) == rows
    assert results_of(reports.ledger_by_result(1, ["j-17-1-1", "j-17-1-3"])) == [
        "j-17-1-3",
        "j-17-1-1",
    ]


def test_the_ledger_since_a_time(reports):
    reports.commit(Transaction(ledger=[ledger(1, received_at=AT), ledger(2, received_at=LATER)]))
    assert results_of(reports.ledger_of_samples(1, ["S1"], LATER)) == ["j-17-1-2"]
    assert len(reports.ledger_of_samples(1, ["S1"], AT)) == 2


def test_one_result_may_have_several_places(reports):
    rows = [ledger(index=1), ledger(index=2), ledger(lab_report_id=2), unmatched()]
    reports.commit(Transaction(ledger=rows))
    places = [(r.lab_report_id, r.index) for r in reports.ledger_by_result(1, ["j-17-1-1"])]
    assert places == [(1, 1), (1, 2), (2, 1), (0, -1)]


@pytest.fixture
def matchable(reports, lims):
    """Samples S1 to S4 with an unmatched WBC, of which S1, S2 and S4 have a report."""
    lims(lab=LAB_DATA)
    for number in (1, 2, 4):
        lims(report=report(number, report_format_id=CBC))
    rows = [unmatched(number, sample_id=f"S{number}") for number in (4, 3, 2, 1)]
    reports.commit(Transaction(ledger=rows))
    return reports


def test_samples_that_a_report_could_take(matchable):
    assert matchable.matchable_samples(1, AT, "", 9) == ["S1", "S2", "S4"]
    assert matchable.matchable_samples(1, AT, "", 2) == ["S1", "S2"]
    assert matchable.matchable_samples(1, AT, "S2", 9) == ["S4"]
    assert matchable.matchable_samples(1, LATER, "", 9) == []
    assert matchable.matchable_samples(2, AT, "", 9) == []


@pytest.mark.parametrize(
    "change",
    [{"outcome": "ignored"}, {"test_code": "BASO"}, {"device_id": "77"}],
    ids=["not waiting", "no mapping", "another instrument"],
)
def test_samples_that_no_report_could_take(matchable, change):
    for row in matchable.ledger_of_samples(1, ["S1"]):
        matchable.commit(Transaction(ledger=[msgspec.structs.replace(row, **change)]))
    assert matchable.matchable_samples(1, AT, "", 9) == ["S2", "S4"]


def test_the_log_is_in_order(reports):
    lines = [activity(981), activity(979), activity(985, rerun_number=None, user_id=7)]
    reports.commit(Transaction(activity=lines))
    reports.commit(Transaction(activity=[activity(980), activity(981, lab_report_id=2)]))
    assert reports.activity(1, 1) == [*lines, activity(980)]


def test_the_lab_is_read_as_it_was_written(reports, lims):
    lims(lab=LAB_DATA)
    read = reports.lab_data(1)
    assert (read.formats, read.devices) == (LAB_DATA.formats, LAB_DATA.devices)
    assert set(read.mappings) == set(LAB_DATA.mappings)
    unknown = reports.lab_data(9)
    assert (unknown.formats, unknown.devices, unknown.mappings) == ((), (), ())


def test_the_version_of_the_lab_differs_after_each_change(reports, lims):
    one = LAB_DATA.mappings[0]
    order_code = (msgspec.structs.replace(one, order_code="OTHER"), *LAB_DATA.mappings[1:])
    states = [
        msgspec.structs.replace(LAB_DATA, mappings=mappings)
        for mappings in (LAB_DATA.mappings, LAB_DATA.mappings[1:], order_code, LAB_DATA.mappings)
    ]
    versions = [reports.lab_data_version(1)]
    for state in states:
        lims(lab=state)
        versions.append(reports.lab_data_version(1))
    assert len(set(versions)) == len(versions)
    lims(lab=states[-1])
    assert reports.lab_data_version(1) == versions[-1]


def looked_at(store):
    return store.change_token(1, 365 * 86400.0)


def test_the_token_differs_after_all_that_is_to_be_looked_at(reports, beside, lims):
    now = iso(reports.now())
    lims(report=report())
    tokens = [looked_at(reports)]
    assert looked_at(reports) == tokens[0]
    for store, transaction in (
        (reports, Transaction(waiting=[waiting(updated_at=now)])),
        (beside.reports, Transaction(waiting=[waiting(version=2, updated_at=now)])),
        (reports, Transaction(waiting=[waiting(version=2, device_id="42", updated_at=now)])),
        (reports, Transaction(waiting=[waiting(status="resulted", version=3, updated_at=now)])),
        (beside.reports, Transaction(waiting=[waiting(2, status="cancelled", updated_at=now)])),
        (reports, Transaction(events=[event()])),
        (beside.reports, Transaction(events=[event(2)])),
    ):
        store.commit(transaction)
        tokens.append(looked_at(reports))
    beside.reports.mark_applied(1, [event().event_id])
    tokens.append(looked_at(reports))
    lims(report=report(2))
    tokens.append(looked_at(reports))
    reports.mark_checked(1, [1])
    tokens.append(looked_at(reports))
    assert len(set(tokens)) == len(tokens)
    reports.reports(1, [1, 2])
    assert looked_at(reports) == tokens[-1]


def test_a_transaction_that_commits_late_changes_the_token_then(reports, lims):
    before = looked_at(reports)
    with lims.database.write() as connection:
        connection.execute(insert(lab_report_relation), as_row(report()))
        assert looked_at(reports) == before
    assert looked_at(reports) != before
