"""The embedded number cache when its file is away."""

import sqlite3

from structlog.testing import capture_logs

from rerund.stores.numbers import EmbeddedNumberCache


def test_a_cache_that_is_away_is_logged_and_stops_nothing(database, tmp_path):
    cache = EmbeddedNumberCache(database)
    cache.publish(1, {1: 2})
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("DROP TABLE sample_rerun_numbers")
    with capture_logs() as logs:
        cache.publish(1, {1: 3})
        assert cache.active_number(1, 1) is None
    assert [line["event"] for line in logs] == ["number cache not updated", "number cache not read"]
    other.close()
    cache.close()
