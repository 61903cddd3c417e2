"""One report for one sample, by hand."""

import pytest
from msgspec.structs import replace

from rerund.lab.orders import UnknownFormat, add_order
from rerund.rerun.records import Transaction
from rerund.stores.lab_tables import Order
from tests.rerund.conftest import LAB_DATA
from tests.rerund.stores.made import waiting as made_waiting
from tests.rerund.stores_at import open_embedded


@pytest.fixture
def opened(tmp_path):
    with open_embedded(tmp_path / "store.db") as opened:
        yield opened


def test_an_order_is_registered_for_a_format_of_the_lab(opened):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=2)
    assert add_order(1, order, opened.stores.reports, opened.lab) == 1
    (row,) = opened.lab.orders(1, "S1")
    assert (row.lab_report_id, row.report_format_id) == (1, 2)


@pytest.mark.parametrize(("lab_id", "known"), [(1, "known: 1, 2"), (2, "known: none: rerund lab")])
def test_an_unknown_format_is_refused_and_the_known_ones_named(opened, lab_id, known):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=3)
    with pytest.raises(UnknownFormat, match=known):
        add_order(lab_id, order, opened.stores.reports, opened.lab)
    assert opened.lab.orders(lab_id) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"registered_at": "2026-05-20T09:00:00"}, "registered_at: .*timezone"),
        ({"registered_at": "yesterday"}, "registered_at: "),
        ({"birth_date": "1.2.1980"}, "birth_date: "),
        ({"sex": "female"}, "sex: "),
        ({"sample_id": ""}, "sample: "),
        ({"lab_report_id": 0}, "id: "),
    ],
    ids=["no zone", "no time", "no date", "no letter", "no sample", "no number"],
)
def test_what_no_lab_file_may_say_no_order_may(opened, fields, said):
    opened.lab.write(LAB_DATA)
    order = Order(**{"sample_id": "S1", "report_format_id": 1, **fields})
    with pytest.raises(ValueError, match=said):
        add_order(1, order, opened.stores.reports, opened.lab)
    assert opened.lab.orders(1) == []


def waiting(opened, report=1, lab_id=1):
    return opened.stores.reports.waiting_rows(lab_id, [report])


def test_what_instruments_are_to_measure_is_every_parameter_of_the_format(opened):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=1)
    add_order(1, order, opened.stores.reports, opened.lab)
    (row,) = waiting(opened)
    assert (row.requested, row.remaining, row.rerun_number) == ([1, 2, 3, 4, 5],) * 2 + (0,)
    assert (row.device_id, row.status, row.priority, row.rerun_type) == ("", "pending", None, None)


def test_it_may_be_less_and_urgent(opened):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=1, requested=[3, 1, 3], priority="S")
    add_order(1, order, opened.stores.reports, opened.lab)
    (row,) = waiting(opened)
    assert (row.requested, row.remaining, row.priority) == ([3, 1], [3, 1], "S")


def test_nothing_is_asked_of_instruments_when_there_is_nothing_to_measure(opened):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=1, requested=[])
    add_order(1, order, opened.stores.reports, opened.lab)
    assert waiting(opened) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"requested": [1, 9, 7]}, "index: report format 1 has no parameter 9, 7"),
        ({"priority": "S" * 17}, "priority: "),
        ({"priority": ""}, "priority: "),
    ],
    ids=["no parameter", "a priority too long", "an empty priority"],
)
def test_what_the_format_or_the_stores_do_not_know_is_refused(opened, fields, said):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=1, **fields)
    with pytest.raises(ValueError, match=said):
        add_order(1, order, opened.stores.reports, opened.lab)
    assert (opened.lab.orders(1), waiting(opened)) == ([], [])


def test_the_same_report_again_changes_nothing_of_its_order(opened):
    opened.lab.write(LAB_DATA)
    order = Order(sample_id="S1", report_format_id=1, lab_report_id=7, requested=[1])
    reports = opened.stores.reports
    for requested in ([1], [1, 2], None):
        add_order(1, replace(order, requested=requested, priority="S"), reports, opened.lab)
        (row,) = waiting(opened, 7)
        assert (row.requested, row.priority, row.version) == ([1], "S", 1)


def test_an_order_that_a_lims_has_put_there_before_the_report_stays(opened):
    opened.lab.write(LAB_DATA)
    reports = opened.stores.reports
    theirs = made_waiting(0, lab_report_id=7, requested=[2], remaining=[2], priority="stat")
    reports.commit(Transaction(waiting=[theirs]))
    order = Order(sample_id="S1", report_format_id=1, lab_report_id=7)
    add_order(1, order, reports, opened.lab)
    (row,) = waiting(opened, 7)
    assert (row.requested, row.priority) == ([2], "stat")
