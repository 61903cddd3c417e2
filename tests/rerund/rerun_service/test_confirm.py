"""Confirming: what is chosen is shown, every run is settled, and what cannot be is refused."""

import msgspec
import pytest

from rerund.rerun.confirm import Choice, Confirmation
from rerund.rerun.refusals import Conflict, Impossible, NotFound


@pytest.fixture
def measured(site):
    site.report()
    site.send("09:00", WBC="12.5", RBC="4.5", HGB="14.0")
    return site


@pytest.fixture
def under_review(measured):
    """Rerun 1 was requested for WBC and HGB; HGB failed. Rerun 2 was the instrument's own."""
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", RBC="4.4", HGB="----", rerun=1)
    measured.send("10:40", WBC="11.8", HGB="13.9", rerun=-1)
    assert measured.flag() == 4
    return measured


def test_the_chosen_value_is_shown_and_an_index_left_out_keeps_its_original(under_review):
    answer = under_review.confirm((1, 1))
    assert under_review.slots() == {1: "12.0", 2: "4.5", 3: "14.0"}
    slots = under_review.stores.reports.report_values(1, [1])
    assert {row.index: row.rerun_number for row in slots} == {1: 1, 2: 0, 3: 0}
    assert under_review.flag() == 0
    assert answer == {
        "confirmed": [
            {
                "index": 1,
                "parameter_name": "WBC",
                "rerun_number": 1,
                "value": "12.0",
                "units": "10*3/uL",
                "old": "12.5",
            }
        ],
        "kept": [2, 3],
        "settled": [1, 2],
        "amended": False,
        "sampleRedrawFlag": 0,
        "version": under_review.row().rerun_version,
        "next_rerun_number": 3,
    }


def test_values_of_several_runs_may_be_chosen(under_review):
    under_review.confirm((1, 1), (2, 0), (3, 2))
    assert under_review.slots() == {1: "12.0", 2: "4.5", 3: "13.9"}


def test_confirming_nothing_keeps_all_originals(under_review):
    under_review.confirm()
    assert under_review.slots() == {1: "12.5", 2: "4.5", 3: "14.0"}
    assert under_review.flag() == 0


def test_the_log_has_old_and_new_of_every_parameter_under_review(under_review):
    under_review.confirm((1, 1))
    line = under_review.stores.reports.activity(1, 1)[-1]
    assert (line.code, line.user_id) == (980, 7)
    assert line.old == {"values": {"1": "12.5", "2": "4.5", "3": "14.0"}}
    assert line.new == {
        "values": {"1": "12.0", "2": "4.5", "3": "14.0"},
        "rerun_numbers": {"1": 1},
    }


def test_every_row_of_the_ledger_under_review_is_settled(under_review):
    under_review.confirm((1, 1))
    settled = [(r.test_code, r.rerun_number, r.settled) for r in under_review.ledger()]
    assert sorted(settled) == [
        ("HGB", 0, "kept"),
        ("HGB", 1, "discarded"),
        ("HGB", 2, "discarded"),
        ("RBC", 0, "kept"),
        ("RBC", 1, "discarded"),
        ("WBC", 0, "discarded"),
        ("WBC", 1, "confirmed"),
        ("WBC", 2, "discarded"),
    ]


def test_the_documents_are_gone_the_number_is_cleared_and_none_is_given_again(under_review):
    under_review.confirm((1, 1))
    stores = under_review.stores
    assert (stores.reruns.reruns(1, [1]), stores.reruns.values(1, [1])) == ([], [])
    assert stores.numbers.active_number(1, 1) is None
    assert under_review.request(1, at="12:30")["rerun_number"] == 3


def test_a_second_confirmation_replaces_the_first(under_review):
    under_review.confirm((1, 1))
    under_review.send("13:00", WBC="11.0", rerun=-1)
    under_review.confirm((1, 3), at="13:10")
    assert under_review.slots()[1] == "11.0"
    settled = [r.settled for r in under_review.ledger() if r.test_code == "WBC"]
    assert settled == ["discarded", "discarded", "discarded", "confirmed"]


def test_a_confirmed_value_that_is_kept_later_stays_confirmed(under_review):
    under_review.confirm((1, 1))
    under_review.send("13:00", WBC="11.0", rerun=-1)
    under_review.confirm(at="13:10")
    settled = {r.rerun_number: r.settled for r in under_review.ledger() if r.test_code == "WBC"}
    assert settled == {0: "discarded", 1: "confirmed", 2: "discarded", 3: "discarded"}


