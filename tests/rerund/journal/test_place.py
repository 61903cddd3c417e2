"""The name of a journal: kept by the file itself, new for a copy."""

import shutil

from rerund.journal import place
from tests.rerund.journal.desk import Desk


async def name_of(folder):
    async with Desk(folder) as desk:
        return desk.journal.journal_id


async def test_a_copy_has_a_name_of_its_own_and_the_original_keeps_its(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    name = await name_of(first)
    shutil.copytree(first, second)
    copied = await name_of(second)
    assert copied != name
    assert [await name_of(first), await name_of(second)] == [name, copied]


async def test_on_another_machine_it_has_another_name(tmp_path, monkeypatch):
    name = await name_of(tmp_path)
    monkeypatch.setattr(place.socket, "gethostname", lambda: "another")
    assert await name_of(tmp_path) != name
