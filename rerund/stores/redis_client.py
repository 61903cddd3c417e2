"""The connection to Redis, or to a Redis Cluster."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from rerund.stores.settings import RedisSettings, Tls

Client = Redis | RedisCluster

FAILURES = (RedisError, RedisClusterException, OSError)
"""What a call raises when the server is away, refuses it or has other data than ours."""

CLIENT_NAME = "rerund"


def connect(settings: RedisSettings) -> Client:
    """A client; that of a cluster asks a node at once. Raises one of FAILURES."""
    options: dict[str, Any] = {
        "username": settings.user,
        "password": settings.password or None,
        "client_name": CLIENT_NAME,
        "protocol": 2,
        "socket_timeout": settings.timeout,
        "socket_connect_timeout": settings.timeout,
        # Once more, at once: a connection may have ended meanwhile. A timeout is not repeated.
        "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
    }
    if settings.socket is not None:
        return Redis(unix_socket_path=settings.socket, db=settings.database, **options)
    options |= {"host": settings.host, "port": settings.port, **_tls(settings.tls)}
    if settings.cluster:
        return RedisCluster(**options)
    return Redis(db=settings.database, **options)


def hearing(client: Client) -> PubSub:
    """A connection for subscriptions, made at the first one."""
    return client.pubsub()  # type: ignore[no-any-return, no-untyped-call]


def _tls(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
    }
