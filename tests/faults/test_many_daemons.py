"""The short form of many_daemons.py, which runs for as long as anybody wants."""

import pytest

from tests.faults.crowd_site import Crowd, let_loose
from tests.rerund.stores_at import settings_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


async def test_daemons_and_people_at_the_same_reports_leave_one_history(tmp_path, servers):
    crowd = Crowd(daemons=2, clients=8, reports=6, seconds=5.0, seed=1)
    with settings_of(servers, tmp_path, "mysql", "mongodb", "redis") as settings:
        outcome = await let_loose(tmp_path, settings, crowd)
    assert outcome.wrong == []
    assert outcome.changes
    assert outcome.refused
    assert outcome.values
