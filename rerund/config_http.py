"""`[http]`: whether, where and for whom the endpoints are served."""

import ipaddress
import re
import ssl
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error
from rerund.config_extras import missing
from rerund.config_section import FilePath, Section
from rerund.http.tokens import read_tokens
from rerund.transports.url import LinkUrl, ListenUrl, normal_address, parse_url

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def _address(text: str) -> str:
    try:
        url = parse_url(f"listen://{text}")
    except ValueError:
        url = None
    if not isinstance(url, ListenUrl) or url.peers:
        raise ValueError(f"{text!r} is not HOST:PORT, as 127.0.0.1:8080 or [::1]:8080")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is not a path such as /api-v3, without a slash at its end")
    return text


class HttpSection(Section):
    """`[http]`. Without this table nothing listens."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8080"
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    tokens_file: FilePath
    tls_cert: FilePath | None = None
    tls_key: FilePath | None = None
    insecure: bool = False
    max_body_bytes: int = Field(default=1_000_000, ge=10_000)
    max_requests: int = Field(default=64, ge=1)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on; port 0 is any free one."""
        url = parse_url(f"listen://{self.listen}")
        assert isinstance(url, ListenUrl)
        return url.host, url.port


def http_problems(
    section: HttpSection | None, document: TomlFile, links: Sequence[tuple[str, LinkUrl]]
) -> list[Problem]:
    """Return what is wrong with `[http]` besides its keys: packages, address, TLS, tokens.

    `links` are the instruments' ids and addresses.
    """
    if section is None:
        return []
    found = []
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        found.append(document.problem(("http",), missing("FastAPI and uvicorn", "http")))
    found += [
        document.problem(("http", "listen"), f"the port is already that of instrument {name!r}")
        for name, url in links
        if isinstance(url, ListenUrl) and _excludes(section.address, url)
    ]
    found += [document.problem(("http", key), text) for key, text in _tls_problems(section)]
    try:
        read_tokens(section.tokens_file)
    except TomlError as error:
        found += _at_key(error.problems, section.tokens_file, document)
    return found


def _excludes(address: tuple[str, int], url: ListenUrl) -> bool:
    """Whether HTTP can not listen where an instrument's link does.

    `::` takes every address here, and those of IPv6 alone for a link.
    """
    (host, port), link = (_plain(address[0]), address[1]), _plain(url.host)
    if not port or port != url.port:
        return False
    everywhere = "::" if ":" in host else "0.0.0.0"
    return host in (link, "::") or link == everywhere or (host == everywhere and ":" not in link)


def _plain(host: str) -> str:
    """An address in its one form; a name as it is, `localhost` as what it stands for."""
    try:
        return normal_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return host


def tokens_place(path: Path) -> tuple[Path, int]:
    """Return the token file and the lab of a configuration, whatever else is wrong in it.

    Raises TomlError with the problems of `[http]`.
    """
    document = TomlFile.read(path)
    table = document.data.get("http")
    if not isinstance(table, dict):
        raise TomlError([Problem(str(path), 1, "http", "is missing: HTTP is not configured")])
    try:
        return HttpSection.model_validate(table).tokens_file, _lab_id(document)
    except ValidationError as error:
        raise TomlError(from_validation_error(error, document, ("http",))) from error


def _lab_id(document: TomlFile) -> int:
    daemon = document.data.get("daemon")
    found = daemon.get("lab_id") if isinstance(daemon, dict) else None
    return found if isinstance(found, int) else 1


def _at_key(problems: list[Problem], path: Path, document: TomlFile) -> list[Problem]:
    """A file that can not be read is a mistake of the key that names it."""
    return [
        problem
        if problem.key or not problem.message.startswith("can not be read")
        else document.problem(("http", "tokens_file"), f"{path} {problem.message}")
        for problem in problems
    ]


def _tls_problems(section: HttpSection) -> list[tuple[str, str]]:
    cert, key = section.tls_cert, section.tls_key
    if cert is None and key is not None:
        return [("tls_key", "needs tls_cert")]
    if cert is None or key is None:
        if cert is not None:
            return [("tls_cert", "needs tls_key")]
        if _is_loopback(section.address[0]) or section.insecure:
            return []
        message = "is not loopback: give tls_cert and tls_key, or insecure = true behind a proxy"
        return [("listen", message)]
    try:
        server_tls(cert, key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
        return [("tls_cert", f"certificate and key can not be used: {reason or 'wrong format'}")]
    return []


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a server's TLS context, of TLS 1.2 at least. Raises OSError (SSLError) or ValueError.

    A key with a passphrase is refused: nobody is there to type it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key, password=lambda: "")
    return context


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
