"""Results without a report or a mapping: kept, shown, and registered when it appears."""

import msgspec
import pytest

from drivers.result import Patient


def test_a_result_without_a_report_is_kept_with_everything(site):
    payload, _ = site.send("09:00", WBC="12.5")
    assert site.outcomes() == [("WBC", "unmatched", "no_report")]
    (unmatched,) = site.view().unmatched
    assert msgspec.to_builtins(unmatched) == msgspec.to_builtins(payload)


def test_a_result_without_a_mapping_is_kept(site):
    site.report()
    site.send("09:00", WBC="12.5", BASO="0.1")
    assert site.outcomes() == [("WBC", "original", None), ("BASO", "unmatched", "no_mapping")]
    (unmatched,) = site.view().unmatched
    assert [result.test_code for result in unmatched.results] == ["BASO"]


def test_a_late_report_takes_what_came_before_it(site):
    site.send("09:00", WBC="12.5")
    site.report(at="10:00")
    assert site.service.sweep(1) == 1
    assert (site.slots(), site.outcomes()) == ({1: "12.5"}, [("WBC", "original", None)])
    assert site.service.sweep(1) == 0


def test_late_results_are_registered_oldest_first(site):
    site.send("09:00", WBC="12.5")
    site.send("09:20", WBC="12.1", rerun=-1)
    site.report(at="10:00")
    site.service.sweep(1)
    assert (site.slots(), site.flag()) == ({1: "12.5"}, 4)
    assert site.reruns() == [(1, 1, "12.1", False)]


def test_a_resend_that_waits_with_its_run_is_registered_once(site):
    for received in ("09:00", "09:05", "09:10"):
        site.send("09:00", received=received, WBC="12.5", fields={"confidence": "low"})
    site.report(at="10:00")
    site.service.sweep(1)
    assert (site.slots(), site.flag(), site.reruns()) == ({1: "12.5"}, 0, [])
    known = ("WBC", "ignored", "known_run")
    assert site.outcomes() == [("WBC", "original", None), known, known]


def test_a_resend_that_was_delivered_before_its_run_is_registered_once(site):
    """Each of two journals has one of them."""
    first = site.payload("09:00", WBC="12.5", fields={"confidence": "low"})
    resent = site.payload("09:00", received="09:05", WBC="12.5", fields={"confidence": "low"})
    site.again(resent)
    site.again(first)
    site.report(at="10:00")
    site.service.sweep(1)
    assert (site.slots(), site.flag(), site.reruns()) == ({1: "12.5"}, 0, [])


def test_a_resend_with_another_status_that_waits_with_its_run_changes_it(site):
    site.send("09:00", WBC="12.5", fields={"confidence": "low", "result_status": "P"})
    site.send("09:00", received="09:05", WBC="12.5", fields={"confidence": "low"})
    site.report(at="10:00")
    site.service.sweep(1)
    (slot,) = site.stores.reports.report_values(1, [1])
    assert (slot.result_status, site.flag(), site.reruns()) == ("F", 0, [])


def test_late_results_come_before_anything_newer_of_the_sample(site):
    site.send("09:00", WBC="12.5")
    site.report(at="10:00")
    site.send("10:20", WBC="12.1", rerun=-1)
    assert (site.slots(), site.reruns()) == ({1: "12.5"}, [(1, 1, "12.1", False)])
    assert site.service.sweep(1) == 0


def test_a_second_report_gets_the_values_that_the_first_one_has(site):
    site.report(1)
    site.send("09:00", HGB="14.0")
    site.service.sweep(1)
    site.report(2, form=2, at="09:30")
    site.service.sweep(1)
    assert (site.slots(1), site.slots(2)) == ({3: "14.0"}, {1: "14.0"})


def test_a_mapping_made_later_takes_the_result(site):
    site.report()
    data = site.lab_data
    site.lab(msgspec.structs.replace(data, mappings=data.mappings[1:]))
    site.send("09:00", WBC="12.5", RBC="4.5")
    assert site.slots() == {2: "4.5"}
    site.lab()
    assert site.service.sweep_unmatched(1) is None
    assert site.slots() == {1: "12.5", 2: "4.5"}


