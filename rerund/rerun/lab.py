"""A lab's formats and mappings, indexed for the questions that are asked of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

from rerund.rerun.records import LabData, Mapping, Parameter


class MachineNames(msgspec.Struct, frozen=True):
    """What one instrument calls some parameters: codes to order by, codes that come back."""

    order_codes: list[str]
    test_codes: list[str]


class Lab:
    """One lab's data as read once."""

    def __init__(self, data: LabData):
        self.lab_id = data.lab_id
        self._parameters = {
            form.report_format_id: {parameter.index: parameter for parameter in form.parameters}
            for form in data.formats
        }
        self._by_test: dict[tuple[str, str, int], list[Mapping]] = defaultdict(list)
        self._by_format: dict[int, list[Mapping]] = defaultdict(list)
        for mapping in data.mappings:
            key = (mapping.device_id, mapping.test_code, mapping.report_format_id)
            self._by_test[key].append(mapping)
            self._by_format[mapping.report_format_id].append(mapping)

    def parameters(self, report_format_id: int) -> dict[int, Parameter]:
        """The parameters of a format by index; empty for an unknown format."""
        return self._parameters.get(report_format_id, {})

    def places(
        self, device_id: str, test_code: str, report_format_id: int
    ) -> list[tuple[Parameter, Mapping]]:
        """The parameters of a format that a test code of an instrument stands for."""
        parameters = self.parameters(report_format_id)
        mappings = self._by_test.get((device_id, test_code, report_format_id), ())
        return [(parameters[m.index], m) for m in mappings if m.index in parameters]

    def mapping_of(self, device_id: str, report_format_id: int, index: int) -> Mapping | None:
        """The only mapping of an instrument to a parameter; None for none or several."""
        found = [
            mapping
            for mapping in self._by_format.get(report_format_id, ())
            if (mapping.device_id, mapping.index) == (device_id, index)
        ]
        return found[0] if len(found) == 1 else None

    def get_rerun_format_machine_names_map(
        self, report_format_id: int, indexes: Collection[int]
    ) -> dict[str, MachineNames]:
        """Per instrument the codes that cover these parameters of a format.

        What an order code brings besides is not in it: several tests may share one.
        """
        chosen: dict[str, list[Mapping]] = defaultdict(list)
        for mapping in self._by_format.get(report_format_id, ()):
            if mapping.index in indexes:
                chosen[mapping.device_id].append(mapping)
        return {
            device_id: MachineNames(
                _distinct(m.order_code for m in mappings),
                _distinct(m.test_code for m in mappings),
            )
            for device_id, mappings in chosen.items()
        }

    def indexes_of_order_codes(
        self, report_format_id: int, codes: dict[str, MachineNames]
    ) -> list[int]:
        """The parameters of a format that share an ordered code with `codes`, per instrument."""
        shared = {
            mapping.index
            for mapping in self._by_format.get(report_format_id, ())
            if mapping.device_id in codes
            and mapping.order_code in codes[mapping.device_id].order_codes
        }
        return sorted(shared)


def _distinct(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))
