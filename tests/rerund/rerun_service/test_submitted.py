"""Values submitted to a report by index: numbered or the instrument's own, known, refused."""

import msgspec
import pytest

from rerund.rerun.refusals import Conflict, Impossible, NotFound


@pytest.fixture
def measured(site):
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return site


@pytest.fixture
def requested(measured):
    measured.request(1, 3)
    return measured


def test_a_numbered_value_counts_for_the_open_rerun(requested):
    answer = requested.submit(1, (1, "12.0"))
    assert answer == {
        "rerun_number": 1,
        "accepted": [1],
        "ignored": [],
        "refused": [],
        "fulfilled": [1],
        "sampleRedrawFlag": 3,
    }
    assert requested.reruns() == [(1, 1, "12.0", True)]
    assert requested.waiting() == [(1, [3], "pending")]


def test_the_last_one_leads_to_review(requested):
    requested.submit(1, (1, "12.0"))
    answer = requested.submit(1, (3, "13.9"), at="10:40")
    assert (answer["fulfilled"], answer["sampleRedrawFlag"]) == ([1, 3], 4)
    assert requested.waiting() == [(1, [], "resulted")]
    assert requested.log() == [981, 979, 979]


def test_other_values_of_the_submission_join_and_do_not_count(requested):
    answer = requested.submit(1, (1, "12.0"), (2, "4.4"))
    assert (answer["accepted"], answer["fulfilled"]) == ([1, 2], [1])
    assert requested.reruns() == [(1, 1, "12.0", True), (1, 2, "4.4", False)]


def test_values_that_were_not_requested_join_the_rerun_that_they_name(requested):
    answer = requested.submit(1, (2, "4.4"))
    assert (answer["rerun_number"], answer["fulfilled"], answer["sampleRedrawFlag"]) == (1, [], 3)
    assert requested.reruns() == [(1, 2, "4.4", False)]


def test_a_requested_value_that_was_run_before_the_request_keeps_no_place_of_it(requested):
    requested.submit(1, (1, "12.2"), fields={"run_at": "2026-05-20T09:40:00Z"})
    assert requested.reruns() == [(2, 1, "12.2", False)]
    requested.submit(1, (1, "12.0"), at="10:40")
    assert requested.reruns() == [(1, 1, "12.0", True), (2, 1, "12.2", False)]


def test_a_second_value_of_a_requested_index_is_a_run_of_its_own(requested):
    requested.submit(1, (1, "12.0"))
    answer = requested.submit(1, (1, "11.0"), at="10:40")
    assert (answer["rerun_number"], answer["sampleRedrawFlag"]) == (2, 3)
    assert requested.reruns() == [(1, 1, "12.0", True), (2, 1, "11.0", False)]


def test_the_instruments_own_run_gets_the_next_number(measured):
    answer = measured.submit(-1, (1, "12.0"), (2, "4.4"))
    assert (answer["rerun_number"], answer["accepted"], answer["sampleRedrawFlag"]) == (
        1,
        [1, 2],
        4,
    )
    (rerun,) = measured.stores.reruns.reruns(1, [1])
    assert (rerun.type, rerun.is_active, rerun.created_by) == ("Instrument", False, 3)
    assert measured.stores.reports.activity(1, 1)[-1].user_id == 3


def test_the_instruments_own_run_of_requested_values_counts_for_the_request(requested):
    answer = requested.submit(-1, (1, "12.0"))
    assert (answer["rerun_number"], answer["fulfilled"]) == (1, [1])


def test_the_first_usable_value_of_an_index_fills_its_slot(measured):
    answer = measured.submit(-1, (4, "210"))
    assert (answer["rerun_number"], answer["accepted"]) == (None, [4])
    assert (measured.slots()[4], measured.flag()) == ("210", 0)


@pytest.mark.parametrize(
    ("text", "comparator", "numeric", "invalid"),
    [
        ("12.0", None, "12.0", None),
        (" 12.0 ", None, "12.0", None),
        ("<0.5", "<", "0.5", None),
        (">= 100", ">=", "100", None),
        ("1e2", None, "100", None),
        ("positive", None, None, None),
        ("", None, None, "empty"),
        ("----", None, None, "no_value"),
        ("***", None, None, "no_value"),
        ("1e99", None, None, "out_of_bounds"),
    ],
)
def test_texts_are_read_as_an_instruments_are(requested, text, comparator, numeric, invalid):
    requested.submit(1, (1, text))
    (value,) = requested.stores.reruns.values(1, [1])
    assert (value.value, value.comparator, value.numeric, value.invalid_reason) == (
        text.strip(),
        comparator,
        numeric,
        invalid,
    )


