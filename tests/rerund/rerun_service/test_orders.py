"""What becomes of orders leaves reports alone, and nobody undoes it."""

import pytest
from structlog.testing import capture_logs

from rerund.rerun.order_notes import OrderNote
from rerund.rerun.refusals import Conflict, NotFound
from tests.rerund.conftest import EVERYWHERE, LAB

pytestmark = EVERYWHERE


@pytest.fixture
def requested(site):
    """A report with an open rerun of WBC and HGB."""
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    site.request(1, 3)
    return site


def note(status, device="42", **fields):
    row = {"lab_report_id": 1, "row_device_id": "", "rerun_number": 1, **fields}
    return OrderNote(status=status, device_id=device, **row)


def tell(site, *notes):
    site.service.note_orders(LAB, notes)


def the_row(site):
    (row,) = site.stores.reports.waiting_rows(LAB, [1])
    return row


def test_a_confirm_at_what_was_seen_before_a_note_is_taken(requested):
    requested.send("10:10", WBC="12.0", rerun=1)
    seen = requested.row().rerun_version
    tell(requested, note("sent"), note("accepted"))
    requested.confirm((1, 1), version=seen, close_open=True)
    assert requested.slots()[1] == "12.0"
    assert the_row(requested).status == "cancelled"


def test_a_note_between_reading_and_writing_a_change_stays(requested, monkeypatch):
    reports = requested.stores.reports
    commit = reports.commit
    due = [note("accepted")]

    def commit_late(transaction):
        reports.note_orders(LAB, [due.pop()] if due else [])
        commit(transaction)

    monkeypatch.setattr(reports, "commit", commit_late, raising=False)
    requested.send("10:10", WBC="12.0", rerun=1)
    row = the_row(requested)
    assert (row.status, row.taken_by, row.remaining) == ("accepted", "42", [3])
    assert not due


def test_notice_is_given_of_what_notes_changed_and_of_nothing_else(requested):
    heard = []
    requested.stores.numbers.subscribe(LAB, lambda: heard.append(1))
    requested.stores.numbers.notify = lambda lab_id: heard.append(lab_id)
    tell(requested, note("sent"))
    tell(requested, note("sent"))
    assert heard.count(LAB) == 1


def test_what_another_instrument_refuses_is_logged_and_changes_nothing(requested):
    with capture_logs() as logs:
        tell(requested, note("sent"), note("refused", "43", reason="no such test"))
    (line,) = [line for line in logs if line["event"] == "refusal_ignored"]
    assert (line["instrument"], line["taken_by"], line["report"]) == ("43", "42", 1)
    assert (the_row(requested).status, the_row(requested).taken_by) == ("sent", "42")


def test_a_refusal_told_again_is_not_logged(requested):
    with capture_logs() as logs:
        tell(requested, note("refused"))
        tell(requested, note("refused"))
    assert logs == []


def test_orders_wait_again_by_report_number_and_instrument(requested):
    tell(requested, note("sent"))
    for choice in ({"rerun_number": 0}, {"device_id": "43"}):
        with pytest.raises(Conflict, match="went to an instrument") as refused:
            requested.service.order_again(LAB, 1, **choice)
        assert refused.value.code == "nothing_sent"
    version = requested.row().rerun_version
    (row,) = requested.service.order_again(LAB, 1, rerun_number=1, device_id="42")
    assert (row.status, row.taken_by, row) == ("pending", None, the_row(requested))
    assert requested.row().rerun_version == version


def test_nothing_that_is_pending_or_closed_is_ordered_again(requested):
    with pytest.raises(Conflict):
        requested.service.order_again(LAB, 1)
    tell(requested, note("sent"))
    requested.cancel()
    with pytest.raises(Conflict):
        requested.service.order_again(LAB, 1)
    with pytest.raises(NotFound):
        requested.service.order_again(LAB, 9)


def test_a_row_is_one_version_up_however_often_one_transaction_changes_it(requested):
    before = the_row(requested).version
    made = [
        requested.payload("10:10", rerun=1, WBC="12.0"),
        requested.payload("10:11", rerun=1, HGB="14.1"),
    ]
    requested.again(*made)
    assert (the_row(requested).status, the_row(requested).version) == ("resulted", before + 1)
