"""The certificate of the server, read again when it is renewed."""

import ssl
from pathlib import Path

import structlog

from rerund.config_http import server_tls

log = structlog.get_logger(__name__)


class Certificate:
    """A certificate and its key; a pair that can not be used changes nothing.

    The files are looked at when a caller begins TLS, so who is connected stays connected.
    `context` is the one to listen with, for as long as the server lives.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        """Read the files. Raises OSError (SSLError) or ValueError when they can not be used."""
        self._cert, self._key = cert, key
        self._seen = self._look()
        self.context = self._newest = server_tls(cert, key)
        self.context.sni_callback = self._begin

    def _begin(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Begin with the newest; it is called whether or not the caller gave a name."""
        del name, context
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            self._load()
        tls.context = self._newest

    def _look(self) -> list[tuple[int, int, int]]:
        """What tells one state of the files from another; less when one is not there."""
        try:
            found = [path.stat() for path in (self._cert, self._key)]
        except OSError:
            return []
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in found]

    def _load(self) -> None:
        try:
            self._newest = server_tls(self._cert, self._key)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
            log.error("certificate_unusable", alert=True, path=str(self._cert), reason=reason)  # noqa: TRY400
        else:
            log.info("certificate_read")
