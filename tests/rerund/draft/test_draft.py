"""Drafts of golden samples and captures: each loads, and most read as the shipped profile does."""

import random
from pathlib import Path
from typing import Any

import pytest

from drivers import selftest
from drivers.profile import load
from rerund.draft.capture import CaptureError
from rerund.draft.profile import draft_profile

GOLDEN = Path(__file__).parents[2] / "drivers" / "golden"
SAMPLES = sorted((*GOLDEN.glob("*/*.astm"), *GOLDEN.glob("*/*.hl7")))
SHARE = 0.75
"""Of the samples at least so many are read as the shipped profile does; it was 142 of 182. The
rest can not be told from one message: a second component that names the panel, settings among
the results, two numbers of which one is raw, a counter in place of an id."""

CLEAR = [
    "abbott-afinion2/patient.astm",  # the id is the patient's, and O.4 a running number
    "abbott-architect/patient.astm",  # results F, I and P of one test
    "abbott-celldyn-ruby/patient.astm",  # the panel stands where others have the test
    "beckman-access/replicates-and-a-diluted-code.astm",
    "beckman-dxh/patient.astm",  # other delimiters, everything one field later
    "cepheid-genexpert/query.astm",
    "edan-hematology/query.hl7",
    "erba-xl/query-for-a-list.astm",
    "mindray-bs/result.hl7",
    "ortho-vitros/code-between-plus-signs.astm",
    "roche-cobas-c111/first.astm",  # the id is in O.4
    "roche-cobas-c311/rerun-of-one-test.astm",  # the id is padded with blanks
    "roche-cobas-e411/rerun.astm",  # test/dilution
    "roche-cobas-6800/result.hl7",  # named by OBX-3 and OBX-4
    "siemens-centaur/aspects-of-one-test.astm",
    "siemens-dca-vantage/patient.astm",
    "sysmex-xn/rerun.astm",
    "sysmex-xn/query-for-reanalysis.astm",
    "thermo-indiko/patient-with-errors.astm",
]

CAPTURES = {
    "astm/abbott_afinion2.astm": ("abbott-afinion2", True),
    "astm/biorad_ih1000.records": ("biorad-ih1000", False),
    "astm/cobas_c111.astm": ("roche-cobas-c111", True),
    "astm/cobas_c311.astm": ("roche-cobas-c311", True),
    "astm/dca_vantage.astm": ("siemens-dca-vantage", True),
    "astm/galileo_echo.records": ("immucor-echo", False),
    "astm/genexpert.astm": ("cepheid-genexpert", False),
    "astm/mini_vidas_mock.astm": ("generic-astm", True),
    "astm/pentra_xlr.astm": ("horiba-pentra", True),
    "astm/spotchem_el_mock.astm": ("generic-astm", True),
    "astm/sysmex_xn550.astm": ("sysmex-xn", True),
    "astm/sysmex_xp100.astm": ("sysmex-xp", True),
    "astm/yumizen_h500.astm": ("horiba-yumizen", True),
    "astm/yumizen_h550_qc.records": ("horiba-yumizen", True),
    "hl7/genexpert_oru_r32.hl7": ("cepheid-genexpert-hl7", False),
    "hl7/genexpert_qbp_z03.hl7": ("cepheid-genexpert-hl7", False),
    "hl7/genexpert_qcn_j01.hl7": ("cepheid-genexpert-hl7", True),
    "hl7/mindray_bc5380.hl7": ("mindray-bc", False),
    "synthetic/abbott-architect-result.hl7": ("generic-hl7", True),
    "synthetic/bs200-chemistry-result.hl7": ("generic-hl7", True),
    "synthetic/malformed.astm": ("generic-astm", True),
    "synthetic/qc-control-results.astm": ("generic-astm", True),
    "synthetic/sysmex-xn-result.hl7": ("generic-hl7", True),
    "synthetic/unit-mismatch.astm": ("generic-astm", True),
}
"""Each capture with the profile that reads it, and whether a draft reads the same."""


def read_by_draft(sample: Path, folder: Path) -> dict[str, Any]:
    """Return what the draft of a sample makes of that sample."""
    draft = folder / "draft-one.toml"
    draft.write_text(draft_profile("draft-one", sample.read_bytes(), "x"), encoding="utf-8")
    return selftest.read_sample(load(draft), sample)


