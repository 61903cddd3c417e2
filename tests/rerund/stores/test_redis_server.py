"""Redis that wants to know who we are, and lets us do what we need only."""

import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rerund.stores.redis_cache import RedisNumberCache
from rerund.stores.settings import Tls
from tests.rerund.stores.heard import Heard
from tests.rerund.stores.tls_cases import with_refused_tls
from tests.servers.redis_server import redis_cluster, redis_server

DOCUMENTED = Path(__file__).parents[3] / "docs" / "stores.md"
PASSWORD = "pass-Wört:/@"


def rules():
    """The user of the documentation, who may do what rerund needs and no more."""
    (line,) = re.findall(r"^ACL SETUSER rerund on >PASSWORD (.*)$", DOCUMENTED.read_text(), re.M)
    return line.split()


@pytest.fixture(scope="module")
def guarded():
    """A server that lets in who has a password, and the tests by its socket."""
    with redis_server() as server, server.client() as client:
        client.execute_command("ACL", "SETUSER", "rerund", "on", f">{PASSWORD}", *rules())
        yield server


def assert_works(cache):
    heard = Heard()
    with capture_logs() as logs:
        leave = cache.subscribe(7, heard)
        cache.publish(7, {1: 2, 2: 3})
        cache.publish(7, {2: None, 3: 1})
        assert [cache.active_number(7, report) for report in (1, 2, 3)] == [2, None, 1]
        cache.notify(7)
        heard.wait_for(1)
        leave()
        assert cache.problem() is None
    assert logs == []


def assert_away(cache):
    with capture_logs() as logs:
        cache.publish(7, {1: 2})
        cache.subscribe(7, Heard())()
        assert cache.problem() is not None
    assert {line["event"] for line in logs} == {"number_cache_away", "notices_away"}
    return logs


def test_a_user_with_the_documented_rights_can_do_everything(guarded):
    for database in (0, 1):
        settings = guarded.settings(user="rerund", password=PASSWORD, database=database)
        cache = RedisNumberCache(settings)
        assert_works(cache)
        cache.close()


def test_the_documented_rights_are_enough_on_a_cluster():
    with redis_cluster() as node, node.client() as client:
        client.execute_command("ACL", "SETUSER", "rerund", "on", f">{PASSWORD}", *rules())
        cache = RedisNumberCache(node.settings(cluster=True, user="rerund", password=PASSWORD))
        assert_works(cache)
        cache.close()


@pytest.mark.parametrize(
    "right", [rule for rule in rules() if rule.startswith(("+h", "+pub", "+sub", "&", "~"))]
)
def test_without_one_of_them_it_does_not_work(guarded, right):
    with guarded.client() as client:
        fewer = [rule for rule in rules() if rule != right]
        client.execute_command("ACL", "SETUSER", "less", "reset", "on", ">less", *fewer)
    cache = RedisNumberCache(guarded.settings(user="less", password="less"))
    with capture_logs() as logs:
        cache.subscribe(7, Heard())
        cache.publish(7, {1: 2, 2: None})
        cache.active_number(7, 1)
        cache.notify(7)
        cache.close()
    assert {line["reason"] for line in logs if "reason" in line} == {"NoPermissionError"}


@pytest.mark.parametrize("user", ["rerund", "stranger", None])
def test_who_is_not_let_in_is_told_so_without_the_password(guarded, user):
    settings = guarded.settings(user=user, password="secret-but-wrong")
    cache = RedisNumberCache(settings)
    logs = assert_away(cache)
    assert "secret" not in f"{logs} {cache!r}"
    cache.close()


@pytest.fixture(scope="module")
def encrypted(certificates):
    with redis_server(certificates) as server:
        yield server


def test_a_server_with_tls_is_reached_with_a_certificate(encrypted):
    cache = RedisNumberCache(encrypted.settings())
    assert_works(cache)
    cache.close()


@with_refused_tls
def test_a_server_with_tls_is_not_reached_otherwise(encrypted, certificates, tls):
    cache = RedisNumberCache(encrypted.settings(tls=tls(certificates), timeout=0.5))
    assert_away(cache)
    cache.close()


def test_an_authority_that_can_not_be_read_is_a_server_that_is_away(encrypted):
    cache = RedisNumberCache(encrypted.settings(tls=Tls(ca="/nowhere/ca.pem")))
    assert_away(cache)
    cache.close()


def test_a_server_without_tls_is_not_spoken_to_when_tls_is_wanted(guarded, certificates):
    settings = guarded.settings(user="rerund", password=PASSWORD, tls=Tls(ca=certificates.ca))
    cache = RedisNumberCache(settings)
    assert_away(cache)
    cache.close()
