"""MySQL or MariaDB that goes away, comes back, hangs, or wants to know who we are."""

import ssl
from time import monotonic

import pytest
from sqlalchemy import text

from rerund.stores.mysql_database import MysqlDatabase
from rerund.stores.ports import StoreUnavailable
from rerund.stores.relational import RelationalReportStore
from rerund.stores.settings import Tls
from rerund.stores.versions import make_tables
from tests.rerund.stores.made import whole
from tests.servers.certificates import Certificates
from tests.servers.mariadb import mariadb

PATIENCE = 60.0
QUICK = {"connect_timeout": 1.0, "timeout": 1.0}
SECRET = "pass-Wört'\"\\"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(made):
    """A server for these tests alone, which stop it."""
    with mariadb(made) as server:
        server.execute("CREATE DATABASE rerund", f"CREATE USER lab IDENTIFIED BY {quoted(SECRET)}")
        server.execute("GRANT ALL ON rerund.* TO lab", "CREATE USER x REQUIRE X509")
        server.execute("GRANT ALL ON rerund.* TO x")
        database = MysqlDatabase(server.settings("rerund"))
        with database.write() as connection:
            make_tables(connection)
        database.close()
        yield server


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@pytest.fixture
def opened(server):
    """Makes databases with settings, closed at the end."""
    made = []

    def opened(**changed):
        database = MysqlDatabase(server.settings(**{**QUICK, **changed}))
        made.append(database)
        return database

    yield opened
    for database in made:
        database.close()


def again(call):
    """Call until the store is there again, as everybody does who is told that it is away."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert monotonic() < deadline


def test_what_was_committed_outlives_a_server_that_is_killed(server, opened):
    store = RelationalReportStore(opened())
    store.commit(whole(reports=[]))
    server.process.kill()
    with pytest.raises(StoreUnavailable, match=r"report store is not available: (2003|2006|2013)"):
        store.events(1, 1)
    server.process.start()
    assert [row.version for row in store.events(1, 1)] == [1]


def test_a_connection_that_the_server_has_dropped_is_replaced(server, opened):
    database = opened()
    database.now()
    server.process.stop()
    server.process.start()
    database.now()  # at the first try: a stale connection is found before it is used


def test_a_server_that_hangs_is_away_until_it_goes_on(server, opened):
    database = opened()
    database.now()
    server.process.pause()
    try:
        with pytest.raises(StoreUnavailable, match=r"lost connection|can not connect"):
            database.now()
    finally:
        server.process.resume()
    again(database.now)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user": "lab", "password": "wrong-Doe"}, "1045 access denied"),
        ({"user": "nobody", "password": SECRET}, "1045 access denied"),
        ({"database": "nowhere"}, "1049 unknown database"),
        ({"port": 1}, "2003 can not connect"),
    ],
    ids=["wrong password", "wrong user", "wrong database", "wrong port"],
)
def test_who_is_not_let_in_is_told_why_without_the_password(opened, changed, said):
    database = opened(**changed)
    with pytest.raises(StoreUnavailable, match=f"report store is not available: {said}$") as away:
        database.now()
    assert "Doe" not in repr(away.value)
    assert SECRET not in repr(away.value)
    assert away.value.__suppress_context__


def test_a_password_of_any_characters_opens(opened):
    opened(user="lab", password=SECRET).now()


def test_settings_and_engine_do_not_show_the_password(server, opened):
    settings = server.settings("rerund", password=SECRET)
    for shown in (repr(settings), str(settings), repr(opened(password=SECRET)._engine)):
        assert SECRET not in shown
        assert "rerund" in shown


def test_a_socket_goes_before_host_and_port(server, opened):
    opened(socket=str(server.socket), host="nowhere.invalid", port=1).now()


def cipher(database):
    with database.read() as connection:
        return connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1]


def test_with_tls_everything_is_encrypted_and_without_nothing(opened, made):
    assert cipher(opened(tls=Tls(ca=made.ca)))
    assert not cipher(opened())


def test_a_client_certificate_says_who_we_are(opened, made):
    identified = Tls(ca=made.ca, cert=made.client_cert, key=made.client_key)
    assert cipher(opened(user="x", tls=identified))
    with pytest.raises(StoreUnavailable, match="1045 access denied"):
        opened(user="x", tls=Tls(ca=made.ca)).now()


@pytest.mark.parametrize(
    ("tls", "host"),
    [("other_ca", "127.0.0.1"), ("ca", "127.0.0.2")],
    ids=["another authority", "another name"],
)
def test_a_server_that_can_not_prove_who_it_is_gets_no_password(opened, made, tls, host):
    database = opened(host=host, tls=Tls(ca=getattr(made, tls)))
    with pytest.raises(StoreUnavailable, match=r"2003 can not connect|2026 TLS"):
        database.now()


def test_a_server_without_tls_is_not_spoken_to_when_tls_is_wanted(servers, made):
    with servers.empty("mysql") as settings:
        port, database = settings.port, settings.database
        wanted = servers.mariadb.settings(database, port=port, tls=Tls(ca=made.ca))
        store = MysqlDatabase(wanted)
        with pytest.raises(StoreUnavailable, match="2026 TLS"):
            store.now()
        store.close()


@pytest.mark.parametrize("missing", ["ca", "cert"])
def test_a_certificate_that_can_not_be_read_is_told(opened, made, missing):
    files = {"ca": made.ca, "cert": made.client_cert, "key": made.client_key}
    with pytest.raises(StoreUnavailable, match="TLS: No such file"):
        opened(tls=Tls(**{**files, missing: "/nowhere.pem"}))


def test_a_certificate_that_is_none_is_told(opened, made, tmp_path):
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(StoreUnavailable, match="TLS: "):
        opened(tls=Tls(ca=str(tmp_path / "no.pem")))
    assert issubclass(ssl.SSLError, OSError)