@pytest.mark.parametrize("status", ["X", "I", "D"])
def test_a_status_without_a_final_value_fails_the_parameter(requested, status):
    requested.submit(1, (1, "12.0"), fields={"result_status": status})
    (rerun,) = requested.stores.reruns.reruns(1, [1])
    assert (rerun.fulfilled_parameters, rerun.failed_parameters) == ([], [1])


@pytest.mark.parametrize(
    ("device", "units", "value", "shown"),
    [
        ("42", None, "13.9", ("13.9", "g/dL")),
        ("42", "g/dl", "13.9", ("13.9", "g/dL")),
        ("43", None, "13.9", ("13.9", "g/dL")),
        ("43", "g/L", "139", ("13.9", "g/dL")),
        ("99", None, "13.9", ("13.9", "g/dL")),
    ],
)
def test_units_are_the_reports_unless_they_are_named(requested, device, units, value, shown):
    requested.submit(1, (3, value), device_id=device, fields={"units": units})
    (stored,) = requested.stores.reruns.values(1, [1])
    assert (stored.value, stored.units) == shown


def test_a_unit_that_does_not_fit_fails_the_parameter_and_raises_an_alert(requested):
    requested.submit(1, (3, "8.7"), fields={"units": "mmol/L"})
    (value,) = requested.stores.reruns.values(1, [1])
    assert value.invalid_reason == "unit_mismatch"
    assert requested.outcomes()[-1] == ("#3", "registered", "unit_mismatch")
    assert [alert.code for alert in requested.alerts] == ["unit_mismatch"]


def test_a_unit_that_does_not_fit_an_unrequested_index_is_kept_and_refused(measured):
    answer = measured.submit(-1, (3, "8.7"), fields={"units": "mmol/L"})
    assert (answer["accepted"], answer["ignored"]) == ([], [])
    assert answer["refused"] == [{"index": 3, "reason": "unit_mismatch"}]
    assert measured.outcomes()[-1] == ("#3", "ignored", "unit_mismatch")
    assert [alert.code for alert in measured.alerts] == ["unit_mismatch"]


@pytest.mark.parametrize("number", [1, -1])
def test_the_same_again_changes_nothing_and_is_answered_as_ignored(requested, number):
    requested.submit(number, (1, "12.0"), (2, "4.4"))
    before = requested.everything()
    again = requested.submit(number, (1, "12.0"), (2, "4.4"))
    assert (again["accepted"], again["ignored"], again["rerun_number"]) == ([], [1, 2], 1)
    assert requested.everything() == before


def test_what_is_new_of_a_repeated_submission_is_registered(requested):
    requested.submit(1, (1, "12.0"))
    answer = requested.submit(1, (1, "12.0"), (3, "13.9"))
    assert (answer["accepted"], answer["ignored"]) == ([3], [1])
    assert requested.flag() == 4


@pytest.mark.parametrize(
    "change",
    [
        {"device_id": "43"},
        {"fields": {"run_at": "2026-05-20T10:31:00Z"}},
    ],
)
def test_another_run_identity_is_another_run(measured, change):
    measured.submit(-1, (1, "12.0"))
    answer = measured.submit(-1, (1, "12.0"), **change)
    assert (answer["accepted"], answer["rerun_number"]) == ([1], 2)


@pytest.mark.parametrize("units", [None, "10*3/uL", "10^9/L", "x10^3/µL"])
def test_an_equal_run_in_another_spelling_of_its_unit_is_the_same_run(measured, units):
    measured.submit(-1, (1, "12.0"), fields={"units": "G/L"})
    before = measured.everything()
    answer = measured.submit(-1, (1, "12.0"), fields={"units": units})
    assert (answer["accepted"], answer["ignored"]) == ([], [1])
    assert measured.everything() == before


def test_an_equal_number_in_a_unit_that_does_not_fit_is_no_known_run(measured):
    measured.submit(-1, (1, "12.0"))
    answer = measured.submit(-1, (1, "12.0"), fields={"units": "mmol/L"})
    assert answer["refused"] == [{"index": 1, "reason": "unit_mismatch"}]


