"""What of the open orders is read and handed over to the daemon, on every kind of store."""

import time

import msgspec
import pytest
from sqlalchemy import text as text_of
from structlog.testing import capture_logs

from rerund.registrar_orders import SHARE, WHOLE_EVERY, Change
from rerund.rerun.rules import Rules
from rerund.stores.ports import StoreRejected, StoreUnavailable
from tests.rerund.conftest import EVERYWHERE, LAB_DATA
from tests.rerund.ordered import Copy, keys, note, ordered, states

pytestmark = EVERYWHERE


@pytest.fixture
def site(site):
    for number in (1, 2):
        site.report(number, sample=f"S{number}")
        ordered(site, 1, 2, 4, report=number)
    return site


@pytest.fixture
def copy(site):
    return Copy(site)


def test_the_first_copy_is_whole_and_in_the_codes_of_each_instrument(copy):
    change = copy.turn()
    assert change.whole
    assert (change.gone, change.cancelled) == ([], [])
    assert [order.codes for order in change.orders] == [{"42": ["CBC", "PLT"], "43": ["WBC"]}] * 2
    assert keys(change) == {(1, "", 0), (2, "", 0)}


def test_then_only_what_has_changed_is_handed_over(site, copy):
    copy.turn()
    site.send("09:00", WBC="12.5")
    change = copy.turn()
    assert (keys(change), change.gone, change.whole) == ({(1, "", 0)}, [], False)
    assert change.orders[0].codes == {"42": ["CBC", "PLT"]}
    site.request(1, at="10:00")
    assert keys(copy.turn()) == {(1, "", 1)}


def test_what_is_measured_is_gone_and_not_cancelled(site, copy):
    copy.turn()
    site.send("09:00", WBC="12.5", RBC="4.5", PLT="250")
    assert copy.turn() == Change([], [(1, "", 0)], [], whole=False)


def test_a_cancelled_rerun_is_gone_and_said_to_be_cancelled(site, copy):
    site.send("09:00", WBC="12.5")
    site.request(1, at="10:00")
    copy.turn()
    site.cancel(at="10:10")
    ordered(site, 1, 2, 4, report=2, status="resulted")
    change = copy.turn()
    assert sorted(change.gone) == [(1, "", 1), (2, "", 0)]
    assert (change.cancelled, change.orders) == ([(1, "", 1)], [])


def test_what_went_since_the_copy_of_the_process_before_is_told(site):
    site.send("09:00", WBC="12.5")
    site.request(1, at="10:00")
    before = Copy(site).turn()
    site.cancel(at="10:10")
    ordered(site, 1, 2, 4, report=2, status="resulted")
    copied = [msgspec.msgpack.encode(order) for order in before.orders]
    change = Copy(site, copied=copied).turn()
    assert (keys(change), change.whole) == ({(1, "", 0)}, True)
    assert sorted(change.gone) == [(1, "", 1), (2, "", 0)]
    assert change.cancelled == [(1, "", 1)]


def test_a_rerun_sent_and_cancelled_before_it_was_read_is_said_to_be_cancelled(site, copy):
    site.send("09:00", WBC="12.5")
    copy.turn()
    site.request(1, at="10:00")
    site.cancel(at="10:01")
    copy.turn()
    copy.keeper.tell([(1, note(1, number=1).body)])
    change = copy.turn()
    assert ((1, "", 1) in change.gone, change.cancelled) == (True, [(1, "", 1)])
    assert copy.turn() == Change()


def test_nothing_is_read_while_nothing_changes_and_the_copy_is_said_to_be_fresh(copy):
    copy.turn()
    for _ in range(3):
        assert copy.turn() == Change()
    assert copy.store.read == 1


def test_everything_is_read_again_after_a_while_for_what_only_the_report_says(site, copy):
    copy.turn()
    row = msgspec.structs.replace(site.row(1), is_completed=True)
    site.lims(report=row)
    gone = [key for change in (copy.turn(), copy.turn(WHOLE_EVERY)) for key in change.gone]
    assert gone == [(1, "", 0)]


def test_a_mapping_that_changes_changes_the_codes(site, copy):
    copy.turn()
    mappings = tuple(
        msgspec.structs.replace(one, order_code="HEM") if one.order_code == "CBC" else one
        for one in LAB_DATA.mappings
    )
    site.lab(msgspec.structs.replace(LAB_DATA, mappings=mappings))
    change = copy.turn()
    assert [order.codes["42"] for order in change.orders] == [["HEM", "PLT"]] * 2


def test_a_look_up_is_of_what_is_there_at_that_moment(site, copy):
    copy.turn()
    site.report(3, sample="S3")
    ordered(site, 4, report=3)
    found = copy.look_up(["S3", "S1", "S9"])
    assert [(order.sample_id, order.codes["42"]) for order in found] == [
        ("S1", ["CBC", "PLT"]),
        ("S3", ["PLT"]),
    ]
    assert copy.look_up(["S9"]) == []


def test_what_no_instrument_of_this_daemon_can_measure_is_not_in_its_copy(site):
    ordered(site, 1, 4, device_id="42")
    ordered(site, 1, device_id="43")
    copy = Copy(site, "43")
    change = copy.turn()
    assert keys(change) == {(1, "", 0), (1, "43", 0), (2, "", 0)}
    assert [order.codes for order in change.orders] == [{"43": ["WBC"]}] * 3
    assert {order.key for order in copy.look_up(["S1"])} == {(1, "", 0), (1, "43", 0)}


def test_what_takes_long_to_read_is_read_less_often(site, copy):
    began = time.monotonic() - 10.0  # it takes these ten seconds
    assert copy.keeper.refresh(began) is None
    site.send("09:00", WBC="12.5")
    copy.changes.clear()
    due = copy.keeper.refresh(began + 10.0 * SHARE - 1.0)
    assert (copy.changes, copy.store.read) == ([], 1)
    assert due == pytest.approx(began + 10.0 * SHARE, abs=5.0)
    assert copy.keeper.refresh(due) is None
    assert keys(copy.changes[0]) == {(1, "", 0)}


def test_a_copy_that_could_not_be_read_is_read_at_the_next_turn(site, copy):
    copy.turn()
    site.send("09:00", WBC="12.5")
    copy.store.away = True
    with pytest.raises(StoreUnavailable):
        copy.turn()
    copy.store.away = False
    assert keys(copy.turn()) == {(1, "", 0)}


@pytest.mark.parametrize("text", ["1,2", "", "1", '["WBC"]', "[]", "null"])
def test_an_order_that_can_not_be_read_keeps_no_other_and_is_told_once(site, copy, text):
    copy.turn()
    write_remaining(site, 1, text)
    with capture_logs() as logs:
        assert copy.turn().gone == [(1, "", 0)]
        ordered(site, 1, report=2)
        assert keys(copy.turn()) == {(2, "", 0)}
    (line,) = [line for line in logs if line["event"] == "orders_unreadable"]
    assert (line["alert"], line["log_level"], line["reports"]) == (True, "error", [1])
    assert (line["store"], line["detail"]) == ("report store", "an order without indexes")
    assert [order.key for order in copy.look_up(["S1", "S2"])] == [(2, "", 0)]
    with pytest.raises(StoreRejected):
        copy.look_up(["S1"])
    write_remaining(site, 1, "[1, 2]")
    assert keys(copy.turn()) == {(1, "", 0)}
    with capture_logs() as logs:
        write_remaining(site, 1, "1,2")
        copy.turn()
    assert [line["reports"] for line in logs] == [[1]]


def write_remaining(site, report, text):
    """Write it as a LIMS with rights to do so would, and say that the row has changed."""
    with site.lims.database.write() as connection:
        connection.execute(
            text_of(
                "UPDATE waiting_list SET remaining = :text, version = version + 1"
                " WHERE lab_report_id = :report"
            ),
            {"text": text, "report": report},
        )


def test_reports_out_of_the_window_of_sample_ids_have_no_order(site, copy):
    copy.turn()
    site.clock.at += Rules().sample_id_window + 3600
    assert sorted(copy.turn(WHOLE_EVERY).gone) == [(1, "", 0), (2, "", 0)]
    assert copy.look_up(["S1"]) == []


def test_notes_are_told_to_the_stores(site, copy):
    notes = [note(1), note(2, 2, "refused"), note(3, status="accepted"), note(4, 9)]
    assert copy.keeper.tell([(row.note_key, row.body) for row in notes]) == [1, 2, 3, 4]
    assert states(site) == ["accepted", "refused"]


def test_a_note_that_fails_does_not_keep_the_others_waiting(site, copy, monkeypatch):
    told = copy.service.note_orders

    def fails_for_one(lab_id, notes):
        if any(note.lab_report_id == 1 for note in notes):
            raise ZeroDivisionError
        told(lab_id, notes)

    monkeypatch.setattr(copy.service, "note_orders", fails_for_one)
    with capture_logs() as logs:
        assert copy.keeper.tell([(row.note_key, row.body) for row in (note(1), note(2, 2))]) == [
            1,
            2,
        ]
    assert states(site) == ["pending", "sent"]
    (line,) = [line for line in logs if line["event"] == "order_note_failed"]
    assert (line["alert"], line["report"], line["error"]) == (True, 1, "ZeroDivisionError")
