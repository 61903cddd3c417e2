"""A private Redis: in memory only, on a port and a socket."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from rerund.stores.settings import RedisSettings, Tls
from tests.servers.certificates import Certificates
from tests.servers.process import ServerFailed, ServerProcess, free_port


class RedisServer:
    """A running server. With `certificates` its port speaks TLS, with client certificates only.

    The socket is for the tests, whatever the port speaks.
    """

    def __init__(self, directory: Path, certificates: Certificates | None = None, *more: str):
        self._certificates = certificates
        self.socket = str(directory / "redis.sock")
        self.port = free_port()
        command = [
            "redis-server",
            *("--unixsocket", self.socket, "--dir", str(directory)),
            *("--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
            *self._port(),
            *more,
        ]
        log = directory / "redis.log"
        self.process = ServerProcess("redis", command, log, self._answers, _program())

    def _port(self) -> list[str]:
        if self._certificates is None:
            return ["--port", str(self.port)]
        made = self._certificates
        key = ["--tls-key-file", made.server_key, "--tls-ca-cert-file", made.ca]
        return [
            *("--port", "0", "--tls-port", str(self.port)),
            "--tls-cert-file",
            made.server_cert,
            *key,
        ]

    def settings(self, **changed: Any) -> RedisSettings:
        """How to reach it through the port."""
        known: dict[str, Any] = {"port": self.port, "tls": self._tls()}
        return RedisSettings(**{**known, **changed})

    def _tls(self) -> Tls | None:
        made = self._certificates
        return made and Tls(ca=made.ca, cert=made.client_cert, key=made.client_key)

    def client(self) -> "redis.Redis":
        """A client of nobody's settings, for what anybody else does."""
        return redis.Redis(unix_socket_path=self.socket, decode_responses=True, protocol=2)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _program() -> str:
    """The server: the check of its files is the same program under another name."""
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if found is None:
        raise ServerFailed("redis-server is not installed; `make test` installs redis-tools")
    return found


class RedisClusterNode(RedisServer):
    """A cluster of one node, which has all slots."""

    def __init__(self, directory: Path):
        bus = ("--cluster-port", str(free_port()))
        super().__init__(directory, None, "--cluster-enabled", "yes", *bus)

    def _answers(self) -> bool:
        if not super()._answers():
            return False
        with self.client() as client:
            said: Any = client.execute_command("CLUSTER INFO")
            if said["cluster_slots_assigned"] == "0":
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            return said["cluster_state"] == "ok"


@contextmanager
def redis_cluster() -> Iterator[RedisClusterNode]:
    """A new cluster, gone with all it holds at the end. Raises ServerFailed."""
    with TemporaryDirectory(prefix="rerund-redis-") as directory:
        node = RedisClusterNode(Path(directory))
        with node.process:
            yield node


@contextmanager
def redis_server(certificates: Certificates | None = None, *more: str) -> Iterator[RedisServer]:
    """A new server, gone with all it holds at the end; `more` are settings. Raises ServerFailed."""
    with TemporaryDirectory(prefix="rerund-redis-") as directory:
        server = RedisServer(Path(directory), certificates, *more)
        with server.process:
            yield server
