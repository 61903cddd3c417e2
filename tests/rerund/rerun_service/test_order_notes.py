"""What became of an order at an instrument, in the row of the waiting list."""

import msgspec
import pytest
from structlog.testing import capture_logs

from rerund.rerun.order_notes import LONGEST_REASON, OrderNote
from rerund.rerun.refusals import Conflict, NotFound
from tests.rerund.conftest import EVERYWHERE, LAB
from tests.rerund.ordered import put
from tests.rerund.rerun_service.test_crash import Interrupted
from tests.rerund.stores.made import waiting

pytestmark = EVERYWHERE

NOTE = OrderNote(lab_report_id=1, row_device_id="", rerun_number=0, device_id="42", status="sent")


def said(site, status, **fields):
    """Note something of an order."""
    site.service.note_orders(LAB, [note(status, **fields)])


def note(status, **fields):
    return msgspec.structs.replace(NOTE, status=status, **fields)


def row(site):
    """Return the row of the original order."""
    return site.stores.reports.waiting_rows(LAB, [1])[0]


def states(site):
    rows = site.stores.reports.waiting_rows(LAB, [1])
    return {(row.rerun_number, row.device_id): row.status for row in rows}


@pytest.fixture
def site(site):
    site.report()
    put(site, waiting(0, rerun_type=None))
    return site


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        ("pending", "sent", "sent"),
        ("pending", "accepted", "accepted"),
        ("pending", "refused", "refused"),
        ("sent", "sent", "sent"),
        ("sent", "accepted", "accepted"),
        ("sent", "refused", "refused"),
        ("accepted", "sent", "accepted"),
        ("accepted", "accepted", "accepted"),
        ("accepted", "refused", "refused"),
        ("refused", "sent", "sent"),
        ("refused", "accepted", "accepted"),
        ("refused", "refused", "refused"),
        ("resulted", "sent", "resulted"),
        ("resulted", "accepted", "resulted"),
        ("resulted", "refused", "resulted"),
        ("cancelled", "sent", "cancelled"),
        ("cancelled", "accepted", "cancelled"),
        ("cancelled", "refused", "cancelled"),
    ],
)
def test_what_is_said_of_an_order_moves_its_row(site, before, told, after):
    put(site, waiting(0, rerun_type=None, status=before))
    version = row(site).version
    said(site, told, reason="no tube")
    changed = after != before
    assert (row(site).status, row(site).version) == (after, version + changed)
    assert row(site).reason == ("42: no tube" if changed and told == "refused" else None)
    assert row(site).taken_by == ("42" if changed and told != "refused" else None)


def test_notes_are_taken_in_their_order_and_told_again_the_rows_end_as_they_are(site):
    put(site, waiting(1))
    notes = [note("sent"), note("sent", rerun_number=1), note("accepted"), note("refused")]
    for _ in range(2):
        site.service.note_orders(LAB, notes)
        assert states(site) == {(0, ""): "refused", (1, ""): "sent"}
    version = row(site).version
    said(site, "refused")
    assert row(site).version == version


def test_a_note_is_no_event_of_the_report_and_a_decision_at_hand_stays_good(site):
    site.send("09:00", WBC="12.5")
    site.request(1, at="10:00")
    site.send("10:10", WBC="12.1", RBC="4.4", rerun=1)
    version, before = site.row().rerun_version, site.everything()
    said(site, "sent")
    after = site.everything()
    same = ("slots", "ledger", "log", "reruns", "values", "numbers", "unapplied")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert site.row().rerun_version == version
    site.confirm((1, 1), at="10:20", version=version)
    assert row(site).status == "sent"


def test_values_and_a_note_at_the_same_moment_both_stay(site):
    """The values are decided again on the row as the note has left it."""
    put(site, waiting(0, rerun_type=None, requested=[1, 3], remaining=[1, 3]))
    plain = site.service
    happens = Interrupted(site.stores.reports, lambda: plain.note_orders(LAB, [note("accepted")]))
    site.stores = site.stores._replace(reports=happens)
    site.restart()
    site.send("09:00", WBC="12.5")
    assert site.waiting() == [(0, [3], "accepted")]
    assert row(site).taken_by == "42"


def test_a_note_is_of_the_row_of_its_number_and_instrument(site):
    put(site, waiting(1), waiting(1, device_id="42"), waiting(2, device_id="43"))
    said(site, "sent", rerun_number=1)
    said(site, "refused", rerun_number=2, row_device_id="43", device_id="43")
    assert states(site) == {
        (0, ""): "pending",
        (1, ""): "sent",
        (1, "42"): "pending",
        (2, "43"): "refused",
    }


