"""Notices of Redis are heard for ever, whatever becomes of the server."""

import threading

import pytest
from structlog.testing import capture_logs

from rerund.stores import redis_notices
from rerund.stores.redis_cache import RedisNumberCache
from tests.rerund.stores.heard import Heard
from tests.servers.redis_server import redis_server

CHANNEL = "lab:{7}:waiting-list"


@pytest.fixture(scope="module")
def server():
    """A server for these tests alone, which stop it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def cache(server):
    cache = RedisNumberCache(server.settings())
    yield cache
    cache.close()


@pytest.fixture
def say(server):
    """A notice of another process, which has no outage behind it."""

    def say():
        with server.client() as client:
            client.publish(CHANNEL, "")

    return say


def listeners():
    return [thread for thread in threading.enumerate() if thread.name == CHANNEL]


def test_after_a_reconnect_a_notice_is_called_because_one_may_have_been_missed(server, cache, say):
    heard = Heard()
    cache.subscribe(7, heard)
    for lost in (1, 3):
        server.process.stop()
        server.process.start()
        heard.wait_for(lost)
        say()
        heard.wait_for(lost + 1)
    assert heard.times == 4


def test_whoever_subscribes_while_the_server_is_away_hears_when_it_is_there(server, cache, say):
    server.process.stop()
    heard = Heard()
    with capture_logs() as logs:
        cache.subscribe(7, heard)
        assert heard.times == 0
        server.process.start()
        heard.wait_for(1)
    assert [line["event"] for line in logs] == ["notices_away", "notices_back"]
    say()
    heard.wait_for(2)


def test_a_server_that_hangs_is_given_up_and_found_again(server, cache, say, monkeypatch):
    monkeypatch.setattr(redis_notices, "ASK_EVERY", 0.3)
    heard = Heard()
    cache.subscribe(7, heard)
    server.process.pause()
    try:
        with capture_logs() as logs:
            while not logs:  # each look of the thread is bounded, and so is this
                assert listeners()
    finally:
        server.process.resume()
    assert logs[0]["event"] == "notices_away"
    heard.wait_for(1)
    say()
    heard.wait_for(2)


def test_a_silent_server_that_answers_when_asked_is_kept(server, cache, say, monkeypatch):
    monkeypatch.setattr(redis_notices, "ASK_EVERY", 1.0)
    heard = Heard()
    cache.subscribe(7, heard)
    with server.client() as client:
        client.config_resetstat()
        while client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"] < 4:
            assert heard.times == 0  # it would be told of a reconnect
    say()
    heard.wait_for(1)
    assert heard.times == 1


def test_a_notice_that_fails_does_not_end_the_thread(cache, say):
    heard = Heard()

    def fail_once():
        heard()
        if heard.times == 1:
            raise RuntimeError("Ünal^Ayşe")

    with capture_logs() as logs:
        cache.subscribe(7, fail_once)
        say()
        heard.wait_for(2)  # by the new connection
        say()
        heard.wait_for(3)
    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("notices_away", "RuntimeError"),
        ("notices_back", None),
    ]


def test_who_leaves_or_closes_leaves_no_thread(cache):
    leave = cache.subscribe(7, Heard())
    cache.subscribe(7, Heard())
    assert len(listeners()) == 2
    leave()
    leave()
    assert len(listeners()) == 1
    cache.close()
    assert listeners() == []


def test_who_closes_while_the_server_is_away_does_not_wait_for_it(server, cache):
    server.process.stop()
    cache.subscribe(7, Heard())
    cache.close()
    assert listeners() == []
    server.process.start()


def test_a_notice_may_leave_by_itself(cache, say):
    heard = Heard()
    leaving = []

    def leave():
        leaving.pop()()
        heard()

    leaving.append(cache.subscribe(7, leave))
    (thread,) = listeners()
    say()
    heard.wait_for(1)
    thread.join()
    assert leaving == []
