"""Each store goes away under load, in each way: nothing lost, nothing twice, every ACK given."""

import random

import msgspec
import pytest

from tests.faults.outages import TIMEOUTS, Campaign, outages_of
from tests.rerund.stores_at import settings_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


async def test_no_instrument_notices_that_a_store_is_away(tmp_path, servers):
    with settings_of(servers, tmp_path, "mysql", "mongodb", "redis") as settings:
        patient = msgspec.structs.replace(
            settings,
            mysql=msgspec.structs.replace(settings.mysql, **TIMEOUTS),
            mongodb=msgspec.structs.replace(settings.mongodb, **TIMEOUTS),
        )
        campaign = Campaign(tmp_path, patient, links=3)
        outcome = await campaign.run(outages_of(servers), random.Random(1), seconds=1.0)
    assert outcome.wrong == []
    assert outcome.messages
