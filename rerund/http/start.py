"""What the daemon hands to its HTTP process when it starts it."""

from pathlib import Path

import msgspec

from rerund.child_line import packed
from rerund.config import Config
from rerund.configured_rules import rules_of
from rerund.logs import LogFormat, LogLevel
from rerund.rerun.rules import Rules
from rerund.stores.settings import StoreSettings


class HttpStart(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the HTTP process works with; it reads no configuration of its own."""

    stores: StoreSettings
    rules: Rules
    host: str
    port: int
    prefix: str = ""
    tokens_file: str
    tls_cert: str | None = None
    tls_key: str | None = None
    max_body_bytes: int = 1_000_000
    max_requests: int = 64
    stop_timeout: float = 10.0
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"


def start_of(config: Config) -> HttpStart:
    """Return what a configuration with `[http]` says."""
    http, daemon = config.file.http, config.file.daemon
    assert http is not None
    host, port = http.address
    return HttpStart(
        stores=config.stores,
        rules=rules_of(config),
        host=host,
        port=port,
        prefix=http.prefix,
        tokens_file=str(http.tokens_file),
        tls_cert=_text(http.tls_cert),
        tls_key=_text(http.tls_key),
        max_body_bytes=http.max_body_bytes,
        max_requests=http.max_requests,
        stop_timeout=daemon.stop_timeout,
        log_format=daemon.log_format,
        log_level=daemon.log_level,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def pack_start(start: HttpStart) -> bytes:
    """Return the message that starts the HTTP process."""
    return packed(msgspec.msgpack.encode(start))


unpack_start = msgspec.msgpack.Decoder(HttpStart).decode
