"""Corrections, withdrawals and status updates change the run they supersede."""

import pytest

from tests.rerund.conftest import EVERYWHERE

pytestmark = EVERYWHERE


@pytest.fixture
def measured(site):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    return site


def change(site, old, kind="correction", at="09:00", received="09:30", **sent):
    """Send values that supersede the first value of an earlier payload."""
    fields = {"run_kind": kind, "supersedes": old[0].results[0].result_id, **sent.pop("fields", {})}
    return site.send(at, received=received, fields=fields, **sent)


@pytest.fixture
def original(site):
    site.report()
    return site.send("09:00", WBC="12.5")


def test_a_correction_changes_the_shown_value_and_logs_old_and_new(site, original):
    change(site, original, WBC="11.5")
    assert (site.slots(), site.flag(), site.reruns()) == ({1: "11.5"}, 0, [])
    assert [row.outcome for row in site.ledger()] == ["superseded", "original"]
    (line,) = site.stores.reports.activity(1, 1)
    assert (line.code, line.old["value"], line.new["value"]) == (979, "12.5", "11.5")
    assert site.stores.reports.events(1, 1)[-1].kind == "correction"


def test_a_correction_of_a_correction_follows_the_chain(site, original):
    change(site, original, WBC="11.5")
    change(site, original, WBC="11.7", received="09:40")
    assert site.slots() == {1: "11.7"}
    assert [row.outcome for row in site.ledger()] == ["superseded", "superseded", "original"]


def test_a_withdrawal_makes_the_value_unusable_and_deletes_nothing(site, original):
    change(site, original, "withdrawal", WBC="12.5", fields={"result_status": "D"})
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.value, slot.invalid_reason) == ("12.5", "withdrawn")


def test_a_value_after_a_withdrawal_is_for_a_person_to_decide(site, original):
    change(site, original, "withdrawal", WBC="12.5", fields={"result_status": "D"})
    site.send("09:50", WBC="12.2")
    assert (site.flag(), site.slots()) == (4, {1: "12.5"})


def test_a_status_update_changes_the_status_in_place(site):
    site.report()
    sent = site.send("09:00", WBC="12.5", fields={"result_status": "P"})
    change(site, sent, "status_update", WBC="12.5")
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.result_status, site.flag()) == ("F", 0)


def test_a_pending_value_that_becomes_final_fills_the_slot(site):
    site.report()
    sent = site.send("09:00", WBC="12.5", fields={"result_status": "I"})
    assert site.slots() == {}
    change(site, sent, "status_update", WBC="12.5")
    assert (site.slots(), site.flag()) == ({1: "12.5"}, 0)


def test_a_correction_of_a_rerun_value_changes_what_is_reviewed(measured):
    run = measured.send("09:20", WBC="12.1", rerun=-1)
    change(measured, run, at="09:20", received="09:40", WBC="12.8")
    assert measured.reruns() == [(1, 1, "12.8", False)]
    assert measured.slots()[1] == "12.5"


def test_a_withdrawn_rerun_value_has_failed(measured):
    run = measured.send("09:20", WBC="12.1", rerun=-1)
    change(measured, run, "withdrawal", at="09:20", received="09:40", WBC="12.1")
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([], [1])


@pytest.mark.parametrize("column", ["is_completed", "is_signed"])
def test_a_correction_of_a_signed_report_is_for_a_person_to_decide(site, original, column):
    site.report(**{column: True}, flag=0, rerun_version=1)
    change(site, original, WBC="11.5")
    assert (site.slots(), site.flag()) == ({1: "12.5"}, 4)
    (value,) = site.stores.reruns.values(1, [1])
    assert (value.value, value.late, value.run_kind) == ("11.5", True, "correction")


def test_a_correction_of_an_unknown_run_is_for_a_person_to_decide(measured):
    measured.send("09:30", WBC="11.5", fields={"run_kind": "correction", "supersedes": "gone"})
    assert (measured.slots()[1], measured.flag()) == ("12.5", 4)


def test_a_correction_of_an_unknown_run_fills_an_empty_slot(measured):
    measured.send("09:30", PLT="250", fields={"run_kind": "correction", "supersedes": "gone"})
    assert (measured.slots()[4], measured.flag()) == ("250", 0)


CHANGING = pytest.mark.parametrize(
    ("kind", "status"), [("correction", "F"), ("withdrawal", "D")], ids=["correction", "withdrawal"]
)


@CHANGING
@pytest.mark.parametrize(
    ("device", "units"), [("42", "10*3/uL"), ("43", "10^9/L")], ids=["same", "another instrument"]
)
def test_what_names_no_run_is_for_a_person_to_decide(measured, kind, status, device, units):
    fields = {"run_kind": kind, "supersedes": None, "result_status": status, "units": units}
    measured.send("09:30", device=device, WBC="11.5", fields=fields)
    assert (measured.slots()[1], measured.flag()) == ("12.5", 4)
    assert measured.stores.reports.report_values(1, [1])[0].invalid_reason is None
    assert measured.reruns() == [(1, 1, "11.5", False)]
    outcomes = [row.outcome for row in measured.ledger() if row.test_code == "WBC"]
    assert outcomes == ["original", "registered"]


def test_a_correction_of_a_discarded_value_changes_the_ledger_alone(measured):
    run = measured.send("09:20", WBC="12.1", rerun=-1)
    measured.cancel(at="09:30")
    change(measured, run, at="09:20", received="09:40", WBC="12.8")
    assert (measured.flag(), measured.reruns(), measured.slots()[1]) == (0, [], "12.5")
    assert measured.ledger()[-1].settled == "discarded"


def test_a_corrected_unit_follows_the_report(site, original):
    change(site, original, WBC="11.9", fields={"units": "10^9/L"})
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.value, slot.units, slot.device_units) == ("11.9", "10*3/uL", "10^9/L")


MISMATCHED = {"fields": {"units": "mmol/L"}}


def test_a_correction_into_a_unit_that_fits_fills_the_empty_slot(site):
    site.report()
    sent = site.send("09:00", HGB="8.7", **MISMATCHED)
    change(site, sent, HGB="14.0")
    assert (site.slots(), site.flag(), site.reruns()) == ({3: "14.0"}, 0, [])
    assert [row.outcome for row in site.ledger()] == ["ignored", "original"]


def test_a_correction_into_a_unit_that_fits_is_for_a_person_to_decide_where_a_slot_is_filled(
    measured,
):
    sent = measured.send("09:20", device="43", HGB="8.7", **MISMATCHED)
    change(measured, sent, device="43", at="09:20", HGB="140", fields={"units": "g/L"})
    assert (measured.slots()[3], measured.flag()) == ("14.0", 4)
    assert measured.reruns() == [(1, 3, "14.0", False)]


def test_a_correction_into_a_unit_that_fits_fulfils_what_had_failed(measured):
    measured.request(3)
    sent = measured.send("10:20", HGB="8.7", rerun=1, **MISMATCHED)
    change(measured, sent, at="10:20", received="10:40", HGB="14.1")
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([3], [])
    (value,) = measured.stores.reruns.values(1, [1])
    assert (value.value, value.units, value.invalid_reason) == ("14.1", "g/dL", None)


@pytest.mark.parametrize(
    ("kind", "status", "shown"),
    [("correction", "F", ("11.5", None)), ("withdrawal", "D", ("12.5", "withdrawn"))],
)
def test_what_changes_a_run_that_had_come_again_changes_the_run(
    site, original, kind, status, shown
):
    again = site.send("09:00", received="09:10", WBC="12.5", fields={"confidence": "low"})
    assert site.outcomes()[-1] == ("WBC", "ignored", "known_run")
    change(site, again, kind, WBC="11.5", fields={"result_status": status})
    (slot,) = site.stores.reports.report_values(1, [1])
    assert ((slot.value, slot.invalid_reason), site.flag()) == (shown, 0)