def test_the_value_that_arrived_is_kept_beside_the_one_in_the_unit_of_the_report(measured):
    measured.request(3)
    measured.send("10:20", device="43", HGB="139", rerun=1, fields={"units": "g/L"})
    measured.confirm((3, 1))
    slot = next(row for row in measured.stores.reports.report_values(1, [1]) if row.index == 3)
    assert (slot.value, slot.units, slot.device_value, slot.device_units) == (
        "13.9",
        "g/dL",
        "139",
        "g/L",
    )


@pytest.mark.parametrize(
    ("replicates", "value", "note"),
    [
        ((0, 1, 2), "5.0", "mean of 2 replicates"),
        ((1, 2), "5.1", "replicate 1 of 2"),
        ((2, 1), "5.1", "replicate 1 of 2"),
        ((0,), "5.0", None),
    ],
)
def test_of_replicates_the_mean_is_shown_else_the_first_and_it_says_so(
    measured, replicates, value, note
):
    payload = measured.payload("10:20", WBC="5.0", rerun=-1)
    first = payload[0].results[0]
    payload[0].results[:] = [
        msgspec.structs.replace(
            first, result_id=f"r-{n}", replicate=n, value=f"5.{n}", numeric=f"5.{n}"
        )
        for n in replicates
    ]
    measured.again(payload)
    measured.confirm((1, 1))
    slot = measured.stores.reports.report_values(1, [1])[0]
    assert (slot.value, slot.note) == (value, note)


@pytest.mark.parametrize(
    ("choices", "code"),
    [
        ([(9, 1)], "unknown_parameter"),
        ([(1, 3)], "unknown_rerun"),
        ([(1, -1)], "unknown_rerun"),
        ([(2, 2)], "no_value"),
        ([(4, 0)], "no_value"),
        ([(3, 1)], "unusable"),
        ([(1, 1), (1, 2)], "same_index"),
        ([(1, 1), (1, 1)], "same_index"),
        ([(1, 1), (9, 1)], "unknown_parameter"),
    ],
)
def test_an_impossible_choice_changes_nothing(under_review, choices, code):
    before = under_review.everything()
    with pytest.raises(Impossible) as refused:
        under_review.confirm(*choices)
    assert (refused.value.code, refused.value.field) == (code, "values")
    assert under_review.everything() == before


def test_a_value_in_another_unit_cannot_be_chosen(measured):
    measured.request(3)
    measured.send("10:20", HGB="8.7", rerun=1, fields={"units": "mmol/L"})
    assert measured.flag() == 4
    with pytest.raises(Impossible) as refused:
        measured.confirm((3, 1))
    assert refused.value.code == "unit_mismatch"


def test_another_version_than_the_one_seen_is_changed(under_review):
    version = under_review.row().rerun_version
    with pytest.raises(Conflict) as refused:
        under_review.confirm((1, 1), version=version - 1)
    assert (refused.value.code, refused.value.details) == ("changed", {"version": version})
    assert under_review.flag() == 4


def test_without_a_version_what_is_there_is_confirmed(under_review):
    under_review.confirm((1, 1), version=None)
    assert under_review.slots()[1] == "12.0"


@pytest.mark.parametrize(
    ("flag", "code"), [(0, "nothing_to_review"), (1, "redrawn"), (2, "redrawn")]
)
@pytest.mark.parametrize("close_open", [False, True])
def test_there_must_be_something_to_confirm(site, flag, code, close_open):
    site.report(flag=flag)
    with pytest.raises(Conflict) as refused:
        site.confirm(close_open=close_open)
    assert refused.value.code == code


