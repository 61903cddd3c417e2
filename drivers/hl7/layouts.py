"""What the forms of orders write into which field, where a profile says nothing else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from drivers.hl7.template import Template, parse_template

OrderForm = Literal["dsr", "orr", "genexpert", "law", "tsreq"]


class Layout(NamedTuple):
    """The templates of one form: of the message with orders, and of the reply before it."""

    segments: tuple[str, ...]
    """Those that a profile may fill."""
    fields: Mapping[str, Template]
    reply: Mapping[str, Template]
    lines: Mapping[int, Template]
    """Of the DSP segments."""
    values: Mapping[str, Mapping[str, str]]
    """Texts of facts in the words of the instrument."""
    none: Mapping[str, Template] = MappingProxyType({})
    """Over `fields`, of a message that says that there are no orders."""
    refusals: tuple[str, ...] = ()
    """Messages other than responses that refuse an order."""


def _templates(**segments: Mapping[int, str]) -> dict[str, Template]:
    return {
        f"{segment}.{position}": parse_template(text)
        for segment, fields in segments.items()
        for position, text in fields.items()
    }


_SEXES = {"M": "M", "F": "F", "male": "M", "female": "F", "*": "U"}
_PRIORITIES = {"S": "S", "stat": "S", "A": "A", "asap": "A", "*": "R", "": "R"}

_PATIENT = {3: "{patient_id}", 5: "{patient_name}", 7: "{birth_date}", 8: "{sex}"}

LAYOUTS: Mapping[OrderForm, Layout] = {
    "dsr": Layout(
        ("MSH", "MSA", "ERR", "QAK", "QRD", "QRF"),
        _templates(
            MSA={3: "Message accepted", 6: "0"},
            ERR={1: "0"},
            QAK={1: "SR"},
            QRD={1: "{time}", 2: "R", 3: "D", 4: "{number}", 7: "RD", 9: "OTH", 12: "T"},
            QRF={6: "RCT", 7: "COR", 8: "ALL"},
        ),
        {},
        {
            1: parse_template("{patient_id}"),
            3: parse_template("{patient_name}"),
            4: parse_template("{birth_date}000000"),
            5: parse_template("{sex}"),
            21: parse_template("{sample_id}"),
            24: parse_template("{priority}"),
        },
        {
            "sex": {"M": "M", "F": "F", "male": "M", "female": "F", "*": "O"},
            "priority": {"S": "Y", "stat": "Y", "A": "Y", "asap": "Y", "*": "N", "": "N"},
        },
    ),
    "orr": Layout(
        ("MSH", "PID", "PV1", "ORC", "OBR", "OBX"),
        _templates(
            PID={1: "1", **_PATIENT},
            ORC={1: "AF", 2: "{sample_id}"},
            OBR={1: "1", 2: "{sample_id}"},
        ),
        {},
        {},
        {"sex": _SEXES, "priority": _PRIORITIES},
    ),
    "genexpert": Layout(
        ("MSH", "PID", "ORC", "OBR", "TQ1", "SPM"),
        _templates(
            MSH={15: "NE", 16: "NE"},
            PID={1: "{number}", 2: "{patient_id_2}", **_PATIENT},
            ORC={1: "NW", 2: "{number}", 9: "{time}"},
            OBR={1: "{number}", 4: "{code}", 11: "A"},
            TQ1={9: "{priority}"},
            SPM={1: "{number}", 2: "{sample_id}", 4: "ORH", 11: "P"},
        ),
        {},
        {},
        {
            "sex": _SEXES,
            "priority": {"S": "S", "stat": "S", "A": "S", "asap": "S", "*": "R", "": "R"},
        },
        refusals=("ORU^R32",),
    ),
    "law": Layout(
        ("MSH", "PID", "PV1", "SPM", "SAC", "ORC", "TQ1", "OBR", "TCD"),
        _templates(
            MSH={15: "NE", 16: "AL", 21: "LAB-28^IHE"},
            PID=_PATIENT,
            SPM={1: "{number}", 2: "{sample_id}", 4: '""', 11: "P^^HL70369"},
            SAC={3: "{sample_id}"},
            ORC={1: "NW", 9: "{time}"},
            TQ1={9: "{priority}^^HL70485"},
            OBR={2: "{step_id}", 4: "{code}", 29: "{parent_step_id}"},
        ),
        _templates(MSH={21: "LAB-27^IHE"}),
        {},
        {"sex": _SEXES, "priority": _PRIORITIES},
        _templates(SPM={2: "", 4: '""', 11: "U^^HL70369"}, ORC={1: "DC"}),
    ),
    "tsreq": Layout(
        ("MSH", "PID", "SPM", "SAC", "ORC", "TQ1", "OBR"),
        _templates(
            MSH={16: "NE"},
            PID={1: "1", **_PATIENT},
            SPM={2: "{sample_id}", 11: "P"},
            OBR={1: "{number}", 4: "{code}^"},
        ),
        {},
        {},
        {"sex": _SEXES, "priority": _PRIORITIES},
    ),
}
"""HL7 v2.3.1 and v2.5.1 chapters 4 and 5 and IHE LAW; what a vendor wants instead is in its
profile."""
