"""The short form of kill_under_load.py, which runs for as long as anybody wants."""

import random

import pytest

from tests.faults.campaign import Campaign
from tests.faults.hl7_instruments import Hl7Instrument

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.mark.conformance(165, 168)
async def test_killed_under_load_all_that_was_acknowledged_is_stored_once(tmp_path):
    outcome = await Campaign(tmp_path, links=6, rng=random.Random(1)).run(kills=4)
    assert not outcome.wrong
    assert outcome.frames


@pytest.mark.conformance(127, 135, 165, 168)
async def test_killed_under_load_every_hl7_message_that_was_acknowledged_is_stored_once(tmp_path):
    campaign = Campaign(
        tmp_path, 6, random.Random(2), driver="mindray-cl", instrument=Hl7Instrument
    )
    outcome = await campaign.run(kills=4)
    assert not outcome.wrong
    assert outcome.frames
