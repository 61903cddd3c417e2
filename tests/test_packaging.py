"""What is shipped: three packages and their data, and a unit that systemd accepts."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "rerund"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in tracked:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "-w",
            str(target),
            str(source),
        ],
        check=True,
    )
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        yield archive.namelist()


def test_the_wheel_has_three_packages_and_nothing_else(wheel):
    top = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}

    assert top == {"protocols", "drivers", "rerund"}


def test_the_wheel_has_the_data_it_needs(wheel):
    assert "drivers/profiles/sysmex-xn.toml" in wheel
    assert any(name.startswith("rerund/stores/migrations/versions/") for name in wheel)
    assert {"protocols/py.typed", "drivers/py.typed", "rerund/py.typed"} <= set(wheel)


@pytest.fixture
def unit(tmp_path):
    """The unit with its program put where one is, since systemd-analyze looks for it."""
    program = tmp_path / "rerund"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (ROOT / "systemd" / "rerund.service").read_text()
    path = tmp_path / "rerund.service"
    path.write_text(text.replace("/opt/rerund/bin/rerund", str(program)))
    return path


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    # An unknown key is only a line on stderr, with exit code 0.
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_confined(unit):
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout
