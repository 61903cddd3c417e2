"""The model methods of a SampleRerun."""

import pytest

from rerund.rerun.documents import SampleRerun


def rerun(requested, fulfilled=(), failed=(), **changed):
    fields = {"type": "Manual", "is_active": True, "rerun_number": 2, **changed}
    return SampleRerun(
        lab_id=1,
        lab_report_id=9,
        sample_id="S1",
        requested_parameters=list(requested),
        fulfilled_parameters=list(fulfilled),
        failed_parameters=list(failed),
        run_key="k",
        created_by=7,
        created_at=0,
        updated_by=7,
        updated_at=0,
        version=1,
        **fields,
    )


def test_only_requested_parameters_that_have_not_come_are_valid():
    assert rerun([1, 3, 5], fulfilled=[3]).get_valid_requested_parameters([5, 3, 5, 7]) == [5]


def test_received_parameters_are_fulfilled_and_no_longer_failed():
    document = rerun([1, 3], failed=[1])
    document.add_received_parameters_to_fulfilled_parameters([1, 9])
    assert (document.fulfilled_parameters, document.failed_parameters) == ([1], [])


def test_a_failure_never_takes_back_a_good_value():
    document = rerun([1, 3], fulfilled=[1])
    document.add_failed_parameters([1, 3])
    assert (document.fulfilled_parameters, document.failed_parameters) == ([1], [3])


@pytest.mark.parametrize(
    ("fulfilled", "failed", "done"),
    [
        ((), (), False),
        ((1,), (), False),
        ((1, 3), (), True),
        ((1,), (3,), True),
        ((), (1, 3), True),
    ],
)
def test_it_is_fulfilled_when_every_parameter_has_come_or_failed(fulfilled, failed, done):
    assert rerun([1, 3], fulfilled, failed).is_rerun_fulfilled() is done


def test_a_correction_moves_a_parameter_to_the_other_side():
    document = rerun([1], fulfilled=[1])
    document.count(1, usable=False)
    assert (document.fulfilled_parameters, document.failed_parameters) == ([], [1])
    document.count(1, usable=True)
    assert (document.fulfilled_parameters, document.failed_parameters) == ([1], [])


def test_a_correction_of_an_unrequested_parameter_counts_nothing():
    document = rerun([1])
    document.count(5, usable=True)
    assert document.fulfilled_parameters == []


def test_only_the_active_rerun_holds_the_key_of_the_report():
    document = rerun([1])
    assert (document.id, document.active_of) == ("1:9:2", "1:9")
    document.fulfill_rerun()
    assert document.active_of == document.id
    assert rerun([1], deleted_at=5).active_of == "1:9:2"
