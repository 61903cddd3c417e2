"""Where the stores are: as the configuration says it, passed on to the processes that open them.

A store that is not named is embedded, in the file at `path`.
"""

import msgspec


class Tls(msgspec.Struct, frozen=True):
    """How a server proves who it is, and we who we are. File names.

    Without `ca` the certificate authorities of the machine are believed.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class _Server(msgspec.Struct, frozen=True):
    """Settings whose text does not hold the password."""

    def __repr__(self) -> str:
        known = msgspec.structs.asdict(self) | {"password": "***"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in known.items())})"


class MysqlSettings(_Server, frozen=True):
    """A MySQL or MariaDB server. Timeouts in seconds; `socket` goes before host and port."""

    host: str = "127.0.0.1"
    port: int = 3306
    socket: str | None = None
    database: str = "rerund"
    user: str = "rerund"
    password: str = ""
    tls: Tls | None = None
    connect_timeout: float = 5.0
    timeout: float = 30.0
    pool_size: int = 16

    @property
    def place(self) -> str:
        """Where it is, without credentials."""
        return f"mysql://{self.socket or f'{self.host}:{self.port}'}/{self.database}"


class MongodbSettings(_Server, frozen=True):
    """A MongoDB or DocumentDB cluster. `url` without credentials; timeouts in seconds."""

    url: str = "mongodb://127.0.0.1:27017"
    database: str = "rerund"
    user: str | None = None
    password: str = ""
    auth_source: str = "admin"
    tls: Tls | None = None
    connect_timeout: float = 5.0
    timeout: float = 30.0
    pool_size: int = 16

    @property
    def place(self) -> str:
        """Where it is, without credentials."""
        return f"{self.url.partition('?')[0].rstrip('/')}/{self.database}"


class RedisSettings(_Server, frozen=True):
    """A Redis server or, with `cluster`, any node of a cluster. Timeout in seconds."""

    host: str = "127.0.0.1"
    port: int = 6379
    socket: str | None = None
    database: int = 0
    user: str | None = None
    password: str = ""
    cluster: bool = False
    tls: Tls | None = None
    timeout: float = 2.0

    @property
    def place(self) -> str:
        """Where it is, without credentials."""
        return f"redis://{self.socket or f'{self.host}:{self.port}'}/{self.database}"


class StoreSettings(msgspec.Struct, frozen=True):
    """The three stores of a daemon. `path` is the file of those that are embedded."""

    path: str
    mysql: MysqlSettings | None = None
    mongodb: MongodbSettings | None = None
    redis: RedisSettings | None = None

    @property
    def uses_file(self) -> bool:
        """Whether any of the three lies in the file."""
        return not (self.mysql and self.mongodb and self.redis)

    @property
    def places(self) -> dict[str, str]:
        """Where each of the three is, without credentials."""
        servers = {"reports": self.mysql, "reruns": self.mongodb, "numbers": self.redis}
        return {part: server.place if server else self.path for part, server in servers.items()}
