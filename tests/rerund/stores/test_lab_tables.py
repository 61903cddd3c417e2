"""Formats, mappings and reports of a lab without a LIMS, and what a LIMS writes itself."""

import msgspec
import pytest
from structlog.testing import capture_logs

from rerund.rerun.instants import seconds
from rerund.rerun.records import LabData, ParameterMeta
from rerund.stores.lab_tables import Changes, LabTables, Order, OrderClash
from tests.rerund.conftest import LAB_DATA
from tests.rerund.stores.made import AT
from tests.rerund.stores_at import open_embedded

ORDER = Order(
    sample_id="S1",
    report_format_id=1,
    lab_report_id=7,
    registered_at="2026-05-20T11:00:00+02:00",
    patient_id="P1",
    patient_name="Doe Jane",
    sex="F",
    birth_date="1980-02-01",
)
EMPTY = LabData(1, (), (), ())


@pytest.fixture
def opened(tmp_path):
    with open_embedded(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def tables(opened):
    return opened.lab


def test_writing_the_same_again_changes_nothing(opened, tables):
    first = tables.write(LAB_DATA, [ORDER])
    assert (first.formats.added, first.parameters.added, first.devices.added) == (2, 6, 2)
    assert (first.mappings.added, first.reports.added) == (8, 1)
    before = opened.stores.reports.lab_data_version(1)
    again = tables.write(LAB_DATA, [ORDER])
    assert again.parameters == Changes(unchanged=6)
    assert again.reports == Changes(unchanged=1)
    assert opened.stores.reports.lab_data_version(1) == before


def test_a_format_and_an_instrument_are_replaced_whole_and_others_stay(opened, tables):
    tables.write(LAB_DATA)
    cbc = LAB_DATA.formats[0]
    renamed = msgspec.structs.replace(cbc.parameters[0], parameter_name="Leukocytes")
    changed = LabData(
        1,
        (msgspec.structs.replace(cbc, parameters=(renamed, *cbc.parameters[1:3])),),
        LAB_DATA.devices[1:],
        LAB_DATA.mappings[-1:],
    )
    did = tables.write(changed)
    assert did.parameters == Changes(changed=1, removed=2, unchanged=2)
    assert did.mappings == Changes(removed=1, unchanged=1)
    data = opened.stores.reports.lab_data(1)
    assert data.formats == (*changed.formats, LAB_DATA.formats[1])
    assert data.devices == LAB_DATA.devices
    assert {m.device_id for m in data.mappings} == {"42", "43"}
    assert len(data.mappings) == len(LAB_DATA.mappings) - 1


def test_an_order_is_a_report_that_has_not_been_looked_at(opened, tables):
    assert tables.register(1, ORDER) == 7
    (row,) = opened.stores.reports.reports(1, [7])
    assert (row.sample_id, row.registered_at, row.sex) == ("S1", AT, "F")
    assert (row.flag, row.rerun_version, row.auto_rerun_indexes) == (0, 0, [])
    assert not row.results_checked


def test_an_order_without_a_number_gets_the_next_of_the_lab(opened, tables):
    plain = Order(sample_id="S1", report_format_id=1)
    tables.register(2, ORDER)
    assert [tables.register(1, plain), tables.register(1, plain)] == [1, 2]
    assert tables.register(2, plain) == 8
    (row,) = opened.stores.reports.reports(1, [1])
    assert abs(opened.stores.reports.now() - seconds(row.registered_at)) < 60


def test_an_order_again_may_add_to_the_patient(opened, tables):
    tables.register(1, ORDER)
    more = Order(sample_id="S1", report_format_id=1, lab_report_id=7, sex="M")
    assert tables.write(EMPTY, [more]).reports == Changes(changed=1)
    (row,) = opened.stores.reports.reports(1, [7])
    assert (row.sex, row.patient_name, row.registered_at) == ("M", "Doe Jane", AT)


@pytest.mark.parametrize("change", [{"sample_id": "S2"}, {"report_format_id": 2}])
def test_a_number_that_another_order_has_is_refused(opened, tables, change):
    tables.register(1, ORDER)
    other = msgspec.structs.replace(ORDER, **change)
    with pytest.raises(OrderClash, match="report 7 is registered for another"):
        tables.write(LAB_DATA, [other])
    assert opened.stores.reports.lab_data(1).formats == ()
    assert len(tables.orders(1)) == 1


def test_orders_are_listed_newest_first(tables):
    for number, at in enumerate(["09:00", "11:00", "10:00"], 1):
        order = msgspec.structs.replace(
            ORDER,
            lab_report_id=number,
            sample_id=f"S{number % 2}",
            registered_at=f"2026-05-20T{at}:00Z",
        )
        tables.register(1, order)
    assert [row.lab_report_id for row in tables.orders(1)] == [2, 3, 1]
    assert [row.lab_report_id for row in tables.orders(1, "S1")] == [3, 1]
    assert [row.lab_report_id for row in tables.orders(1, limit=1)] == [2]
    assert tables.orders(2) == []


LIMS_ROWS = [
    ("lab_report_relation", "lab_id, lab_report_id, sample_id, report_format_id", "1, 1, 'S1', 1"),
    ("report_format", "lab_id, report_format_id, name", "1, 1, 'CBC'"),
    (
        "report_format_parameter",
        'lab_id, report_format_id, "index", "order", parameter_name',
        "1, 1, 1, 1, 'WBC'",
    ),
    ("device", "lab_id, device_id, name", "1, '42', 'XN'"),
    (
        "device_format_mapping",
        'lab_id, device_id, test_code, report_format_id, "index"',
        "1, '42', 'WBC', 1, 1",
    ),
    ("waiting_list", "lab_id, lab_report_id, requested, remaining", "1, 1, '[1]', '[1]'"),
]


def test_what_a_lims_leaves_out_has_a_default(opened, database):
    with database.write() as connection:
        for table, columns, values in LIMS_ROWS:
            connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({values})")
    reports = opened.stores.reports
    (row,) = reports.reports(1, [1])
    assert (row.flag, row.auto_rerun_indexes, row.is_signed) == (0, [], False)
    assert abs(reports.now() - seconds(row.registered_at)) < 60
    (original,) = reports.waiting_rows(1, [1])
    assert (original.device_id, original.rerun_number, original.status) == ("", 0, "pending")
    data = reports.lab_data(1)
    assert data.mappings[0].order_code == "WBC"
    assert data.formats[0].parameters[0].meta == ParameterMeta()


def test_a_parameter_that_cannot_be_read_stops_nothing(opened, tables, database):
    tables.write(LAB_DATA)
    with database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE report_format_parameter SET meta = '{' WHERE parameter_name = 'WBC'"
        )
    with capture_logs() as logs:
        data = opened.stores.reports.lab_data(1)
    assert data.formats[0].parameters[0].meta == ParameterMeta()
    assert data.formats[0].parameters[1:] == LAB_DATA.formats[0].parameters[1:]
    (line,) = logs
    assert (line["event"], line["alert"]) == ("parameter unreadable", True)
    assert line["format_and_index"] == (1, 1)


def test_tables_may_be_written_from_another_file_handle(opened, database):
    LabTables(database).write(LAB_DATA)
    assert opened.stores.reports.lab_data(1).formats == LAB_DATA.formats
