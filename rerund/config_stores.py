"""`[store]` of the configuration: a table for each store that lies on a server.

Passwords are in files of their own, so that the configuration can be shown around.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from drivers.tomlfile import Problem, TomlFile
from rerund.config_extras import missing
from rerund.config_section import FilePath, Seconds, Section
from rerund.stores.settings import MongodbSettings, MysqlSettings, RedisSettings, StoreSettings, Tls

Port = Annotated[int, Field(ge=1, le=65535)]
Word = Annotated[str, Field(min_length=1)]


def _plain_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("mongodb", "mongodb+srv") or not rest:
        raise ValueError("expected mongodb://HOST[:PORT][,HOST...]")
    if "@" in rest:
        raise ValueError("must hold no credentials; use user and password_file")
    return url


class _ServerSection(Section):
    """What the servers have in common. The TLS files matter with `tls = true` only."""

    password_file: FilePath | None = None
    tls: bool = False
    tls_ca: FilePath | None = None
    tls_cert: FilePath | None = None
    tls_key: FilePath | None = None

    def secrets(self) -> dict[str, Any]:
        """The password and TLS as settings. Raises OSError, ValueError."""
        password = "" if self.password_file is None else _password(self.password_file)
        return {"password": password, "tls": self._tls() if self.tls else None}

    def _tls(self) -> Tls:
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        return Tls(*(None if file is None else str(file) for file in files))

    def plain(self) -> dict[str, Any]:
        """Every other key that the file has."""
        files = {"password_file", "tls", "tls_ca", "tls_cert", "tls_key"}
        return self.model_dump(exclude=files, exclude_unset=True)


class MysqlSection(_ServerSection):
    """`[store.mysql]`: the report store on MySQL or MariaDB."""

    host: Word = "127.0.0.1"
    port: Port = 3306
    socket: Word | None = None
    database: Word = "rerund"
    user: Word = "rerund"
    connect_timeout: Seconds = 5.0
    timeout: Seconds = 30.0
    pool_size: int = Field(default=16, ge=2)


class MongodbSection(_ServerSection):
    """`[store.mongodb]`: the rerun store on MongoDB or DocumentDB."""

    url: Annotated[str, AfterValidator(_plain_url)] = "mongodb://127.0.0.1:27017"
    database: Word = "rerund"
    user: Word | None = None
    auth_source: Word = "admin"
    connect_timeout: Seconds = 5.0
    timeout: Seconds = 30.0
    pool_size: int = Field(default=16, ge=1)


class RedisSection(_ServerSection):
    """`[store.redis]`: the number cache on Redis."""

    host: Word = "127.0.0.1"
    port: Port = 6379
    socket: Word | None = None
    database: int = Field(default=0, ge=0)
    user: Word | None = None
    cluster: bool = False
    timeout: Seconds = 2.0


class StoreSection(Section):
    """`[store]`: where the lab's data lies. A store without a table of its own is in `path`."""

    path: FilePath | None = None
    poll_interval: Seconds = 1.0
    mysql: MysqlSection | None = None
    mongodb: MongodbSection | None = None
    redis: RedisSection | None = None


_CLIENTS = {"mysql": "pymysql", "mongodb": "pymongo", "redis": "redis"}
_FILES = ("password_file", "tls_ca", "tls_cert", "tls_key")


def store_problems(section: StoreSection, document: TomlFile) -> list[Problem]:
    """Return what keeps the servers of a section from being used: files, missing libraries."""
    problems = []
    for name, library in _CLIENTS.items():
        server = getattr(section, name)
        if server is None:
            continue
        if find_spec(library) is None:
            problems.append(document.problem(("store", name), missing(library, "stores")))
        problems += [
            document.problem(("store", name, key), message)
            for key, message in _server_problems(server)
        ]
    return problems


def _server_problems(server: _ServerSection) -> list[tuple[str, str]]:
    problems = []
    for key in _FILES:
        file = getattr(server, key)
        if file is None:
            continue
        try:
            _password(file) if key == "password_file" else file.read_bytes()
        except OSError as error:
            problems.append((key, f"can not be read: {error.strerror or type(error).__name__}"))
        except ValueError as error:
            problems.append((key, str(error)))
    if server.tls_key is not None and server.tls_cert is None:
        problems.append(("tls_key", "is of no use without tls_cert"))
    if not server.tls and (server.tls_ca or server.tls_cert):
        problems.append(("tls", "must be true for the TLS files to be used"))
    return problems


def _password(file: Path) -> str:
    """The first line of a file. Raises OSError, ValueError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not lines or not lines[0]:
        raise ValueError("holds no password in its first line")
    return lines[0]


def store_settings(section: StoreSection, path: Path) -> StoreSettings:
    """A section without problems as settings; `path` is the file of embedded stores."""

    def made(kind: Any, server: _ServerSection | None) -> Any:
        return None if server is None else kind(**server.plain(), **server.secrets())

    return StoreSettings(
        path=str(path),
        mysql=made(MysqlSettings, section.mysql),
        mongodb=made(MongodbSettings, section.mongodb),
        redis=made(RedisSettings, section.redis),
    )
