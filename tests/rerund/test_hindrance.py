"""What keeps a process from using a file, in words."""

import os

import pytest

from rerund.hindrance import hindrance
from tests.rerund.rights import locked, open_folder, without_rights

ROOT = os.geteuid() == 0


@pytest.fixture
def state():
    with open_folder() as folder:
        (folder / "state").mkdir()
        yield folder / "state"


def test_nothing_hinders_a_file_that_is_there_or_can_be_made(state):
    path = state / "journal.db"
    assert hindrance(path, write=True) == ""
    path.touch()
    assert hindrance(path, write=True) == ""


def test_a_folder_that_is_not_there_is_named(state):
    assert hindrance(state / "a" / "b" / "journal.db") == f"{state / 'a'} does not exist"


def test_a_folder_in_place_of_the_file_is_named(state):
    assert hindrance(state) == f"{state} is a folder"


def test_a_folder_that_can_not_be_entered_is_named_with_its_mode(state):
    with locked(state):
        assert "no permission to enter " in (said := hindrance(state / "journal.db"))
    assert f"{state}" in said
    assert "mode 0000" in said


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.db-shm"])
def test_every_file_of_the_database_has_to_be_readable(state, name):
    (state / "journal.db").touch()
    (state / name).touch()
    (state / name).chmod(0)
    state.chmod(0o777)
    with without_rights():
        said = hindrance(state / "journal.db")
    assert f"no permission to read {state / name}" in said


def test_who_only_reads_needs_no_right_to_write(state):
    (state / "journal.db").touch(0o444)
    with without_rights():
        assert hindrance(state / "journal.db") == ""
        assert f"no permission to write {state / 'journal.db'}" in hindrance(
            state / "journal.db", write=True
        )


@pytest.mark.skipif(not ROOT, reason="a file of another user takes root to make")
def test_a_file_of_another_user_names_the_user_to_be(state):
    state.chmod(0o700)
    with without_rights():
        said = hindrance(state / "journal.db")
    assert said.startswith("user nobody has no permission to enter")
    assert said.endswith("which belongs to root, mode 0700: run this as root (sudo -u root)")
