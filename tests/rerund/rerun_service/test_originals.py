"""Originals: slots, units, replicates, and what no report takes."""

import pytest


def test_the_first_usable_value_of_an_index_fills_its_slot(site):
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    assert site.slots() == {1: "12.5", 3: "14.0"}
    assert site.flag() == 0
    assert site.outcomes() == [("WBC", "original", None), ("HGB", "original", None)]
    assert site.row().rerun_version == 1


def test_applying_a_payload_twice_changes_nothing(site):
    site.report()
    payload = site.send("09:00", WBC="12.5")
    before = site.everything()
    site.again(payload)
    site.again(payload, payload)
    assert site.everything() == before


def test_an_unusable_value_leaves_the_slot_to_the_first_usable_one(site):
    site.report()
    site.send("09:00", WBC="----")
    assert site.slots() == {}
    site.send("09:20", WBC="7.1", rerun=-1)
    assert site.slots() == {1: "7.1"}
    assert site.flag() == 0
    assert site.outcomes() == [("WBC", "original", "unusable"), ("WBC", "original", None)]


@pytest.mark.parametrize("status", ["X", "I", "D"])
def test_a_status_without_a_final_value_is_unusable(site, status):
    site.report()
    site.send("09:00", WBC="7.1", fields={"result_status": status})
    assert site.slots() == {}


def test_a_value_is_written_in_the_unit_of_the_report_and_the_arrived_one_is_kept(site):
    site.report()
    site.send("09:00", device="43", HGB="140", WBC="6.0", fields={"units": None})
    slots = {row.index: row for row in site.stores.reports.report_values(1, [1])}
    assert (slots[3].value, slots[3].units) == ("14.0", "g/dL")
    assert (slots[3].device_value, slots[3].device_units) == ("140", None)
    assert (slots[1].value, slots[1].units) == ("6.0", "10*3/uL")


def test_a_unit_that_does_not_fit_is_kept_but_not_shown(site):
    site.report()
    site.send("09:00", HGB="8.7", fields={"units": "mmol/L"})
    assert site.slots() == {}
    assert site.outcomes() == [("HGB", "ignored", "unit_mismatch")]
    assert [alert.code for alert in site.alerts] == ["unit_mismatch"]


def test_the_first_replicate_is_shown_and_says_so(site):
    site.report()
    fields = {"run_kind": "replicate"}
    first = site.payload("09:00", WBC="5.0", fields={**fields, "replicate": 1})
    first[0].results.append(_replicate(first[0].results[0], "5.2", 2))
    site.again(first)
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.value, slot.note) == ("5.0", "replicate 1 of 2")
    assert site.outcomes() == [("WBC", "original", None), ("WBC", "original", "replicate")]
    assert site.flag() == 0


def test_the_mean_is_shown_when_the_instrument_sends_it(site):
    site.report()
    payload = site.payload("09:00", WBC="5.0", fields={"replicate": 1, "run_kind": "replicate"})
    payload[0].results.append(_replicate(payload[0].results[0], "5.2", 2))
    payload[0].results.append(_replicate(payload[0].results[0], "5.1", 0))
    site.again(payload)
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.value, slot.note) == ("5.1", "mean of 2 replicates")


def _replicate(result, value, number):
    changed = {"value": value, "numeric": value, "replicate": number}
    return type(result)(
        **{name: getattr(result, name) for name in result.__struct_fields__}
        | changed
        | {"result_id": f"{result.result_id}-{number}"}
    )


def test_every_report_of_the_sample_gets_the_value(site):
    site.report(1)
    site.report(2, form=2)
    site.send("09:00", HGB="14.0", WBC="5.0")
    assert site.slots(1) == {1: "5.0", 3: "14.0"}
    assert site.slots(2) == {1: "14.0"}


def test_a_value_for_a_completed_report_is_kept_for_review_and_marked_late(site):
    site.report(is_completed=True, completed_at="2026-05-20T09:30:00Z")
    site.send("09:00", WBC="5.0")
    assert (site.flag(), site.slots()) == (4, {})
    assert site.reruns() == [(1, 1, "5.0", False)]
    assert site.stores.reruns.values(1, [1])[0].late
    assert [alert.code for alert in site.alerts] == ["late"]


@pytest.mark.parametrize("kind", ["qc", "calibration", "training"])
def test_only_patient_values_take_part_in_reports(site, kind):
    site.report()
    site.send("09:00", WBC="5.0", kind=kind)
    assert site.slots() == {}
    assert site.outcomes() == [("WBC", "ignored", kind)]


@pytest.mark.parametrize("flag", [1, 2])
def test_a_redrawn_report_keeps_its_flag_and_takes_originals(site, flag):
    site.report(flag=flag)
    site.send("09:00", WBC="5.0")
    assert (site.flag(), site.slots()) == (flag, {1: "5.0"})


def test_a_payload_that_was_never_received_is_not_registered(site):
    payload, context = site.payload("09:00", WBC="5.0")
    payload.received_at = None
    with pytest.raises(ValueError, match="never received"):
        site.service.register(1, [(payload, context)])