def test_an_equal_run_in_another_zone_is_the_same_run(measured):
    measured.submit(-1, (1, "12.0"))
    answer = measured.submit(-1, (1, "12.0"), fields={"run_at": "2026-05-20T12:30:00+02:00"})
    assert answer["ignored"] == [1]


def test_a_run_that_the_wire_brought_is_known(measured):
    units = {"fields": {"units": "10*3/uL"}}
    measured.send("10:30", WBC="12.0", rerun=-1)
    before = measured.everything()
    answer = measured.submit(-1, (1, "12.0"), **units)
    assert (answer["ignored"], answer["rerun_number"]) == ([1], 1)
    assert measured.everything() == before


def test_the_wire_brings_a_run_that_was_submitted(measured):
    measured.submit(-1, (1, "12.0"), fields={"units": "10*3/uL", "result_status": "F"})
    measured.send("10:30", received="10:35", WBC="12.0", rerun=-1)
    assert measured.reruns() == [(1, 1, "12.0", False)]
    assert measured.outcomes()[-1] == ("WBC", "ignored", "known_run")


def test_another_status_of_a_known_run_changes_it_in_place(measured):
    measured.submit(-1, (1, "12.0"), fields={"result_status": "P"})
    answer = measured.submit(-1, (1, "12.0"), fields={"result_status": "F"})
    assert (answer["accepted"], answer["sampleRedrawFlag"]) == ([1], 4)
    (value,) = measured.stores.reruns.values(1, [1])
    assert value.result_status == "F"
    before = measured.everything()
    assert measured.submit(-1, (1, "12.0"), fields={"result_status": "P"})["ignored"] == [1]
    assert measured.everything() == before


def test_without_a_run_time_the_same_is_known_for_a_minute(measured):
    timeless = {"fields": {"run_at": None}}
    measured.submit(-1, (1, "12.0"), **timeless)
    soon = measured.submit(-1, (1, "12.0"), at="10:31", **timeless)
    assert soon["ignored"] == [1]
    later = measured.submit(-1, (1, "12.0"), at="10:32", **timeless)
    assert (later["accepted"], later["rerun_number"]) == ([1], 2)


def test_without_a_run_time_another_key_is_another_run(measured):
    timeless = {"fields": {"run_at": None}}
    measured.submit(-1, (1, "12.0"), event_id="one", **timeless)
    assert measured.submit(-1, (1, "12.0"), event_id="two", **timeless)["rerun_number"] == 2


def test_the_same_key_has_the_same_answer(requested):
    first = requested.submit(1, (1, "12.0"), event_id="key")
    before = requested.everything()
    assert requested.submit(1, (1, "12.0"), event_id="key") == first
    assert requested.everything() == before


def test_the_key_of_another_event_is_a_conflict(requested):
    requested.cancel(at="10:10", event_id="key")
    with pytest.raises(Conflict) as refused:
        requested.submit(-1, (1, "12.0"), event_id="key")
    assert refused.value.code == "event_id_taken"


def test_the_last_instant_there_is_can_be_kept(measured):
    last = "9999-12-31T23:59:59Z"
    measured.submit(-1, (1, "12.0"), fields={"run_at": last})
    assert measured.submit(-1, (1, "12.0"), fields={"run_at": last})["ignored"] == [1]
    assert measured.ledger()[-1].result.run_at == last


@pytest.mark.parametrize("end", ["cancel", "confirm", "fulfil"])
def test_numbered_values_of_a_closed_rerun_are_refused_and_logged_once(requested, end):
    requested.submit(1, (1, "12.0"))
    if end == "cancel":
        requested.cancel(at="11:00")
    elif end == "confirm":
        requested.confirm((1, 1), at="11:00", close_open=True)
    else:
        requested.submit(1, (3, "13.9"))
    flag, slots, reruns = requested.flag(), requested.slots(), requested.reruns()
    for minute in ("11:10", "11:20"):
        answer = requested.submit(1, (1, "11.5"), (4, "210"), at=minute)
        assert answer["refused"] == [
            {"index": 1, "reason": "rerun_closed"},
            {"index": 4, "reason": "rerun_closed"},
        ]
        assert (answer["accepted"], answer["sampleRedrawFlag"]) == ([], flag)
    assert (requested.flag(), requested.slots(), requested.reruns()) == (flag, slots, reruns)
    assert requested.log().count(984) == 1
    assert [row.outcome for row in requested.ledger()][-4:] == ["refused"] * 4
    assert {alert.code for alert in requested.alerts} == {"rerun_closed"}


def test_numbered_values_of_a_closed_rerun_are_refused_though_another_one_is_open(requested):
    requested.cancel(at="10:10")
    requested.request(1, at="10:20")
    answer = requested.submit(1, (1, "12.0"))
    assert answer["refused"] == [{"index": 1, "reason": "rerun_closed"}]
    assert requested.waiting()[-1] == (2, [1], "pending")


@pytest.mark.parametrize("flag", [1, 2])
def test_a_redrawn_report_keeps_what_comes_and_refuses_it(site, flag):
    site.report()
    site.send("09:00", WBC="12.5")
    site.report(flag=flag, rerun_version=site.row().rerun_version)
    answer = site.submit(-1, (1, "12.0"))
    assert answer["refused"] == [{"index": 1, "reason": "redrawn"}]
    assert (site.flag(), site.log()) == (flag, [984])


@pytest.mark.parametrize("flag", [1, 2])
@pytest.mark.parametrize("number", [1, -1])
def test_values_of_a_rerun_that_is_open_in_a_redrawn_report_are_refused(requested, flag, number):
    requested.lims(report=msgspec.structs.replace(requested.row(), flag=flag))
    answer = requested.submit(number, (1, "12.0"))
    assert answer["refused"] == [{"index": 1, "reason": "redrawn"}]
    assert (requested.flag(), requested.reruns()) == (flag, [])
    assert [alert.code for alert in requested.alerts] == ["redrawn"]


def test_values_of_a_closed_report_wait_for_review_and_raise_an_alert(site):
    site.report()
    site.send("09:00", WBC="12.5")
    site.report(is_signed=True, rerun_version=site.row().rerun_version)
    site.submit(-1, (1, "12.0"))
    assert (site.flag(), site.stores.reruns.values(1, [1])[0].late) == (4, True)
    assert [alert.code for alert in site.alerts] == ["late"]


@pytest.mark.parametrize(
    ("number", "values", "asked", "code", "field"),
    [
        (0, [(1, "12.0")], {}, "unknown_rerun", "rerun_number"),
        (-2, [(1, "12.0")], {}, "unknown_rerun", "rerun_number"),
        (2, [(1, "12.0")], {}, "unknown_rerun", "rerun_number"),
        (1, [(9, "12.0")], {}, "unknown_parameter", "device_data"),
        (1, [(1, "12.0"), (9, "1")], {}, "unknown_parameter", "device_data"),
        (1, [], {}, "no_values", "device_data"),
        (1, [(1, "12.0")], {"sample_id": "S2"}, "other_sample", "sample_id"),
        *(
            (1, [(1, "12.0")], {"fields": {"run_at": text}}, "bad_run_at", "device_data")
            for text in (
                "yesterday",
                "1969-12-31T23:59:59Z",
                "9999-12-31T23:59:59-14:00",
                "0001-01-01T00:00:00+14:00",
            )
        ),
    ],
)
def test_what_the_report_could_never_take_changes_nothing(
    requested, number, values, asked, code, field
):
    before = requested.everything()
    with pytest.raises(Impossible) as refused:
        requested.submit(number, *values, **asked)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert requested.everything() == before


def test_a_report_that_is_not_there_takes_nothing(site):
    with pytest.raises(NotFound):
        site.submit(-1, (1, "12.0"), report=99)


def test_a_value_twice_in_one_submission_is_kept_twice_and_registered_once(requested):
    requested.submit(1, (1, "12.0"), (1, "12.1"))
    assert requested.reruns() == [(1, 1, "12.0", True)]
    assert requested.outcomes()[-2:] == [
        ("#1", "original", "same_index"),
        ("#1", "registered", None),
    ]


def test_a_submitted_value_is_for_its_report_alone(measured):
    measured.submit(-1, (3, "13.9"))
    measured.report(2, form=2)
    measured.service.sweep(1)
    assert measured.slots(2) == {1: "14.0"}
    assert [code for code, *_ in measured.outcomes()].count("#3") == 1


def test_a_submitted_value_can_be_confirmed(requested):
    requested.submit(1, (1, "12.0"))
    requested.submit(1, (3, "13.9"))
    requested.confirm((1, 1))
    assert requested.slots() == {1: "12.0", 2: "4.5", 3: "14.0"}
