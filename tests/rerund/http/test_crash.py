"""A process that dies before or after any write of a change over HTTP, in any of the stores."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from rerund.http import once
from tests.rerund.conftest import EVERYWHERE, LAB, Site
from tests.rerund.http.office import Office
from tests.rerund.http.test_once import ACTIONS, KEY, prepared
from tests.rerund.rerun_service.test_crash import Points, with_points

pytestmark = [EVERYWHERE, pytest.mark.parametrize("path", ACTIONS)]


class Died(Exception):  # noqa: N818 - says what is the case
    """The process is gone at this point."""


class Calls:
    """Makes the same call of the same report, each time on empty stores."""

    def __init__(self, new_site: Callable[[], Site], path: str, folder: Any):
        self._new_site = new_site
        self._path = path
        self._folder = folder
        self._made = count()

    async def outcome(self, points: Points | None, *, again: bool) -> Any:
        """What lies in the stores after the call, its death at one of the points and a sweep."""
        site = self._new_site()
        site.report()
        site.send(WBC="5.0", RBC="4.5", HGB="14.1", PLT="250")
        plain = site.stores
        folder = self._folder / f"office-{next(self._made)}"
        folder.mkdir()
        office = Office(site, folder)
        prepared(office)
        if points is not None:
            with_points(site, points)
            office.restart()
            answers = [(await self._call(office)).status_code]
            site.stores = plain
            office.restart()
            if again:
                answers.append((await self._call(office)).status_code)
            assert answers[-1] in (200, 201) or not again, answers
        site.service.sweep(LAB)
        return site.everything()

    async def _call(self, office: Office) -> Any:
        who, body = ACTIONS[self._path]
        return await office.call(who, "POST", self._path, body, {"Idempotency-Key": KEY})


@pytest.fixture
def calls(new_site, path, tmp_path, monkeypatch):
    monkeypatch.setattr(once.Once, "_leave", lambda *gone: None)  # the dead leave nothing
    monkeypatch.setattr(once, "STALE_AFTER", -1.0)
    return Calls(new_site, path, tmp_path)


async def test_a_client_that_asks_again_finds_what_it_would_have_without_a_crash(calls):
    counting = Points(error=Died)
    expected = await calls.outcome(counting, again=True)
    assert expected["unapplied"] == []
    for number in range(1, counting.count + 1):
        points = Points(number, Died)
        assert await calls.outcome(points, again=True) == expected, points.reached


async def test_a_client_that_does_not_ask_again_finds_all_or_nothing(calls):
    counting = Points(error=Died)
    done = await calls.outcome(counting, again=False)
    never = await calls.outcome(None, again=False)
    found = []
    for number in range(1, counting.count + 1):
        points = Points(number, Died)
        found.append(await calls.outcome(points, again=False))
        assert found[-1] in (done, never), points.reached
    assert found[0] == never
    assert found[-1] == done