@pytest.mark.parametrize(
    ("registered", "slots"),
    [
        ("2026-05-06T09:00:00Z", {1: "12.5"}),
        ("2026-05-06T08:59:00Z", {}),
        ("2026-05-23T09:00:00Z", {1: "12.5"}),
        ("2026-05-23T09:01:00Z", {}),
    ],
    ids=["14 days before", "longer before", "72 hours after", "longer after"],
)
def test_the_windows_of_a_registration_around_the_run(site, registered, slots):
    site.report(at=registered)
    site.send("09:00", WBC="12.5")
    assert site.slots() == slots


def test_the_newest_registration_of_a_format_is_taken(site):
    site.report(1, at="2026-05-10T09:00:00Z")
    site.report(2, at="08:00")
    site.send("09:00", WBC="12.5")
    assert (site.slots(1), site.slots(2)) == ({}, {1: "12.5"})


def test_two_possible_patients_are_ambiguous(site):
    site.report(1, patient_id="P1")
    site.report(2, form=2, patient_id="P2")
    site.send("09:00", HGB="14.0")
    assert site.outcomes() == [("HGB", "unmatched", "ambiguous_sample")]
    assert [alert.code for alert in site.alerts] == ["ambiguous_sample"]
    site.service.sweep(1)
    assert len(site.alerts) == 1


@pytest.mark.parametrize(
    ("ids", "reason"), [(("P2",), "ambiguous_sample"), (("P2", "P1"), None), ((), None)]
)
def test_patient_ids_on_both_sides_must_agree(site, ids, reason):
    site.report(patient_id="P1")
    site.send("09:00", WBC="12.5", context={"patient": Patient(ids=ids)})
    assert site.outcomes()[0][2] == reason


def test_a_late_registration_of_another_patient_is_ambiguous(site):
    site.report(1, at="2026-05-18T09:00:00Z", patient_id="P1")
    site.report(2, at="10:00", patient_id="P2")
    site.send("09:00", WBC="12.5")
    assert site.outcomes() == [("WBC", "unmatched", "ambiguous_sample")]


def test_a_newer_registration_before_the_run_takes_the_barcode_over(site):
    site.report(1, at="2026-05-18T09:00:00Z", patient_id="P1")
    site.report(2, at="08:00", patient_id="P2")
    site.send("09:00", WBC="12.5")
    assert site.slots(2) == {1: "12.5"}


def test_an_id_that_stands_for_a_failed_read_never_matches(site):
    site.report(sample="ERR0001")
    site.send("09:00", sample="ERR0001", WBC="12.5", context={"id_reliable": False})
    assert site.outcomes("ERR0001") == [("WBC", "unmatched", "unreliable_id")]
    site.service.sweep(1)
    assert site.slots() == {}


def test_a_report_completed_before_the_run_takes_part_in_reruns_only(site):
    site.report(is_completed=True, completed_at="2026-05-20T08:45:00Z")
    site.send("09:00", WBC="12.5")
    assert site.outcomes() == [("WBC", "unmatched", "no_report")]
    site.send("09:20", HGB="14.1", rerun=-1)
    assert (site.flag(), site.reruns()) == (4, [(1, 3, "14.1", False)])


def test_a_report_completed_long_before_the_run_takes_part_in_nothing(site):
    site.report(at="2026-05-10T09:00:00Z", is_completed=True, completed_at="2026-05-11T09:00:00Z")
    site.send("09:20", HGB="14.1", rerun=-1)
    assert site.outcomes() == [("HGB", "unmatched", "no_report")]


def test_a_sample_shows_its_values_with_index_and_name(site):
    site.report()
    site.send("09:00", WBC="12.5")
    site.send("09:20", WBC="12.0", rerun=-1)
    view = site.view()
    shown = [
        (p.lab_report_id, p.assigned_rerun_number, r.index, r.parameter_name, r.value)
        for p in view.payloads
        for r in p.results
    ]
    assert shown == [(1, None, 1, "WBC", "12.5"), (1, 1, 1, "WBC", "12.0")]
    assert [report.answer["lab_report_id"] for report in view.reports] == [1]
    assert view.unmatched == []