@pytest.mark.parametrize("name", ["sysmex-xn/query-for-reanalysis.astm", "mindray-bs/result.hl7"])
def test_a_draft_has_one_line_on_orders(name: str) -> None:
    text = draft_profile("draft-one", (GOLDEN / name).read_bytes(), "x")
    *_, line = text.splitlines()
    assert line.startswith("# No [order] yet: see in the manual")


def said(found: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return sample ids, test codes and values, and the ids that were asked for."""
    results = [
        (sample["sample_id"], result["test_code"], result["value"])
        for sample in found["samples"]
        for result in sample["results"]
    ]
    return results, [query["sample_ids"] for query in found["queries"]]


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether the draft of each sample reads what the shipped profile reads."""
    outcomes = {}
    for sample in SAMPLES:
        name = f"{sample.parent.name}/{sample.name}"
        shipped = selftest.read_sample(load(sample.parent.name), sample)
        drafted = read_by_draft(sample, tmp_path_factory.mktemp("draft"))
        assert "error" not in drafted, name
        if "error" not in shipped:
            outcomes[name] = said(drafted) == said(shipped)
    return outcomes


def test_most_drafts_read_what_the_shipped_profiles_read(same: dict[str, bool]) -> None:
    assert sum(same.values()) >= SHARE * len(same)


@pytest.mark.parametrize("name", CLEAR)
def test_a_draft_reads_what_the_shipped_profile_reads(name: str, same: dict[str, bool]) -> None:
    assert same[name]


@pytest.mark.parametrize(("capture", "profile", "is_same"), [(k, *v) for k, v in CAPTURES.items()])
def test_the_draft_of_a_capture(
    captures: Path, tmp_path: Path, capture: str, profile: str, is_same: bool
) -> None:
    drafted = read_by_draft(captures / capture, tmp_path)
    shipped = selftest.read_sample(load(profile), captures / capture)
    assert (said(drafted) == said(shipped)) is is_same


def test_any_other_capture_has_a_draft_that_reads_it(captures: Path, tmp_path: Path) -> None:
    for path in sorted(captures.glob("*/*")):
        if path.relative_to(captures).as_posix() not in CAPTURES:
            assert "error" not in read_by_draft(path, tmp_path)


SECRETS = ("B4711X", "PID99812", "Lovelace", "Augusta", "18151210", "7.77", "Dr Babbage")
ASTM = (
    "H|\\^&|||Analyzer One^1.2|||||||P|1|20260520120000\r"
    "P|1||PID99812||Lovelace^Augusta||18151210|F|||||Dr Babbage\r"
    "O|1|B4711X^1^2||^^^GLU|R||||||N\r"
    "R|1|^^^GLU|7.77|mmol/L||H||F||Dr Babbage||20260520115500\r"
    "L|1|N\r"
)
HL7 = (
    "MSH|^~\\&|Analyzer One|Lab|||20260520120000||ORU^R01|7|P|2.5.1\r"
    "PID|1||PID99812||Lovelace^Augusta||18151210|F\r"
    "OBR|1||B4711X|GLU|||20260520115500|||Dr Babbage\r"
    "OBX|1|NM|GLU^Glucose||7.77|mmol/L|3-5|H|||F\r"
)


@pytest.mark.parametrize("message", [ASTM, HL7], ids=["ASTM", "HL7"])
def test_a_draft_holds_nothing_of_a_patient(message: str) -> None:
    text = draft_profile("one", message.encode(), "capture")
    assert "Analyzer One" in text
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize(
    "sample", ["sysmex-xn/rerun.astm", "mindray-bc/count.hl7", "cepheid-genexpert/panel.astm"]
)
def test_the_draft_of_anything_loads(tmp_path: Path, sample: str) -> None:
    data = (GOLDEN / sample).read_bytes()
    chance = random.Random(sample)
    for round_ in range(60):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 40)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randint(0, 3)] = chance.choice(
                (b"", b"|", b"^^", b"\\", b"\xff", b"'\"", b"\r", b"\x02", b"\x7f", b"&", b"7")
            )
        draft = tmp_path / f"draft-{round_}.toml"
        try:
            text = draft_profile(draft.stem, bytes(changed), "x")
        except CaptureError:
            continue
        draft.write_text(text, encoding="utf-8")
        assert load(draft).name == draft.stem
