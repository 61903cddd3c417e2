"""docs/drivers.md: its commands are run one after the other, and do what the page says."""

import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from drivers.profile import AstmProfile, load
from rerund.cli.exits import REFUSED
from tests.drivers.test_golden_orders import answers
from tests.rerund.site import Site, rerund

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")
CONFIGURATION, ORDER, SENT = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MESSAGE = (
    "H|\\^&|||Acme One^2.1|||||||P|1|20260520120000\r"
    "P|1\r"
    "O|1|S-{number}^1^2||^^^GLU|R||||||N\r"
    "R|1|^^^GLU|{value}|mmol/L||N||F||||20260520115500\r"
    "L|1|N\r"
)
EXPECTED = {
    "journal list": "entry id",
    "journal show": "frame ",
    "journal export": "bytes of 2 entries",
    "drivers new": "a draft",
    "decode": '"sample_id":"S-1001"',
    "drivers schema": '"const": "astm"',
    "drivers test": "acme-one",
    "drivers list": "acme-one (local)",
    "drivers show": "acme-one 0.1 (local)",
    "check": "",
}
"""What each command prints, by its first words."""


class Desk:
    """The technician's folder, in which the page's commands are run."""

    def __init__(self, folder: Path, config: Path):
        self._folder = folder
        self._config = config
        self.drivers = folder / "drivers"

    def run(self, line: str) -> None:
        """Run a line of the page as the shell would."""
        line = line.replace("/etc/rerund/drivers", str(self.drivers))
        line = line.replace("/etc/rerund/rerund.toml", str(self._config))
        line, _, target = line.partition(" > ")
        command, *words = shlex.split(line)
        if command == "mkdir":
            Path(words[-1]).mkdir()
        elif command == "cp":
            shutil.copy(words[0], words[1])
        else:
            self._rerund(words, target)

    def _rerund(self, words: list[str], target: str) -> None:
        if words[0] == "journal":
            words = [*words, "-c", str(self._config)]
        done = rerund(*words)
        assert done.exit_code == 0, (words, done.output)
        (said,) = (EXPECTED[name] for name in (words[0], " ".join(words[:2])) if name in EXPECTED)
        assert said in done.stdout, words
        if target:
            Path(target).write_text(done.stdout, encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drivers").mkdir()
    return Desk(tmp_path, tmp_path / "rerund.toml")


async def test_the_commands_lead_from_a_capture_to_a_driver(tmp_path: Path, desk: Desk) -> None:
    async with Site(tmp_path, "77", driver="generic-astm") as site:
        await site.sends(*(MESSAGE.format(number=1000 + n, value=5 + n) for n in (1, 2)), name="77")
        await site.settled()
        for line in "".join(BLOCKS).splitlines():
            desk.run(line)
    profile = load("acme-one", [desk.drivers])
    assert profile.message.sender == ("Acme One",)
    (expected,) = desk.drivers.glob("acme-one/*.json")
    samples = json.loads(expected.read_text(encoding="utf-8"))["samples"]
    assert [sample["sample_id"] for sample in samples] == ["S-1001", "S-1002"]
    assert json.loads((desk.drivers / "astm.schema.json").read_text())["properties"]


def test_a_change_of_the_profile_is_told_field_by_field(desk: Desk) -> None:
    Path("acme-one.astm").write_text(MESSAGE.format(number=1001, value=5))
    for line in "".join(BLOCKS).splitlines():
        if "journal" not in line and "check" not in line:
            desk.run(line)
    path = desk.drivers / "acme-one.toml"
    path.write_text(path.read_text().replace('units = "R.5"', 'units = "R.6"'))
    done = rerund("drivers", "test", "acme-one", "--drivers-dir", desk.drivers)
    assert done.exit_code == REFUSED
    assert 'samples[0].results[0].units: expected "mmol/L", got null' in done.stderr


def test_the_configuration_of_the_page_is_one(tmp_path: Path, desk: Desk) -> None:
    text = CONFIGURATION.replace("/etc/rerund/drivers", str(desk.drivers))
    Path("rerund.toml").write_text(text.replace("/var/lib/rerund", str(tmp_path)))
    checked = rerund("check", "rerund.toml")
    assert checked.exit_code == 0, checked.output


def test_a_driver_with_the_order_of_the_page_sends_what_the_page_says(desk: Desk) -> None:
    Path("acme-one.astm").write_text(MESSAGE.format(number=1001, value=5))
    *_, draft = (line for line in "".join(BLOCKS).splitlines() if "drivers new" in line)
    desk.run(draft)
    path = desk.drivers / "acme-one.toml"
    path.write_text(path.read_text() + ORDER)
    shown = rerund("drivers", "show", "acme-one", "--drivers-dir", desk.drivers)
    assert "orders      query (manual)" in shown.stdout
    assert "`orders      query (manual)`" in PAGE
    profile = load(path)
    assert isinstance(profile, AstmProfile)
    expected = tomllib.loads(SENT)
    assert answers(profile, expected) == {c: expected[c] for c in ("first", "rerun", "none")}


def test_the_page_is_linked() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "docs/drivers.md" in (ROOT / page).read_text(encoding="utf-8")
