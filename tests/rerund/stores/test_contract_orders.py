"""Contract of the open orders: what an instrument may be told of, and whether that has changed."""

import msgspec
import pytest

from rerund.rerun.order_notes import OrderNote
from rerund.rerun.records import OrderRow, Transaction
from rerund.stores.ports import StaleReport
from tests.rerund.stores.made import AT, LATER, report, waiting

EARLIER = "2026-05-20T08:00:00.000Z"


def original(number=1, **fields):
    row = {"rerun_type": None, "requested": [1, 2], "remaining": [2], **fields}
    return waiting(0, lab_report_id=number, **row)


def keys(rows):
    return [(row.lab_report_id, row.rerun_number, row.device_id) for row in rows]


def test_an_order_has_the_patient_of_its_report(reports, lims):
    patient = {"patient_name": "Ünal^Ayşe", "sex": "F", "birth_date": "1980-02-01"}
    lims(report=report(sample_id="S77", report_format_id=5, patient_id="P1", **patient))
    reports.commit(Transaction(waiting=[original(priority="S", version=4)]))
    order = OrderRow(
        lab_report_id=1,
        device_id="",
        rerun_number=0,
        remaining=[2],
        priority="S",
        status="pending",
        version=4,
        created_at=AT,
        sample_id="S77",
        report_format_id=5,
        patient_id="P1",
        **patient,
    )
    assert reports.orders(1, AT) == [order]
    assert reports.orders_of_samples(1, ["S77"], AT) == [order]


def test_originals_and_reruns_come_by_report_number_and_instrument(reports, lims):
    for number in (1, 2):
        lims(report=report(number))
    rows = [
        waiting(1, lab_report_id=2),
        original(2),
        waiting(1, device_id="43"),
        waiting(1, device_id="42"),
        original(1),
    ]
    reports.commit(Transaction(waiting=rows))
    in_order = [(1, 0, ""), (1, 1, "42"), (1, 1, "43"), (2, 0, ""), (2, 1, "")]
    assert keys(reports.orders(1, AT)) == in_order
    assert keys(reports.orders_of_samples(1, ["S2", "S1"], AT)) == in_order


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("pending", True),
        ("sent", True),
        ("accepted", True),
        ("refused", True),
        ("resulted", False),
        ("cancelled", False),
    ],
)
def test_an_order_is_open_until_it_is_resulted_or_cancelled(reports, lims, status, is_open):
    lims(report=report())
    reports.commit(Transaction(waiting=[original(status=status), waiting(1, status=status)]))
    expected = [(1, 0, ""), (1, 1, "")] if is_open else []
    assert keys(reports.orders(1, AT)) == expected
    assert keys(reports.orders_of_samples(1, ["S1"], AT)) == expected


@pytest.mark.parametrize("done", ["is_completed", "is_signed"])
def test_of_a_report_that_is_done_only_reruns_are_measured(reports, lims, done):
    lims(report=report(1, **{done: True}))
    lims(report=report(2))
    reports.commit(Transaction(waiting=[original(1), waiting(1), original(2)]))
    assert keys(reports.orders(1, AT)) == [(1, 1, ""), (2, 0, "")]
    assert keys(reports.orders_of_samples(1, ["S1", "S2"], AT)) == [(1, 1, ""), (2, 0, "")]


def test_reports_of_long_ago_have_no_orders(reports, lims):
    for number, at in enumerate([EARLIER, AT, LATER], 1):
        lims(report=report(number, registered_at=at))
    rows = [row for number in (1, 2, 3) for row in (original(number),)]
    reports.commit(Transaction(waiting=[*rows, waiting(1)]))
    assert keys(reports.orders(1, AT)) == [(2, 0, ""), (3, 0, "")]
    assert keys(reports.orders_of_samples(1, ["S1", "S2"], AT)) == [(2, 0, "")]
    assert len(reports.orders(1, EARLIER)) == 4


def test_orders_are_those_of_the_lab_and_of_the_samples(reports, lims):
    """Another lab may have the same samples and the same numbers of reports."""
    for lab in (1, 2):
        lims(report=report(1, lab_id=lab, patient_name=f"of lab {lab}"))
    lims(report=report(2))
    reports.commit(Transaction(waiting=[original(1), original(1, lab_id=2), original(2)]))
    assert [row.patient_name for row in reports.orders(2, AT)] == ["of lab 2"]
    assert [row.patient_name for row in reports.orders_of_samples(1, ["S1"], AT)] == ["of lab 1"]
    assert keys(reports.orders_of_samples(1, ["S2", "S9"], AT)) == [(2, 0, "")]
    assert reports.orders_of_samples(1, ["s1"], AT) == []
    assert reports.orders_of_samples(1, [], AT) == []
    assert reports.orders(3, AT) == []


def test_an_order_that_comes_before_its_report_waits_for_it(reports, lims):
    reports.commit(Transaction(waiting=[original()]))
    assert reports.orders(1, AT) == []
    lims(report=report())
    assert keys(reports.orders(1, AT)) == [(1, 0, "")]


# Each is a row as it was and as it is; None is no row.
CHANGES = {
    "an order came": (None, original()),
    "a rerun came": (None, waiting(1)),
    "one more for another instrument": (None, waiting(0, device_id="43")),
    "something was measured": (original(), original(remaining=[1], version=2)),
    "it was sent": (original(), original(status="sent", version=2)),
    "it was refused": (waiting(1), waiting(1, status="refused", version=2, reason="42: no")),
    "it was resulted": (original(), original(status="resulted", remaining=[], version=2)),
    "it was cancelled": (waiting(1), waiting(1, status="cancelled", version=2)),
    "it was opened again": (original(status="resulted"), original(version=2)),
    "its version is another": (original(), original(version=2)),
}


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=list(CHANGES))
def test_the_token_of_the_orders_differs_after_each_change(reports, beside, before, after):
    reports.commit(Transaction(waiting=[original(5), *([before] if before else [])]))
    token, theirs = reports.order_token(1), beside.reports.order_token(1)
    reports.commit(Transaction(waiting=[after]))
    assert reports.order_token(1) != token
    assert beside.reports.order_token(1) != theirs


def test_the_token_of_the_orders_stays_while_nothing_is_committed(reports, lims):
    lims(report=report())
    empty = reports.order_token(1)
    assert reports.order_token(1) == empty
    reports.commit(Transaction(waiting=[original(), waiting(1)]))
    token = reports.order_token(1)
    reports.orders(1, AT)
    assert reports.order_token(1) == token


def test_a_row_that_goes_as_another_comes_changes_the_token(reports):
    """As many open rows as before, with the same versions."""
    one = original()
    reports.commit(Transaction(waiting=[one]))
    token = reports.order_token(1)
    gone = msgspec.structs.replace(one, status="cancelled", version=2)
    reports.commit(Transaction(waiting=[gone, original(2)]))
    assert reports.order_token(1) != token


def note(status="sent", number=1, **fields):
    row = {"row_device_id": "", "rerun_number": 0, "device_id": "42", **fields}
    return OrderNote(lab_report_id=number, status=status, **row)


def test_a_note_changes_its_row_and_its_token_or_is_answered(reports, lims, beside):
    for number in (1, 2):
        lims(report=report(number))
    reports.commit(Transaction(waiting=[original(), original(2, status="resulted")]))
    token, theirs = reports.order_token(1), beside.reports.order_token(1)
    closed, missing = note(number=2), note(rerun_number=7)
    assert reports.note_orders(1, [missing, closed, note(), note("accepted")]) == [missing, closed]
    row, other = reports.waiting_rows(1, [1, 2])
    assert (row.status, row.taken_by, row.version) == ("accepted", "42", 3)
    assert (other.status, other.taken_by, other.version) == ("resulted", None, 1)
    assert row.updated_at > AT
    assert reports.order_token(1) != token
    assert beside.reports.order_token(1) != theirs
    assert reports.note_orders(1, []) == []


def test_of_rows_that_are_to_be_sent_again_all_are_as_they_were_read_or_none_is(reports, lims):
    for number in (1, 2):
        lims(report=report(number))
    reports.commit(Transaction(waiting=[original(), original(2)]))
    reports.note_orders(1, [note(), note(number=2)])
    rows = reports.waiting_rows(1, [1, 2])
    reports.note_orders(1, [note("refused", number=2)])
    with pytest.raises(StaleReport):
        reports.order_again(1, rows)
    assert [row.status for row in reports.waiting_rows(1, [1, 2])] == ["sent", "refused"]
    token = reports.order_token(1)
    reports.order_again(1, reports.waiting_rows(1, [1, 2]))
    again = reports.waiting_rows(1, [1, 2])
    assert [(row.status, row.taken_by, row.reason) for row in again] == [
        ("pending", None, None)
    ] * 2
    assert reports.order_token(1) != token


def test_a_commit_on_a_row_that_a_note_has_changed_meanwhile_is_stale(reports, lims):
    lims(report=report())
    reports.commit(Transaction(waiting=[original()]))
    (read,) = reports.waiting_rows(1, [1])
    reports.note_orders(1, [note()])
    narrowed = msgspec.structs.replace(read, remaining=[], version=read.version + 1)
    with pytest.raises(StaleReport):
        reports.commit(Transaction(waiting=[narrowed]))
    (row,) = reports.waiting_rows(1, [1])
    assert (row.status, row.remaining) == ("sent", [2])
