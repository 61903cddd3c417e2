"""Auto reruns: which originals are checked, when, and what opens or extends a rerun."""

import pytest

from rerund.rerun.records import LabData, Parameter, ParameterMeta, Range, ReportFormat
from rerund.rerun.refusals import Conflict, NotFound
from tests.rerund.conftest import DEVICES, FORMATS, LAB, LAB_DATA, UNITS

BOUNDS = {
    "WBC": ("abnormal", (Range("", "4.0", "10.0", "1.0", "50.0"),)),
    "RBC": ("critical", (Range("", "4.0", "6.0", "2.0", "8.0"),)),
    "HGB": ("abnormal", (Range("M", "13.5", "17.5"), Range("F", "12.0", "16.0"))),
    "PLT": ("invalid", ()),
    "MCV": ("custom", ()),
}


def _parameter(index, name):
    condition, ranges = BOUNDS[name]
    meta = ParameterMeta(
        manual_rerun=True,
        auto_rerun=True,
        auto_rerun_condition=condition,
        auto_rerun_upper="100" if condition == "custom" else None,
        auto_rerun_flags=("A",) if condition == "invalid" else (),
    )
    return Parameter(index, 10 * index, name, UNITS[name], ranges, meta)


CBC = ReportFormat(1, LAB, "CBC", tuple(_parameter(i, name) for i, name in enumerate(BOUNDS, 1)))
RULED = LabData(LAB, (CBC, FORMATS[1]), DEVICES, LAB_DATA.mappings)

FINE = {"WBC": "6.0", "RBC": "5.0", "HGB": "15.0", "PLT": "200", "MCV": "90"}


@pytest.fixture
def ruled(site):
    site.lab(RULED)
    site.report(sex="M")
    return site


def opened(site, report=1):
    """(number, type, requested, active) of the reruns."""
    reruns = site.stores.reruns.reruns(1, [report])
    return [(r.rerun_number, r.type, r.requested_parameters, r.is_active) for r in reruns]


def test_values_inside_their_ranges_leave_the_report_alone(ruled):
    ruled.send("09:00", **FINE)
    assert (ruled.flag(), opened(ruled), ruled.log()) == (0, [], [])
    assert ruled.row().auto_rerun_indexes == []


def test_what_qualifies_opens_one_rerun_in_the_event_that_shows_the_originals(ruled):
    ruled.send("09:00", **{**FINE, "WBC": "12.0", "HGB": "11.0"})
    assert (ruled.flag(), opened(ruled)) == (3, [(1, "Auto", [1, 3], True)])
    assert ruled.slots()[1] == "12.0"
    assert ruled.waiting() == [(1, [1, 3], "pending")]
    assert ruled.log() == [981]
    assert ruled.row().auto_rerun_indexes == [1, 3]
    (event,) = ruled.stores.reports.events(1, 1)
    assert (event.kind, event.rerun_number, event.flag_before, event.flag_after) == (
        "values",
        1,
        0,
        3,
    )
    assert event.inputs["steps"][-1] == ["auto_check", 0, 3]
    (rerun,) = ruled.stores.reruns.reruns(1, [1])
    assert (rerun.created_by, rerun.parameter_names) == (-1, ["WBC", "HGB"])
    assert ruled.stores.reports.waiting_rows(1, [1])[0].rerun_type == "auto_rerun"
    assert ruled.stores.numbers.active_number(1, 1) == 1


def test_the_values_that_come_back_are_counted_and_not_checked_again(ruled):
    ruled.send("09:00", **{**FINE, "WBC": "12.0"})
    ruled.send("09:20", WBC="13.0", rerun=1)
    assert (ruled.flag(), ruled.reruns()) == (4, [(1, 1, "13.0", True)])
    ruled.confirm((1, 1))
    assert (ruled.flag(), ruled.slots()[1]) == (0, "13.0")
    assert opened(ruled) == []


def test_an_index_has_one_auto_rerun_in_the_life_of_a_report(ruled):
    ruled.send("09:00", **{**FINE, "WBC": "12.0"})
    ruled.cancel(at="09:30")
    answer = ruled.auto_check("09:40")
    assert (answer["qualified"], answer["created"], answer["reason"]) == (
        [],
        False,
        "already_rerun",
    )
    assert (ruled.flag(), ruled.log()) == (0, [981, 985])


def test_originals_that_come_later_extend_an_auto_rerun_that_nothing_has_come_of(ruled):
    ruled.send("09:00", WBC="12.0")
    ruled.send("09:05", RBC="1.9", HGB="15.0")
    assert opened(ruled) == [(1, "Auto", [1, 2], True)]
    assert ruled.waiting() == [(1, [1, 2], "pending")]
    assert ruled.log() == [981, 981]
    assert ruled.stores.reports.waiting_rows(1, [1])[0].version == 2


def test_an_auto_rerun_of_which_a_value_has_come_is_not_extended(ruled):
    ruled.send("09:00", WBC="12.0", RBC="1.9")
    ruled.send("09:10", WBC="12.1", rerun=1)
    ruled.send("09:15", HGB="11.0")
    assert opened(ruled) == [(1, "Auto", [1, 2], True)]
    assert ruled.row().auto_rerun_indexes == [1, 2]


