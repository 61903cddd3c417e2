"""One report for one sample, by hand."""

import pytest

from rerund.lab.orders import UnknownFormat, add_order
from rerund.stores.lab_tables import Order
from tests.rerund.conftest import LAB_DATA
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
