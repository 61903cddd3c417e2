"""Commands run as somebody who may not look into the daemon's state: one line, and no traceback."""

import shutil
from pathlib import Path

import pytest

from rerund.cli.exits import UNAVAILABLE
from tests.faults.running import write_config
from tests.rerund.rights import locked, open_folder, without_rights
from tests.rerund.site import Site, rerund

COMMANDS = {
    "journal list": ["journal", "list"],
    "journal release": ["journal", "release", 1],
    "results": ["results", "S1"],
}


@pytest.fixture
async def config(tmp_path):
    """The configuration of a daemon that has made its files, where everybody may read it."""
    async with Site(tmp_path) as site:
        await site.settled()
        for words in (
            *COMMANDS.values(),
            ["db", "status"],
            ["db", "upgrade"],
        ):  # imports what a command wants, with every right
            rerund(*words, "-c", site.config)
    with open_folder() as folder:
        shutil.copytree(tmp_path / "state", folder / "state")
        path = write_config(folder, ["42"])
        path.chmod(0o644)
        yield path


def refused(config: Path, *words: object) -> str:
    """Return the one line that a refused command says."""
    done = rerund(*words, "-c", config)
    assert (done.exit_code, done.stdout) == (UNAVAILABLE, "")
    assert isinstance(done.exception, SystemExit)
    [line] = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
async def test_a_state_directory_that_is_shut_is_named_by(config, words):
    with locked(config.parent / "state"):
        line = refused(config, *words)
    assert "no permission to enter" in line
    assert str(config.parent / "state") in line


@pytest.mark.parametrize("word", ["status", "upgrade"])
async def test_a_state_directory_that_is_shut_is_a_problem_of_the_reports_for_db(config, word):
    with locked(config.parent / "state"):
        done = rerund("db", word, "-c", config)
    assert done.exit_code == UNAVAILABLE
    assert "no permission to enter" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("words", "name"),
    [(["journal", "list"], "journal.db"), (["results", "S1"], "store.db")],
    ids=["journal list", "results"],
)
async def test_a_file_that_is_another_users_is_named(config, words, name):
    state = config.parent / "state"
    state.chmod(0o755)
    (state / name).chmod(0)
    with without_rights():
        assert f"no permission to read {state / name}" in refused(config, *words)
