"""What an instrument calls the parameters of a report format."""

import pytest

from rerund.rerun.lab import Lab, MachineNames


@pytest.fixture
def lab(site):
    return Lab(site.lab_data)


@pytest.mark.parametrize(
    ("indexes", "names"),
    [
        ([2], {"42": MachineNames(["CBC"], ["RBC"])}),
        ([2, 4], {"42": MachineNames(["CBC", "PLT"], ["RBC", "PLT"])}),
        (
            [1, 3],
            {
                "42": MachineNames(["CBC"], ["WBC", "HGB"]),
                "43": MachineNames(["WBC", "HGB"], ["WBC", "HGB"]),
            },
        ),
        ([], {}),
        ([9], {}),
    ],
)
def test_get_rerun_format_machine_names_map(lab, indexes, names):
    assert lab.get_rerun_format_machine_names_map(1, indexes) == names


def test_an_unknown_format_has_no_names_and_no_parameters(lab):
    assert lab.get_rerun_format_machine_names_map(77, [1]) == {}
    assert lab.parameters(77) == {}
    assert lab.places("42", "WBC", 77) == []


def test_a_shared_order_code_is_found_in_other_formats(lab):
    codes = lab.get_rerun_format_machine_names_map(1, [1])
    assert lab.indexes_of_order_codes(2, codes) == [1]
    assert lab.indexes_of_order_codes(2, {"43": codes["43"]}) == []
