"""The number cache on Redis: its keys, and that nothing depends on it."""

import pytest
from structlog.testing import capture_logs

from rerund.stores.redis_cache import RedisNumberCache
from tests.rerund.stores.heard import PATIENCE, Heard
from tests.servers.redis_server import redis_cluster, redis_server

KEY = "lab:{7}:sample-rerun:numbers"
CHANNEL = "lab:{7}:waiting-list"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def server():
    """A server for these tests alone, which stop it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(server):
    """What anybody else sees."""
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(server, clock):
    cache = RedisNumberCache(server.settings(), clock)
    yield cache
    cache.close()


def test_the_numbers_are_a_hash_of_the_lab(cache, redis):
    cache.publish(7, {1: 2, 2**40: 5, 3: 1})
    cache.publish(7, {3: None})
    assert redis.keys() == [KEY]
    assert redis.hgetall(KEY) == {"1": "2", f"{2**40}": "5"}


def test_a_notice_is_a_message_on_the_channel_of_the_lab(cache, redis):
    hearing = redis.pubsub(ignore_subscribe_messages=True)
    hearing.psubscribe("*")
    cache.notify(7)
    messages = iter(lambda: hearing.get_message(timeout=PATIENCE), StopIteration)
    first = next(message for message in messages if message is not None)
    assert (first["channel"], first["data"]) == (CHANNEL, "")
    hearing.close()


def test_a_notice_of_another_program_is_heard(cache, redis):
    heard = Heard()
    cache.subscribe(7, heard)
    redis.publish(CHANNEL, "anything")
    heard.wait_for(1)


@pytest.mark.parametrize("settings", [{"socket": True}, {"database": 3}], ids=["socket", "number"])
def test_a_server_is_reached_by_its_socket_and_in_a_database(server, redis, settings):
    if "socket" in settings:
        settings = {"socket": server.socket, "port": 1}
    cache = RedisNumberCache(server.settings(**settings))
    cache.publish(7, {1: 2})
    assert cache.active_number(7, 1) == 2
    assert redis.exists(KEY) == ("socket" in settings)
    cache.close()


def test_after_a_flush_numbers_are_unknown_until_they_are_published(cache, redis):
    heard = Heard()
    cache.subscribe(7, heard)
    cache.publish(7, {1: 2, 2: 3})
    redis.flushall()
    assert cache.active_number(7, 1) is None
    cache.publish(7, {1: 4, 2: None})
    assert cache.active_number(7, 1) == 4
    cache.notify(7)
    heard.wait_for(1)


def test_what_somebody_else_put_there_is_not_known(cache, redis):
    redis.hset(KEY, mapping={"1": "one", "2": "2.5"})
    assert [cache.active_number(7, report) for report in (1, 2)] == [None, None]


def test_a_key_of_another_kind_is_an_outage(cache, redis, clock):
    redis.set(KEY, "mine")
    with capture_logs() as logs:
        cache.publish(7, {1: 2})
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("number_cache_away", "ResponseError")
    ]
    redis.delete(KEY)
    clock.now += 60.0
    cache.publish(7, {1: 2})
    assert cache.active_number(7, 1) == 2


def test_a_server_that_is_away_is_logged_once_and_stops_nothing(server, cache, clock):
    cache.publish(7, {1: 2})
    server.process.stop()
    with capture_logs() as logs:
        for _ in range(3):
            cache.publish(7, {1: 3})
            assert cache.active_number(7, 1) is None
            cache.notify(7)
            clock.now += 60.0
        server.process.start()
        cache.publish(7, {1: 3})
    assert [line["event"] for line in logs] == ["number_cache_away", "number_cache_back"]
    assert cache.active_number(7, 1) == 3


def test_a_server_that_failed_is_not_asked_before_the_pause_is_over(server, cache, redis, clock):
    server.process.stop()
    cache.notify(7)
    server.process.start()
    redis.hset(KEY, "1", "2")
    assert cache.active_number(7, 1) is None
    clock.now += 60.0
    assert cache.active_number(7, 1) == 2


def test_a_restart_between_two_calls_is_no_outage(server, cache):
    cache.publish(7, {1: 2})
    server.process.stop()
    server.process.start()
    with capture_logs() as logs:
        cache.publish(7, {1: 3})
        assert cache.active_number(7, 1) == 3
    assert logs == []


def test_a_server_that_hangs_is_away_after_its_timeout(server, clock):
    cache = RedisNumberCache(server.settings(timeout=0.2), clock)
    cache.publish(7, {1: 2})
    server.process.pause()
    try:
        with capture_logs() as logs:
            assert cache.active_number(7, 1) is None
            cache.publish(7, {1: 3})
    finally:
        server.process.resume()
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("number_cache_away", "TimeoutError")
    ]
    clock.now += 60.0
    assert cache.active_number(7, 1) == 2
    cache.close()


def test_a_cluster_works_as_a_server_does():
    with redis_cluster() as node:
        cache = RedisNumberCache(node.settings(cluster=True))
        heard = Heard()
        cache.subscribe(7, heard)
        cache.publish(7, {1: 2, 2: 3})
        cache.publish(7, {2: None, 3: 1})
        assert [cache.active_number(7, report) for report in (1, 2, 3)] == [2, None, 1]
        cache.notify(7)
        heard.wait_for(1)
        cache.close()


def test_a_cluster_that_is_away_at_first_is_found_later(clock):
    with redis_cluster() as node:
        node.process.stop()
        cache = RedisNumberCache(node.settings(cluster=True), clock)
        with capture_logs() as logs:
            cache.publish(7, {1: 2})
            node.process.start()
            clock.now += 60.0
            cache.publish(7, {1: 2})
        assert [line["event"] for line in logs] == ["number_cache_away", "number_cache_back"]
        assert cache.active_number(7, 1) == 2
        cache.close()