def test_an_open_rerun_must_be_closed_first(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", rerun=1)
    with pytest.raises(Conflict) as refused:
        measured.confirm((1, 1))
    assert (refused.value.code, measured.flag()) == ("rerun_open", 3)


def test_closing_the_open_rerun_takes_what_has_come_and_ends_the_rest(measured):
    measured.request(1, 3)
    measured.send("10:20", WBC="12.0", rerun=1)
    measured.confirm((1, 1), close_open=True)
    assert (measured.flag(), measured.slots()[1]) == (0, "12.0")
    assert measured.waiting() == [(1, [3], "cancelled")]
    assert measured.stores.numbers.active_number(1, 1) is None


def test_closing_may_be_asked_for_when_nothing_is_open(under_review):
    under_review.confirm((1, 1), close_open=True)
    assert (under_review.flag(), under_review.slots()[1]) == (0, "12.0")


LIMS = [{"is_signed": True}, {"is_completed": True}, {"is_signed": True, "is_completed": True}]


def closed(site, row):
    """A report that the LIMS closed after its values came, and a run that came later."""
    site.report()
    site.send("09:00", WBC="12.5", HGB="14.0")
    version = site.row().rerun_version
    site.report(rerun_version=version, completed_at="2026-05-20T09:30:00Z", **row)
    site.send("10:00", WBC="12.0", rerun=-1)
    assert site.flag() == 4


@pytest.mark.parametrize("row", LIMS)
def test_changing_a_closed_report_must_be_meant(site, row):
    closed(site, row)
    with pytest.raises(Conflict) as refused:
        site.confirm((1, 1))
    assert (refused.value.code, refused.value.field) == ("completed", "confirm")
    assert (site.flag(), site.slots()[1]) == (4, "12.5")


@pytest.mark.parametrize("row", LIMS)
def test_changing_a_closed_report_takes_the_signature_back_and_says_amended(site, row):
    closed(site, row)
    answer = site.confirm((1, 1), confirm=True)
    assert answer["amended"]
    assert (site.slots()[1], site.row().is_signed) == ("12.0", False)
    assert site.row().is_completed == row.get("is_completed", False)
    assert site.stores.reports.activity(1, 1)[-1].new["amended"]


@pytest.mark.parametrize("row", LIMS)
def test_keeping_what_a_closed_report_shows_leaves_its_signature(site, row):
    closed(site, row)
    answer = site.confirm((1, 0))
    assert not answer["amended"]
    assert site.row().is_signed == row.get("is_signed", False)
    assert "amended" not in site.stores.reports.activity(1, 1)[-1].new


@pytest.mark.parametrize("row", LIMS)
def test_a_report_that_is_closed_while_it_is_confirmed_is_decided_again(site, row):
    site.report()
    site.send("09:00", WBC="12.5")
    site.send("10:00", WBC="12.0", rerun=-1)
    stores, lims = site.stores, site.lims

    class Signing:
        def __getattr__(self, name):
            if name == "commit":
                lims(report=msgspec.structs.replace(stores.reports.reports(1, [1])[0], **row))
            return getattr(stores.reports, name)

    site.stores = stores._replace(reports=Signing())
    site.restart()
    with pytest.raises(Conflict) as refused:
        site.confirm((1, 1))
    assert refused.value.code == "completed"
    assert site.slots()[1] == "12.5"


def test_late_values_of_a_confirmed_rerun_are_refused_once(under_review):
    under_review.confirm((1, 1))
    for minute in (10, 20):
        context = {"open_report": 1}
        under_review.send(f"12:{minute}", WBC="12.1", rerun=1, context=context)
    assert under_review.outcomes()[-2:] == [("WBC", "refused", "rerun_closed")] * 2
    assert under_review.log().count(984) == 2  # one of them named the failed HGB


def test_the_same_event_has_the_same_answer(under_review):
    version = under_review.row().rerun_version
    asked = Confirmation(version=version, values=(Choice(index=1, rerun_number=1),))
    answers = [under_review.service.confirm(1, 1, asked, user=7, event_id="key") for _ in range(2)]
    assert answers[0] == answers[1]
    assert under_review.log().count(980) == 1


def test_the_id_of_another_event_is_a_conflict(under_review):
    under_review.report(2)
    under_review.cancel(event_id="key")
    for report in (1, 2):
        with pytest.raises(Conflict) as refused:
            under_review.confirm(report=report, event_id="key")
        assert refused.value.code == "event_id_taken"
    with pytest.raises(Conflict):
        under_review.cancel(report=2, event_id="key")


@pytest.mark.parametrize(("lab", "report"), [(1, 99), (2, 1)])
def test_a_report_of_another_lab_is_as_unknown_as_none(under_review, lab, report):
    with pytest.raises(NotFound):
        under_review.service.confirm(lab, report, Confirmation(version=None), user=7)
