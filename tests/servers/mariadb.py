"""A private MariaDB: durable, in a temporary directory, with a database for each test."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymysql

from rerund.stores.settings import MysqlSettings
from tests.servers.certificates import Certificates
from tests.servers.process import ServerFailed, ServerProcess, free_port

DEFAULTS = (
    "--no-defaults",  # nothing of this machine's; what Debian's file says has to be said here
    "--user=root",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_bin",
    "--innodb-log-file-size=16M",
)
_WHERE = "/usr/sbin:/usr/local/sbin"
_SHARES = (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))
_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
)


class MariaDb:
    """A running server. `root` may do everything; it listens on a port and a socket."""

    def __init__(self, directory: Path, certificates: Certificates | None = None):
        self.socket = directory / "mysqld.sock"
        self.port = free_port()
        self.data = directory / "data"
        self.process = ServerProcess(
            "mariadb",
            [
                _program("mariadbd"),
                *DEFAULTS,
                *_own_files(self.data),
                f"--socket={self.socket}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                f"--pid-file={directory / 'mysqld.pid'}",
                "--skip-name-resolve",
                *_tls(certificates),
            ],
            directory / "mariadb.log",
            self._answers,
        )

    def settings(self, database: str = "rerund", **changed: object) -> MysqlSettings:
        """How to reach one of its databases as root, through the port."""
        known: dict[str, object] = {"port": self.port, "user": "root", "database": database}
        return MysqlSettings(**{**known, **changed})  # type: ignore[arg-type]

    def execute(self, *statements: str) -> None:
        """Run statements as root, outside of rerund, in one transaction."""
        with self.root() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a question of root's is answered."""
        with self.root() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def root(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """A connection that may do everything, of nobody's settings."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", ssl_disabled=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:  # PyMySQL leaves one that fails open
            sock.connect(str(self.socket))
        try:
            self.root().close()
        except pymysql.err.OperationalError:
            return False
        return True


def _tls(made: Certificates | None) -> list[str]:
    if made is None:
        return []
    key = [f"--ssl-cert={made.server_cert}", f"--ssl-key={made.server_key}"]
    return [f"--ssl-ca={made.ca}", *key]


def _own_files(data: Path) -> list[str]:
    # Of a folder for temporary tables a server takes every one for its own and removes it.
    return [f"--datadir={data}", f"--tmpdir={data.parent}"]


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=_WHERE)
    if found is None:
        raise ServerFailed(f"{name} is not installed; `make test` installs mariadb-server-core")
    return found


def _install(data: Path) -> None:
    """Make the server's own tables.

    As mariadb-install-db does, which Debian ships apart from the program that it calls.
    """
    data.mkdir()
    folder = next((share for share in _SHARES if (share / _TABLES[0]).is_file()), None)
    if folder is None:
        raise ServerFailed(f"mariadb: {_TABLES[0]} is in none of {', '.join(map(str, _SHARES))}")
    sql = [b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"]
    sql += [(folder / name).read_bytes() for name in _TABLES]
    made = subprocess.run(
        [_program("mariadbd"), *DEFAULTS, *_own_files(data), "--bootstrap"],
        input=b"".join(sql),
        check=False,
        capture_output=True,
    )
    if made.returncode:
        said = made.stderr.decode(errors="replace")
        raise ServerFailed(f"mariadbd --bootstrap ended with {made.returncode}; it said:\n{said}")


@contextmanager
def mariadb(certificates: Certificates | None = None) -> Iterator[MariaDb]:
    """A new server, gone with all it holds at the end. Raises ServerFailed."""
    with TemporaryDirectory(prefix="rerund-mariadb-") as directory:
        server = MariaDb(Path(directory), certificates)
        _install(server.data)
        with server.process:
            yield server
