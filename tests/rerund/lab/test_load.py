"""Lab files: every mistake with its place, all or nothing, twice without effect."""

from pathlib import Path

import pytest

from rerund.lab.load import LabFileError, load_files
from rerund.rerun.records import Mapping, Range
from rerund.stores.lab_tables import Changes
from tests.rerund.stores_at import open_embedded

EXAMPLE = Path(__file__).parents[3] / "config" / "lab.example.toml"

CBC = """
[[format]]
id = 1
name = "CBC"
parameter = [
  { index = 1, name = "WBC" },
  { index = 2, name = "RBC" },
]
"""
XN = """
[[device]]
id = "42"
name = "XN"
mapping = [
  { test_code = "WBC", format = 1, index = 1 },
]
"""
REPORT = """
[[report]]
id = 1
sample = "S1"
format = 1
"""


@pytest.fixture
def opened(tmp_path):
    with open_embedded(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def load(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(*texts, lab_id=1):
        paths = [Path(f"{number}.toml") for number in range(1, len(texts) + 1)]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return load_files(paths, lab_id, opened.stores.reports, opened.lab)

    return load


def test_the_example_loads_and_again_changes_nothing(opened):
    first = load_files([EXAMPLE], 1, opened.stores.reports, opened.lab)
    again = load_files([EXAMPLE], 1, opened.stores.reports, opened.lab)
    for did, did_again in ((getattr(first, k), getattr(again, k)) for k in first.__struct_fields__):
        assert did.added > 0
        assert did_again == Changes(unchanged=did.added)


def test_what_the_example_says(opened):
    load_files([EXAMPLE], 1, opened.stores.reports, opened.lab)
    data = opened.stores.reports.lab_data(1)
    wbc, rbc, *_, platelets = data.formats[0].parameters
    assert wbc.ranges == (Range("", "4.0", "10.0", "1.0", "50.0"),)
    assert (wbc.meta.auto_rerun, wbc.meta.auto_rerun_condition) == (True, "critical")
    assert [one.sex for one in rbc.ranges] == ["M", "F"]
    assert (rbc.meta.manual_rerun, rbc.meta.auto_rerun) == (True, False)
    assert platelets.meta.auto_rerun_flags == ("A",)
    assert data.formats[0].parameters[4].meta.manual_rerun is False
    assert data.formats[0].parameters[6].meta.auto_rerun_upper == "37.0"
    assert Mapping("42", "WBC", 1, 1, "CBC") in data.mappings
    assert Mapping("43", "413", 2, 1, "413", "g/L", "0.1") in data.mappings
    (row,) = opened.stores.reports.reports(1, [1001])
    assert (row.sample_id, row.patient_id, row.sex) == ("S001", "P-77", "F")
    assert (row.patient_name, row.birth_date) == ("Doe Jane", "1980-02-01")


def test_files_are_read_together(load, opened):
    load(XN, REPORT, CBC)
    data = opened.stores.reports.lab_data(1)
    assert (len(data.formats), len(data.mappings)) == (1, 1)


def test_a_file_may_name_what_the_store_has(load):
    load(CBC)
    assert load(XN, REPORT).mappings == Changes(added=1)


def test_the_order_of_a_parameter_is_its_index_unless_said(load, opened):
    load(CBC.replace("index = 1,", "index = 1, order = 30,"))
    shown = opened.stores.reports.lab_data(1).formats[0].parameters
    assert [(p.index, p.order) for p in shown] == [(2, 2), (1, 30)]


def test_a_report_is_registered_when_it_says(load, opened):
    load(CBC, REPORT + "registered_at = 2026-05-20T11:00:00+02:00")
    (row,) = opened.stores.reports.reports(1, [1])
    assert row.registered_at == "2026-05-20T09:00:00.000Z"


def test_a_report_of_a_file_asks_the_instruments_for_all_of_its_format_once(load, opened):
    load(CBC, REPORT, XN)
    (row,) = opened.stores.reports.waiting_rows(1, [1])
    assert (row.rerun_number, row.requested, row.remaining) == (0, [1, 2], [1, 2])
    load(
        CBC + '[[format]]\nid = 2\nname = "MORE"\nparameter = [{ index = 1, name = "X" }]\n',
        REPORT,
        XN,
    )
    assert opened.stores.reports.waiting_rows(1, [1]) == [row]


OTHER_INDEXES = CBC.replace("index = 1", "index = 8").replace("index = 2", "index = 9")
MISTAKES = {
    "no TOML": ("x = = 1", "1.toml:1: Invalid value"),
    "an unknown key": (CBC + "colour = 1", "1.toml:9: format[0].colour: unknown key"),
    "a missing key": (
        '[[format]]\nid = 1\nname = "x"',
        "1.toml:1: format[0].parameter: is missing",
    ),
    "bounds the wrong way round": (
        CBC.replace('"WBC"', '"WBC", ranges = [{ lower = 5, upper = 4 }]'),
        "1.toml:6: format[0].parameter[0].ranges[0]: the lower bound 5 is above the upper one 4",
    ),
    "critical bounds the wrong way round": (
        CBC.replace('"WBC"', '"WBC", ranges = [{ critical_lower = 5, critical_upper = 4 }]'),
        "1.toml:6: format[0].parameter[0].ranges[0]: the lower bound 5 is above the upper one 4",
    ),
    "a bound that is no number": (
        CBC.replace('"WBC"', '"WBC", ranges = [{ lower = "low" }]'),
        "1.toml:6: format[0].parameter[0].ranges[0].lower: expected a number, got 'low'",
    ),
    "a bound without end": (
        CBC.replace('"WBC"', '"WBC", ranges = [{ lower = inf }]'),
        "1.toml:6: format[0].parameter[0].ranges[0].lower: expected a number, got inf",
    ),
    "both sexes and one": (
        CBC.replace('"WBC"', '"WBC", ranges = [{ lower = 5 }, { sex = "M" }]'),
        "1.toml:6: format[0].parameter[0]: ranges: one for both sexes, or one for each",
    ),
    "a rule without its bounds": (
        CBC.replace('"WBC"', '"WBC", auto_rerun = "custom"'),
        '1.toml:6: format[0].parameter[0]: auto_rerun = "custom" needs auto_rerun_custom',
    ),
    "a rule without ranges": (
        CBC.replace('"WBC"', '"WBC", auto_rerun = "abnormal"'),
        '1.toml:6: format[0].parameter[0]: auto_rerun = "abnormal" needs ranges',
    ),
    "a factor without its units": (
        CBC + XN.replace("index = 1 }", "index = 1, factor = 10 }"),
        "1.toml:14: device[0].mapping[0]: factor needs units:",
    ),
    "a factor that loses the value": (
        CBC + XN.replace("index = 1 }", 'index = 1, factor = 0.0, units = "g" }'),
        "1.toml:14: device[0].mapping[0].factor: a factor of 0 would lose the value",
    ),
    "a time without a zone": (
        CBC + REPORT + "registered_at = 2026-05-20T11:00:00",
        "1.toml:14: report[0].registered_at: ",
    ),
    "another lab": (f"lab_id = 2\n{CBC}", "1.toml:1: lab_id: is not lab 1, which is loaded here"),
    "a format twice": (
        CBC + OTHER_INDEXES,
        "1.toml:11: format[1].id: format 1 is already at 1.toml:3",
    ),
    "an index twice": (
        CBC.replace("index = 2", "index = 1"),
        "1.toml:7: format[0].parameter[1].index: index 1 of format 1 is already at 1.toml:6",
    ),
    "an instrument twice": (
        CBC + XN + '[[device]]\nid = "42"\nname = "again"',
        "1.toml:17: device[1].id: device '42' is already at 1.toml:11",
    ),
    "a mapping twice": (
        CBC + XN.replace("1 },", "1 },\n { test_code = 'WBC', format = 1, index = 1 },"),
        "1.toml:15: device[0].mapping[1].test_code: this mapping of 'WBC' is already at 1.toml:14",
    ),
    "a report twice": (
        CBC + REPORT + REPORT,
        "1.toml:16: report[1].id: report 1 is already at 1.toml:11",
    ),
    "an unknown format in a mapping": (
        XN,
        "1.toml:6: device[0].mapping[0].format: there is no format 1",
    ),
    "an unknown index": (
        CBC + XN.replace("index = 1", "index = 7"),
        "1.toml:14: device[0].mapping[0].index: format 1 has no index 7",
    ),
    "an unknown format in a report": (REPORT, "1.toml:5: report[0].format: there is no format 1"),
}


@pytest.mark.parametrize(("text", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place_and_nothing_is_loaded(load, opened, text, problem):
    before = opened.stores.reports.lab_data_version(1)
    with pytest.raises(LabFileError) as refused:
        load(text)
    assert len(refused.value.problems) == 1
    assert str(refused.value).startswith(problem)
    assert opened.stores.reports.lab_data_version(1) == before


def test_all_mistakes_of_all_files_are_told(load):
    with pytest.raises(LabFileError) as refused:
        load("x = = 1", CBC.replace('name = "CBC"', ""), CBC)
    assert [problem.file for problem in refused.value.problems] == ["1.toml", "2.toml"]


def test_the_same_name_in_two_files(load):
    with pytest.raises(LabFileError, match=r"2.toml:3: format\[0\].id: .* already at 1.toml:3"):
        load(CBC, OTHER_INDEXES)


def test_a_report_of_another_sample_is_told_with_its_place(load, opened):
    load(CBC, REPORT)
    with pytest.raises(LabFileError, match=r"1.toml:3: report\[0\].id: report 1 is registered"):
        load(REPORT.replace("S1", "S2"))
    assert opened.stores.reports.reports(1, [1])[0].sample_id == "S1"


def test_a_missing_file_is_a_problem(opened):
    with pytest.raises(LabFileError, match="can not be read"):
        load_files([Path("/nowhere.toml")], 1, opened.stores.reports, opened.lab)
