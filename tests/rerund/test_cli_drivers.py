"""`rerund drivers`: testing profiles, and those of one's own beside the shipped ones."""

import json
import shutil
from pathlib import Path

import pytest

from drivers.profile import SHIPPED
from protocols.astm import frame
from protocols.hl7 import mllp
from rerund.cli import samples
from rerund.cli.exits import CONFIG, REFUSED, USAGE
from tests.rerund.site import rerund

GOLDEN = Path(__file__).parents[1] / "drivers" / "golden"
RERUN = GOLDEN / "sysmex-xn" / "rerun.astm"
LOCAL = """\
name = "{name}"
version = "7.local"
vendor = "Acme"
models = "One"
protocol = "astm"
[specimen]
id = "O.3"
[result]
test_code = "R.3.4"
[rerun]
marked = false
"""
SAMPLE = b"H|\\^&|||One\nP|1\nO|1|S1\nR|1|^^^GLU|5.5|mmol/L\nL|1|N\n"


@pytest.fixture
def folder(tmp_path):
    """Profiles of one's own: a new one, and one in place of a shipped one."""
    for name in ("acme-one", "sysmex-xn"):
        (tmp_path / f"{name}.toml").write_text(LOCAL.format(name=name))
    return tmp_path


def test_all_shipped_profiles_read_their_samples_without_being_told_where_they_are():
    done = rerund("drivers", "test", "--all")
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(list(SHIPPED.glob("*.toml")))
    assert "no sample" not in done.stdout


def test_the_samples_may_be_elsewhere(tmp_path):
    shutil.copytree(GOLDEN / "sysmex-xn", tmp_path / "sysmex-xn")
    done = rerund("drivers", "test", "sysmex-xn", "--golden", tmp_path)
    count = len(list((tmp_path / "sysmex-xn").glob("*.astm")))
    assert f"{count} of {count} samples" in done.stdout


def test_an_installed_rerund_says_where_the_samples_are(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "SHIPPED", tmp_path / "drivers" / "profiles")
    monkeypatch.setattr(samples, "find", lambda name, _: samples.SHIPPED / f"{name}.toml")
    done = rerund("drivers", "test", "sysmex-xn")
    assert done.exit_code == 0
    assert "tests/drivers/golden" in done.stderr
    assert done.stdout == "sysmex-xn: valid; there is no sample to read\n"


def test_a_local_profile_has_its_samples_beside_it(folder):
    assert "no sample" in rerund("drivers", "test", folder / "acme-one.toml").stdout
    (folder / "acme-one").mkdir()
    (folder / "acme-one" / "case.astm").write_bytes(SAMPLE)
    (folder / "acme-one" / "case.json").write_text('{"samples": [{"sample_id": "S2"}]}')
    for arguments in (
        (folder / "acme-one.toml",),
        ("acme-one", "--drivers-dir", folder),
        ("--all", "--drivers-dir", folder),
    ):
        done = rerund("drivers", "test", *arguments)
        assert done.exit_code == REFUSED
        assert 'sample_id: expected "S2", got "S1"' in done.stderr
        assert "acme-one: valid; 0 of 1 samples read" in done.stdout


def test_a_sample_that_reads_differently_is_told(tmp_path):
    sample = tmp_path / "case.astm"
    sample.write_bytes(RERUN.read_bytes())
    sample.with_suffix(".json").write_text('{"samples": [{"sample_id": "OTHER"}]}')
    done = rerund("drivers", "test", "sysmex-xn", sample)
    assert done.exit_code == REFUSED
    assert 'samples[0].sample_id: expected "OTHER", got "S-1001"' in done.stderr
    assert "0 of 1 samples" in done.stdout


def test_what_was_looked_at_is_accepted(tmp_path):
    sample, expectation = tmp_path / "case.astm", tmp_path / "case.json"
    sample.write_bytes(RERUN.read_bytes())
    before = rerund("drivers", "test", "sysmex-xn", sample)
    assert before.exit_code == REFUSED
    assert "there is no case.json" in before.stderr
    accepted = rerund("drivers", "test", "sysmex-xn", sample, "--accept")
    assert accepted.exit_code == 0
    assert "S-1001, WBC = 12.48 10*3/uL, H, 2026-05-20T10:21:00Z" in accepted.stdout
    assert rerund("drivers", "test", "sysmex-xn", sample).exit_code == 0
    elsewhere = expectation.rename(tmp_path / "elsewhere.json")
    again = rerund("drivers", "test", "sysmex-xn", sample, "--expect", elsewhere)
    assert again.exit_code == 0
    assert rerund("drivers", "test", "generic-astm", sample, "--expect", elsewhere).exit_code == 1


@pytest.mark.parametrize(
    ("profile", "sample", "line"),
    [
        ("sysmex-xn", "sysmex-xn/other-instrument.astm", "refused: other_sender"),
        ("sysmex-xn", "sysmex-xn/query-for-reanalysis.astm", "query for S-1001"),
        ("generic-astm", "generic-astm/orphan-and-cancelled-order.astm", "note: orphan_result"),
    ],
)
def test_what_is_accepted_is_printed(tmp_path, profile, sample, line):
    expectation = tmp_path / "case.json"
    done = rerund("drivers", "test", profile, GOLDEN / sample, "--accept", "--expect", expectation)
    assert line in done.stdout.splitlines()
    assert json.loads(expectation.read_text())