def test_a_manual_rerun_is_not_extended(ruled):
    ruled.send("09:00", WBC="6.0")
    ruled.request(1, at="09:10")
    ruled.send("09:15", HGB="11.0")
    assert opened(ruled) == [(1, "Manual", [1], True)]


def test_while_runs_wait_for_review_nothing_is_opened(ruled):
    ruled.send("09:00", WBC="6.0")
    ruled.send("09:10", WBC="6.1", rerun=-1)
    ruled.send("09:15", HGB="11.0")
    assert (ruled.flag(), opened(ruled)[0][1]) == (4, "Instrument")


@pytest.mark.parametrize(
    "lims", [{"flag": 1}, {"flag": 2}, {"is_completed": True}, {"is_signed": True}]
)
def test_a_redrawn_or_closed_report_is_not_checked(site, lims):
    site.lab(RULED)
    site.report(sex="M", completed_at="2026-05-20T09:30:00Z", **lims)
    site.send("09:00", WBC="12.0")
    assert [one for one in opened(site) if one[1] == "Auto"] == []


@pytest.mark.parametrize(
    ("fields", "checks"),
    [
        ({}, True),
        ({"result_status": None}, True),
        ({"result_status": "V"}, True),
        ({"result_status": "P"}, False),
        ({"result_status": "S"}, False),
        ({"next_action": "repeat"}, False),
        ({"next_action": "rerun"}, False),
        ({"next_action": "reflex"}, False),
        ({"units": "mmol/L"}, False),
        ({"run_kind": "reflex"}, True),
    ],
)
def test_only_final_values_that_nobody_repeats_anyway_are_checked(ruled, fields, checks):
    ruled.send("09:00", WBC="12.0", fields=fields)
    assert (ruled.flag() == 3) is checks


@pytest.mark.parametrize("kind", ["qc", "calibration", "training"])
def test_only_patient_values_are_checked(ruled, kind):
    ruled.send("09:00", WBC="12.0", kind=kind)
    assert ruled.flag() == 0


@pytest.mark.parametrize(
    ("received", "flag"),
    [
        ("11:00", 3),
        ("2026-05-20T11:00:00.001Z", 0),
        ("12:00", 0),
    ],
)
def test_a_run_older_than_two_hours_is_not_checked(ruled, received, flag):
    ruled.send("09:00", received=received, WBC="12.0")
    assert ruled.flag() == flag


def test_a_preliminary_value_is_checked_when_it_becomes_final(ruled):
    first, _ = ruled.send("09:00", WBC="12.0", fields={"result_status": "P"})
    changed = {"run_kind": "status_update", "supersedes": first.results[0].result_id}
    ruled.send("09:00", received="09:05", WBC="12.0", fields=changed)
    assert (ruled.flag(), opened(ruled)) == (3, [(1, "Auto", [1], True)])


def test_a_withdrawn_value_is_not_checked(ruled):
    first, _ = ruled.send("09:00", PLT="200")
    changed = {"run_kind": "withdrawal", "supersedes": first.results[0].result_id}
    ruled.send("09:00", received="09:05", PLT="200", fields=changed)
    assert ruled.flag() == 0


@pytest.mark.parametrize(
    ("values", "fields", "flag"),
    [
        ({"PLT": "----"}, {}, 3),
        ({"PLT": "150"}, {"abnormal_flags": ["A"]}, 3),
        ({"PLT": "150"}, {"abnormal_flags": ["H"]}, 0),
        ({"PLT": "150"}, {"result_status": "X"}, 3),
        ({"PLT": "150"}, {"result_status": "I"}, 0),
        ({"WBC": "----"}, {}, 0),
    ],
)
def test_invalid_is_met_without_a_value_too(ruled, values, fields, flag):
    ruled.send("09:00", fields=fields, **values)
    assert ruled.flag() == flag


def test_the_value_that_an_invalid_original_waited_for_fills_its_slot(ruled):
    ruled.send("09:00", PLT="----")
    ruled.send("09:20", PLT="210", rerun=1)
    assert (ruled.flag(), ruled.slots()) == (4, {4: "210"})


def test_an_unusable_repeat_of_the_instrument_asks_for_nothing(ruled):
    ruled.send("09:00", WBC="6.0")
    ruled.send("09:10", PLT="----", rerun=-1)
    assert ruled.row().auto_rerun_indexes == []


@pytest.mark.parametrize(("sex", "flag"), [("M", 3), ("F", 0), (None, 0), ("U", 0)])
def test_ranges_are_those_of_the_patients_sex(site, sex, flag):
    site.lab(RULED)
    site.report(sex=sex)
    site.send("09:00", HGB="13.0")
    assert site.flag() == flag


def test_values_are_checked_in_the_unit_of_the_report(ruled):
    ruled.send("09:00", device="43", HGB="134", fields={"units": "g/L"})
    assert (ruled.flag(), ruled.slots()[3]) == (3, "13.4")


