"""How many lanes the registrar of a daemon has."""

import pytest

from rerund.registrar import LANES, lanes_of
from rerund.stores.settings import MongodbSettings, MysqlSettings, StoreSettings


@pytest.mark.parametrize(
    ("settings", "number"),
    [
        ({}, 1),
        ({"mongodb": MongodbSettings()}, 1),
        ({"mysql": MysqlSettings()}, LANES),
        ({"mysql": MysqlSettings(pool_size=5)}, 2),
        ({"mysql": MysqlSettings(pool_size=1)}, 1),
    ],
)
def test_a_server_is_worth_lanes_as_far_as_its_connections_go(settings, number):
    assert lanes_of(StoreSettings("store.db", **settings)) == number