def test_a_capture_is_a_sample_as_it_came(tmp_path):
    lines = RERUN.read_bytes().splitlines()
    (tmp_path / "case.astm").write_bytes(
        b"\x05"
        + b"".join(frame.encode(line + b"\r", n) for n, line in enumerate(lines, 1))
        + b"\x04"
    )
    shutil.copy(RERUN.with_suffix(".json"), tmp_path / "case.json")
    done = rerund("drivers", "test", "sysmex-xn", tmp_path / "case.astm")
    assert (done.exit_code, done.stderr) == (0, "")
    blood = GOLDEN / "mindray-bc" / "count.hl7"
    segments = [line for line in blood.read_bytes().splitlines() if not line.startswith(b"#")]
    (tmp_path / "case.hl7").write_bytes(mllp.encode(b"\r".join(segments) + b"\r"))
    shutil.copy(blood.with_suffix(".json"), tmp_path / "case.json")
    done = rerund("drivers", "test", "mindray-bc", tmp_path / "case.hl7")
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sysmex-xn", "--all"],
        ["sysmex-xn", "no-such.astm"],
        ["sysmex-xn", "--accept"],
        ["sysmex-xn", "no-such.astm", "--accept"],
        ["sysmex-xn", "--expect", "case.json"],
        ["--all", "--accept"],
    ],
    ids=" ".join,
)
def test_drivers_test_explains_its_wrong_use(arguments):
    done = rerund("drivers", "test", *arguments)
    assert done.exit_code == USAGE
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_sample_without_valid_json_is_named(tmp_path, text):
    sample = tmp_path / "case.astm"
    sample.write_bytes(RERUN.read_bytes())
    sample.with_suffix(".json").write_text(text)
    done = rerund("drivers", "test", "sysmex-xn", sample)
    assert done.exit_code == USAGE
    assert "case.json" in done.stderr


def test_local_profiles_are_marked_in_the_list(folder):
    lines = rerund("drivers", "list", "--drivers-dir", folder).stdout.splitlines()
    names = [line.strip().split("  ")[0] for line in lines]
    assert "acme-one (local)" in names
    assert "sysmex-xn (local, replaces the shipped one)" in names
    assert "sysmex-xp" in names
    listed = json.loads(rerund("drivers", "list", "--json", "--drivers-dir", folder).stdout)
    origins = {each["name"]: each["origin"] for each in listed}
    assert origins["acme-one"] == "local"
    assert origins["sysmex-xn"] == "local_override"
    assert origins["sysmex-xp"] == "shipped"


def test_a_local_profile_comes_first_everywhere(folder, tmp_path):
    shown = rerund("drivers", "show", "sysmex-xn", "--drivers-dir", folder)
    assert shown.stdout.startswith("sysmex-xn 7.local (local, replaces the shipped one): Acme One")
    capture = tmp_path / "capture.astm"
    capture.write_bytes(SAMPLE)
    decoded = rerund("decode", "--driver", "sysmex-xn", "--drivers-dir", folder, capture)
    assert json.loads(decoded.stdout)["driver_version"] == "7.local"
    assert rerund("decode", "--driver", "sysmex-xn", capture).exit_code == REFUSED


@pytest.mark.parametrize("protocol", ["astm", "hl7"])
def test_the_schema_is_printed(protocol):
    printed = rerund("drivers", "schema", protocol)
    assert json.loads(printed.stdout)["properties"]["protocol"]["const"] == protocol
    assert rerund("drivers", "schema", "lis").exit_code == USAGE


def test_a_wrong_local_profile_is_told_with_its_line(folder):
    path = folder / "acme-one.toml"
    path.write_text(path.read_text().replace("R.3.4", "R.x"))
    done = rerund("drivers", "test", path)
    assert done.exit_code == CONFIG
    assert done.stderr.startswith(f"{path}:9: result.test_code:")


def test_a_draft_is_written_once_and_loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = rerund("drivers", "new", "acme-one", RERUN)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "acme-one.toml written" in done.stdout
    first = Path("acme-one.toml").read_bytes()
    again = rerund("drivers", "new", "acme-one", "-", stdin=b"\x0bMSH|^~\\&|A\r\x1c\r")
    assert again.exit_code == USAGE
    assert again.stderr == "rerund: acme-one.toml: File exists\n"
    assert Path("acme-one.toml").read_bytes() == first
    decoded = rerund("decode", "--driver", "acme-one.toml", RERUN)
    assert json.loads(decoded.stdout.splitlines()[0])["sample_id"] == "S-1001"


def test_a_draft_is_made_of_what_comes_on_stdin(tmp_path):
    path = tmp_path / "acme-one.toml"
    done = rerund("drivers", "new", "acme-one", "-", "--output", path, stdin=RERUN.read_bytes())
    assert done.exit_code == 0
    assert 'document = "capture from stdin"' in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["acme-one", "no-such.astm"], USAGE, "no-such.astm: No such file"),
        (["Acme", RERUN], USAGE, "no name of a driver"),
        (["acme-one", RERUN, "--output", "other.toml"], USAGE, "called like its file"),
        (["acme-one", RERUN, "--output", "no-such/acme-one.toml"], USAGE, "No such file"),
        (["acme-one", __file__], REFUSED, "no message begins in it"),
        (["acme-one", "/dev/null"], REFUSED, "it is empty"),
    ],
)
def test_a_draft_that_can_not_be_written_is_one_line(tmp_path, monkeypatch, arguments, code, why):
    monkeypatch.chdir(tmp_path)
    done = rerund("drivers", "new", *arguments)
    assert done.exit_code == code
    assert len(done.stderr.splitlines()) == 1
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []
