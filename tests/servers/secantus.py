"""A private SecantusDB, which speaks the wire protocol of MongoDB: durable, and alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from rerund.stores.settings import MongodbSettings, Tls
from tests.servers.certificates import Certificates
from tests.servers.process import ServerProcess, free_port

USER, PASSWORD = "daemon", "pass-Wört:/@"
_ANSWER_TIMEOUT = 1000


class Secantus:
    """A running server. With `certificates` it speaks TLS, with client certificates only."""

    def __init__(self, directory: Path, certificates: Certificates | None = None):
        self._directory = directory
        self._certificates = certificates
        self._databases = count(1)
        self.port = free_port()
        self.process = self._process()

    def _process(self, *arguments: str) -> ServerProcess:
        config = self._directory / "secantusd.toml"
        config.touch()  # or one in the home directory would count
        command = [
            Path(sys.executable).with_name("secantusd-py"),
            f"--config={config}",
            "--host=127.0.0.1",
            f"--port={self.port}",
            f"--storage-path={self._directory / 'data'}",
            "--cache-size=64M",
            "--log-level=WARNING",
            "--sync-on-commit",
            *arguments,
        ]
        if self._certificates is not None:
            command += [
                f"--tls-cert-file={self._certificates.server_cert}",
                f"--tls-key-file={self._certificates.server_key}",
                f"--tls-ca-file={self._certificates.ca}",
                "--tls-require-client-cert",
            ]
        return ServerProcess("secantus", command, self._directory / "secantus.log", self._answers)

    def settings(self, **changed: Any) -> MongodbSettings:
        """How to reach a database of its own, nobody's yet."""
        known: dict[str, Any] = {
            "url": f"mongodb://127.0.0.1:{self.port}",
            "database": f"rerund{next(self._databases)}",
            "tls": self._tls(),
        }
        return MongodbSettings(**{**known, **changed})

    def _tls(self) -> Tls | None:
        made = self._certificates
        return made and Tls(ca=made.ca, cert=made.client_cert, key=made.client_key)

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """A client of nobody's settings, for what a LIMS or an administrator does."""
        if self._certificates is not None:
            made = self._certificates
            both = self._directory / "client.pem"
            both.write_text(Path(made.client_cert).read_text() + Path(made.client_key).read_text())
            options |= {"tls": True, "tlsCAFile": made.ca, "tlsCertificateKeyFile": str(both)}
        return MongoClient("127.0.0.1", self.port, directConnection=True, **options)

    def restart_with_a_user(self) -> None:
        """Let only `USER` in from now on."""
        with self.client() as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
        self.process.stop()
        self.process = self._process("--auth")
        self.process.start()

    def _answers(self) -> bool:
        try:
            with self.client(serverSelectionTimeoutMS=_ANSWER_TIMEOUT) as client:
                return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False


@contextmanager
def secantus(certificates: Certificates | None = None) -> Iterator[Secantus]:
    """A new server, gone with all it holds at the end. Raises ServerFailed."""
    with TemporaryDirectory(prefix="rerund-secantus-") as directory:
        server = Secantus(Path(directory), certificates)
        try:
            server.process.start()
            yield server
        finally:
            server.process.stop()
