"""`[store]`: servers with passwords and certificates from files, each mistake with its line."""

import sys
from pathlib import Path

import pytest

from rerund import config, config_stores
from rerund.checking import problems
from rerund.stores.settings import MongodbSettings, MysqlSettings, RedisSettings, StoreSettings, Tls

SECRET = "pass-Wört"
SMALLEST = """\
[daemon]
state_dir = "/var/lib/rerund"
[[instrument]]
id = "42"
name = "Sysmex XN-1000"
driver = "sysmex-xn"
link = "listen://0.0.0.0:5001"
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "ca.pem").write_text("a certificate")

    def write(store: str) -> Path:
        path = tmp_path / "rerund.toml"
        path.write_text(SMALLEST + store.replace("FOLDER", str(tmp_path)))
        return path

    return write


def test_without_a_table_each_store_is_embedded(write):
    assert config.load(write("")).stores == StoreSettings("/var/lib/rerund/store.db")
    stores = config.load(write('[store]\npath = "/srv/lab.db"\n')).stores
    assert stores == StoreSettings("/srv/lab.db")
    assert stores.places == dict.fromkeys(("reports", "reruns", "numbers"), "/srv/lab.db")


def test_an_empty_table_is_a_server_of_this_machine(write):
    stores = config.load(write("[store.mysql]\n[store.mongodb]\n[store.redis]\n")).stores
    assert (stores.mysql, stores.mongodb, stores.redis) == (
        MysqlSettings(),
        MongodbSettings(),
        RedisSettings(),
    )
    assert not stores.uses_file


EVERYTHING = """\
[store.mysql]
host = "db1"
port = 3307
database = "lab"
user = "daemon"
password_file = "FOLDER/password"
tls = true
tls_ca = "FOLDER/ca.pem"
connect_timeout = 1.5
timeout = 10.0
pool_size = 3
[store.mongodb]
url = "mongodb://m1:27017,m2/?replicaSet=rs0"
user = "daemon"
password_file = "FOLDER/password"
auth_source = "lab"
[store.redis]
socket = "/run/redis.sock"
password_file = "FOLDER/password"
database = 3
"""


def test_every_key_reaches_the_stores(write, tmp_path):
    stores = config.load(write(EVERYTHING)).stores
    tls = Tls(ca=f"{tmp_path}/ca.pem")
    assert stores.mysql == MysqlSettings(
        "db1", 3307, None, "lab", "daemon", SECRET, tls, 1.5, 10.0, 3
    )
    assert stores.mongodb == MongodbSettings(
        "mongodb://m1:27017,m2/?replicaSet=rs0", "rerund", "daemon", SECRET, "lab"
    )
    assert stores.redis == RedisSettings(socket="/run/redis.sock", database=3, password=SECRET)
    assert stores.places == {
        "reports": "mysql://db1:3307/lab",
        "reruns": "mongodb://m1:27017,m2/rerund",
        "numbers": "redis:///run/redis.sock/3",
    }


def test_nothing_shows_a_password(write):
    loaded = config.load(write(EVERYTHING))
    for shown in (loaded, loaded.stores, loaded.stores.mysql, loaded.stores.places):
        assert SECRET not in repr(shown)
        assert SECRET not in str(shown)


@pytest.mark.parametrize(
    ("store", "line", "key", "said"),
    [
        (
            '[store.mysql]\npassword_file = "FOLDER/none"',
            9,
            "store.mysql.password_file",
            "can not be read: No such file",
        ),
        (
            '[store.redis]\npassword_file = "FOLDER/empty"',
            9,
            "store.redis.password_file",
            "no password",
        ),
        (
            '[store.redis]\npassword_file = "FOLDER/binary"',
            9,
            "store.redis.password_file",
            "not UTF-8",
        ),
        (
            '[store.mongodb]\ntls = true\ntls_ca = "FOLDER/none"',
            10,
            "store.mongodb.tls_ca",
            "can not be read",
        ),
        ('[store.mysql]\ntls_ca = "FOLDER/ca.pem"', 8, "store.mysql.tls", "must be true"),
        (
            '[store.mysql]\ntls = true\ntls_key = "FOLDER/ca.pem"',
            10,
            "store.mysql.tls_key",
            "without tls_cert",
        ),
        (
            '[store.mongodb]\nurl = "mongodb://lab:secret@h"',
            9,
            "store.mongodb.url",
            "no credentials",
        ),
        ('[store.mongodb]\nurl = "http://h"', 9, "store.mongodb.url", "expected mongodb://"),
        ('[store.mysql]\npassword = "secret"', 9, "store.mysql.password", "unknown key"),
        ("[store.mysql]\ntimeout = 0", 9, "store.mysql.timeout", "greater than 0"),
        ("[store.redis]\nport = 70000", 9, "store.redis.port", "less than or equal"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("store.") else "",
)
def test_each_mistake_has_its_line_and_key_and_no_secret(write, store, line, key, said):
    (problem,) = problems(write(store))
    assert (problem.line, problem.key) == (line, key)
    assert said in problem.message
    assert "secret" not in problem.message


@pytest.mark.parametrize(
    ("server", "library"), [("mysql", "pymysql"), ("mongodb", "pymongo"), ("redis", "redis")]
)
def test_a_client_library_that_is_not_installed_is_told(write, monkeypatch, server, library):
    monkeypatch.setattr(config_stores, "find_spec", lambda name: None)
    (problem,) = problems(write(f"[store.{server}]\n"))
    assert (problem.line, problem.key) == (8, f"store.{server}")
    assert problem.message.startswith(f"needs {library}, the extra 'stores'")
    assert problem.message.endswith(f"{sys.executable} -m pip install '.[stores]'")