@pytest.mark.parametrize(
    "fields",
    [{"lab_report_id": 9}, {"rerun_number": 4}, {"row_device_id": "43"}],
    ids=["report", "number", "instrument"],
)
def test_a_note_of_what_is_not_there_changes_nothing(site, fields):
    before = site.everything()
    said(site, "sent", **fields)
    assert site.everything() == before


def test_what_an_instrument_refuses_while_another_has_it_stays_with_that(site):
    said(site, "accepted")
    with capture_logs() as logs:
        said(site, "refused", device_id="43")
    assert (row(site).status, row(site).taken_by, row(site).reason) == ("accepted", "42", None)
    (line,) = [line for line in logs if line["event"] == "refusal_ignored"]
    assert (line["report"], line["instrument"], line["taken_by"]) == (1, "43", "42")


def test_who_takes_what_another_refused_has_it_without_the_reason(site):
    said(site, "refused", reason="no reagent")
    said(site, "sent", device_id="43")
    assert (row(site).status, row(site).taken_by, row(site).reason) == ("sent", "43", None)


def test_a_long_reason_is_cut_to_what_the_column_takes(site):
    said(site, "refused", reason="ü" * 1000)
    assert row(site).reason == "42: " + "ü" * (LONGEST_REASON - 4)


def test_a_refused_order_is_measured_all_the_same_when_its_values_come(site):
    put(site, waiting(0, rerun_type=None, requested=[1, 3], remaining=[1, 3]))
    said(site, "refused")
    site.send("09:00", WBC="12.5")
    assert site.waiting() == [(0, [3], "refused")]
    site.send("09:10", HGB="14.0")
    assert site.waiting() == [(0, [], "resulted")]


def test_a_rerun_that_was_sent_is_fulfilled_and_cancelled_as_any_other(site):
    site.send("09:00", WBC="12.5", RBC="4.5")
    site.request(1, at="10:00")
    said(site, "accepted", rerun_number=1)
    site.send("10:10", WBC="12.1", rerun=1)
    assert states(site)[1, ""] == "resulted"
    site.request(2, at="10:20")
    said(site, "accepted", rerun_number=2)
    site.cancel(at="10:30")
    assert states(site)[2, ""] == "cancelled"


def test_a_report_that_is_signed_meanwhile_keeps_its_note(site):
    site.lims(report=msgspec.structs.replace(site.row(), is_completed=True, is_signed=True))
    said(site, "sent")
    assert states(site) == {(0, ""): "sent"}
    assert site.row().is_signed


@pytest.mark.parametrize("status", ["sent", "accepted", "refused"])
def test_an_order_that_went_may_be_sent_once_more(site, status):
    said(site, status)
    version = row(site).version
    assert site.service.order_again(LAB, 1) == [row(site)]
    again = row(site)
    assert (again.status, again.reason, again.taken_by) == ("pending", None, None)
    assert again.version == version + 1


@pytest.mark.parametrize("status", ["pending", "resulted", "cancelled"])
def test_what_never_went_or_is_closed_is_not_sent_again(site, status):
    put(site, waiting(0, rerun_type=None, status=status))
    before = site.everything()
    with pytest.raises(Conflict) as refused:
        site.service.order_again(LAB, 1)
    assert refused.value.code == "nothing_sent"
    assert site.everything() == before


def test_only_what_is_named_is_sent_again(site):
    put(site, waiting(1), waiting(2, device_id="43"))
    said(site, "sent")
    said(site, "sent", rerun_number=1, device_id="43")
    said(site, "refused", rerun_number=2, row_device_id="43", device_id="43")
    site.service.order_again(LAB, 1, device_id="42")
    assert states(site) == {(0, ""): "pending", (1, ""): "sent", (2, "43"): "refused"}
    site.service.order_again(LAB, 1, 1, "43")
    assert states(site) == {(0, ""): "pending", (1, ""): "pending", (2, "43"): "refused"}
    with pytest.raises(NotFound):
        site.service.order_again(LAB, 9)


def test_an_order_that_changes_while_it_is_to_be_sent_again_is_looked_at_again(site):
    said(site, "sent")
    plain = site.service
    happens = Interrupted(
        site.stores.reports,
        lambda: plain.note_orders(LAB, [note("accepted")]),
        method="order_again",
    )
    site.stores = site.stores._replace(reports=happens)
    site.restart().order_again(LAB, 1)
    assert (row(site).status, row(site).taken_by) == ("pending", None)