def test_a_later_report_of_the_sample_is_checked_when_it_appears(site):
    site.lab(RULED)
    site.send("09:00", WBC="12.0")
    site.clock.set("2026-05-20T09:30:00Z")
    site.report(at="09:20", sex="M")
    site.service.sweep(1)
    assert (site.flag(), opened(site)) == (3, [(1, "Auto", [1], True)])


def test_registering_twice_opens_once(ruled):
    payload = ruled.send("09:00", WBC="12.0")
    before = ruled.everything()
    ruled.again(payload, payload)
    assert ruled.everything() == before


# What a caller may ask.


@pytest.fixture
def unruled_then_ruled(site):
    """Originals that came before the lab had rules."""
    site.report(sex="M")
    site.send("09:00", **{**FINE, "WBC": "12.0", "MCV": "100.1"})
    site.lab(RULED)
    return site


QUALIFIED = [
    {
        "index": 1,
        "parameter_name": "WBC",
        "value": "12.0",
        "condition": "abnormal",
        "bound": "10.0",
    },
    {
        "index": 5,
        "parameter_name": "MCV",
        "value": "100.1",
        "condition": "custom",
        "bound": "100",
    },
]


def test_a_dry_run_says_what_qualifies_and_writes_nothing(unruled_then_ruled):
    before = unruled_then_ruled.everything()
    assert unruled_then_ruled.auto_check(dry_run=True) == {
        "qualified": QUALIFIED,
        "created": False,
        "reason": "dry_run",
        "rerun_number": None,
    }
    assert unruled_then_ruled.everything() == before


def test_an_auto_check_opens_the_rerun(unruled_then_ruled):
    assert unruled_then_ruled.auto_check() == {
        "qualified": QUALIFIED,
        "created": True,
        "reason": None,
        "rerun_number": 1,
    }
    assert (unruled_then_ruled.flag(), opened(unruled_then_ruled)) == (
        3,
        [(1, "Auto", [1, 5], True)],
    )
    line = unruled_then_ruled.stores.reports.activity(1, 1)[-1]
    assert (line.code, line.user_id) == (981, 7)
    (rerun,) = unruled_then_ruled.stores.reruns.reruns(1, [1])
    assert rerun.created_by == -1


def test_an_auto_check_extends_an_untouched_auto_rerun(site):
    site.report(sex="M")
    site.send("09:00", WBC="12.0")
    site.lab(RULED)
    site.send("09:05", HGB="11.0")
    answer = site.auto_check()
    assert [one["index"] for one in answer["qualified"]] == [1]
    assert (answer["created"], answer["reason"], answer["rerun_number"]) == (False, "extended", 1)
    assert opened(site) == [(1, "Auto", [3, 1], True)]


def test_a_rerun_value_that_is_shown_is_no_original(unruled_then_ruled):
    unruled_then_ruled.send("09:10", WBC="13.0", rerun=-1)
    unruled_then_ruled.confirm((1, 1), at="09:20")
    answer = unruled_then_ruled.auto_check()
    assert [one["index"] for one in answer["qualified"]] == [5]


@pytest.mark.parametrize(
    ("prepare", "reason", "number"),
    [
        (lambda site: site.send("09:00", **FINE), "none_qualified", None),
        (lambda site: None, "none_qualified", None),
        (lambda site: site.request(1, at="09:10"), "rerun_open", 1),
        (lambda site: site.send("09:10", WBC="11.9", rerun=-1), "under_review", None),
    ],
)
def test_the_reason_says_why_nothing_was_created(site, prepare, reason, number):
    site.report(sex="M")
    if reason != "none_qualified":
        site.send("09:00", WBC="12.0")
    prepare(site)
    site.lab(RULED)
    before = site.everything()
    answer = site.auto_check()
    assert (answer["created"], answer["reason"], answer["rerun_number"]) == (False, reason, number)
    assert site.everything() == before


@pytest.mark.parametrize("row", [{"is_completed": True}, {"is_signed": True}])
def test_a_closed_report_has_no_auto_check(unruled_then_ruled, row):
    version = unruled_then_ruled.row().rerun_version
    unruled_then_ruled.report(sex="M", rerun_version=version, **row)
    assert unruled_then_ruled.auto_check()["reason"] == "completed"
    assert unruled_then_ruled.flag() == 0


def test_what_is_too_old_for_the_pipeline_is_too_old_for_a_caller(unruled_then_ruled):
    assert unruled_then_ruled.auto_check("11:01")["reason"] == "none_qualified"


@pytest.mark.parametrize("flag", [1, 2])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_redrawn_report_refuses_the_caller(site, flag, dry_run):
    site.report(flag=flag)
    with pytest.raises(Conflict) as refused:
        site.auto_check(dry_run=dry_run)
    assert refused.value.code == "redrawn"


def test_an_unknown_report_has_none(site):
    with pytest.raises(NotFound):
        site.auto_check(report=99)


def test_the_same_event_has_the_same_answer(unruled_then_ruled):
    first = unruled_then_ruled.auto_check(event_id="key")
    assert unruled_then_ruled.auto_check(event_id="key") == first
    assert unruled_then_ruled.log() == [981]
