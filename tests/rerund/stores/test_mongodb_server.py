"""MongoDB that goes away, comes back, hangs, or wants to know who we are."""

from contextlib import closing
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.ports import StoreUnavailable
from rerund.stores.settings import Tls
from tests.rerund.stores.made import rerun, value
from tests.rerund.stores.tls_cases import with_refused_tls
from tests.servers.secantus import PASSWORD, USER, secantus

PATIENCE = 60.0
QUICK = {"connect_timeout": 0.2, "timeout": 0.5}


@pytest.fixture(scope="module")
def server():
    """A server for these tests alone, which stop it."""
    with secantus() as server:
        yield server


@pytest.fixture
def store(server):
    """A store that waits for nothing long, on a database with a rerun."""
    settings = server.settings()
    with closing(MongodbRerunStore(settings)) as patient:
        patient.create_indexes()
        patient.apply([rerun()], [value()])
    with closing(MongodbRerunStore(msgspec.structs.replace(settings, **QUICK))) as store:
        yield store


def assert_away(store):
    for call in (
        lambda: store.reruns(1, [1]),
        lambda: store.values(1, [1]),
        lambda: store.apply([rerun(version=2)], []),
        lambda: store.apply([], [value(version=2)]),
        lambda: store.purge(1.0),
        store.check,
        store.create_indexes,
    ):
        with pytest.raises(StoreUnavailable, match="mongodb is not available"):
            call()


def again(call):
    """Call until the store is there again, as everybody does who is told that it is away."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert monotonic() < deadline


def test_what_was_applied_outlives_a_server_that_is_killed(server, store):
    server.process.kill()
    assert_away(store)
    server.process.start()
    assert again(lambda: store.reruns(1, [1])) == [rerun()]
    again(lambda: store.apply([rerun(version=3)], [value(version=3)]))
    assert again(lambda: store.values(1, [1])) == [value(version=3)]


def test_a_server_that_hangs_is_away_until_it_goes_on(server, store):
    server.process.pause()
    try:
        assert_away(store)
    finally:
        server.process.resume()
    # Whether a write that was given up on was made is not known; a later version always wins.
    again(lambda: store.apply([rerun(version=3)], [value(version=3)]))
    assert again(lambda: store.reruns(1, [1])) == [rerun(version=3)]


def test_a_store_opens_while_its_server_is_away(server):
    server.process.stop()
    store = MongodbRerunStore(server.settings(**QUICK))
    assert_away(store)
    server.process.start()
    again(store.create_indexes)
    again(lambda: store.apply([rerun()], []))
    assert again(lambda: store.reruns(1, [1])) == [rerun()]
    store.close()


@pytest.fixture(scope="module")
def guarded():
    """A server that lets one user in."""
    with secantus() as server:
        server.restart_with_a_user()
        yield server


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"user": USER, "password": "secret-but-wrong"}, "authentication failed"),
        ({"user": "stranger", "password": PASSWORD}, "authentication failed|unknown user"),
        ({}, "not authorized"),
    ],
    ids=["wrong password", "unknown user", "nobody"],
)
def test_who_is_not_let_in_is_told_so_without_the_password(guarded, who, why):
    store = MongodbRerunStore(guarded.settings(**who))
    with pytest.raises(StoreUnavailable, match=why) as refused:
        store.check()
    secret = who.get("password", PASSWORD)
    assert secret not in f"{refused.value!r} {refused.value} {store!r} {store._client!r}"
    store.close()


def test_a_user_with_a_password_is_let_in(guarded):
    store = MongodbRerunStore(guarded.settings(user=USER, password=PASSWORD))
    store.create_indexes()
    store.apply([rerun()], [])
    assert store.reruns(1, [1]) == [rerun()]
    store.close()


@pytest.fixture(scope="module")
def encrypted(certificates):
    with secantus(certificates) as server:
        yield server


def in_one_file(made, directory):
    both = directory / "client.pem"
    both.write_bytes(Path(made.client_cert).read_bytes() + Path(made.client_key).read_bytes())
    return str(both)


def test_a_server_with_tls_is_reached_with_a_certificate(encrypted, certificates, tmp_path):
    one_file = Tls(ca=certificates.ca, cert=in_one_file(certificates, tmp_path))
    for tls in (encrypted.settings().tls, one_file):
        store = MongodbRerunStore(encrypted.settings(tls=tls))
        store.create_indexes()
        store.apply([rerun()], [])
        assert store.reruns(1, [1]) == [rerun()]
        store.close()


@with_refused_tls
def test_a_server_with_tls_is_not_reached_otherwise(encrypted, certificates, tls):
    store = MongodbRerunStore(encrypted.settings(tls=tls(certificates), **QUICK))
    with pytest.raises(StoreUnavailable):
        store.check()
    store.close()


def test_a_server_without_tls_is_not_spoken_to_when_tls_is_wanted(server, certificates):
    store = MongodbRerunStore(server.settings(tls=Tls(ca=certificates.ca), **QUICK))
    with pytest.raises(StoreUnavailable):
        store.check()
    store.close()


@pytest.mark.parametrize(
    "tls", [Tls(ca="/nowhere/ca.pem"), Tls(cert="/nowhere/c.pem", key="/nowhere/k.pem")]
)
def test_a_certificate_that_can_not_be_read_is_a_store_that_is_away(server, tls):
    with pytest.raises(StoreUnavailable):
        MongodbRerunStore(server.settings(tls=tls))
