"""Link addresses: where an instrument is reached, as one line of configuration.

listen://0.0.0.0:5001[?peer=10.0.0.7,10.0.0.8]
connect://10.0.0.7:5001
serial:///dev/ttyUSB0?baud=9600&bits=8&parity=N&stop=1&flow=none
"""

import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

Parity = Literal["N", "E", "O", "M", "S"]
Flow = Literal["none", "rtscts", "xonxoff"]

Word = TypeVar("Word", bound=str)

MAX_BAUD = 4_000_000
"""Bit/s; the fastest rate Linux has a constant for (B4000000)."""


@dataclass(frozen=True, slots=True)
class ListenUrl:
    """Instruments connect to `host`:`port`; `peers` empty means that any address may."""

    host: str
    port: int
    peers: frozenset[str] = frozenset()

    def __str__(self) -> str:
        query = f"?peer={','.join(sorted(self.peers))}" if self.peers else ""
        return f"listen://{_authority(self.host, self.port)}{query}"


@dataclass(frozen=True, slots=True)
class ConnectUrl:
    """The instrument listens on `host`:`port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"connect://{_authority(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class SerialUrl:
    """A serial port and its line parameters; `baud` in bit/s, 9600 8-N-1 by default.

    LIS01-A2 5.2.2 wants 8-N-1 as the default and 9600 bit/s among the rates.
    """

    path: str
    baud: int = 9600
    bits: int = 8
    parity: Parity = "N"
    stop: float = 1
    flow: Flow = "none"

    def __str__(self) -> str:
        return (
            f"serial://{self.path}?baud={self.baud}&bits={self.bits}&parity={self.parity}"
            f"&stop={self.stop:g}&flow={self.flow}"
        )


LinkUrl = ListenUrl | ConnectUrl | SerialUrl


def parse_url(text: str) -> LinkUrl:
    """Read a link address.

    Raises `ValueError` with a sentence that says what is wrong and what is expected.
    """
    parts = urlsplit(text)
    if parts.scheme == "serial":
        return _serial(parts)
    if parts.scheme not in ("listen", "connect"):
        raise ValueError(f"unknown scheme in {text!r}; expected listen://, connect:// or serial://")
    if parts.path not in ("", "/") or parts.fragment or parts.username is not None:
        raise ValueError(f"{text!r} has more than a host and a port")
    return _listen(parts) if parts.scheme == "listen" else _connect(parts)


def conflicts(urls: Mapping[str, LinkUrl]) -> list[tuple[str, str]]:
    """Return (name, sentence) for every link that can not live beside those before it.

    Instruments may share a listening address only when each says where it calls from, or
    the results of one would be taken for another's. Port 0 is a port of its own each time.
    """
    problems = []
    taken: dict[object, str] = {}
    for name, url in urls.items():
        for key, what in _claims(url):
            if key in taken:
                problems.append((name, f"{what} is already that of instrument {taken[key]!r}"))
            taken.setdefault(key, name)
    shared = Counter(
        (url.host, url.port) for url in urls.values() if isinstance(url, ListenUrl) and url.port
    )
    problems += [
        (name, f"listen://{_authority(url.host, url.port)} is shared; add ?peer=ADDRESS")
        for name, url in urls.items()
        if isinstance(url, ListenUrl) and not url.peers and shared[url.host, url.port] > 1
    ]
    return problems


def _claims(url: LinkUrl) -> list[tuple[object, str]]:
    """Return what a link must have for itself, and how to call it."""
    match url:
        case SerialUrl(path):
            return [(path, path)]
        case ConnectUrl():
            return [(url, str(url))]
        case ListenUrl(host, port, peers) if port:
            return [((host, port, peer), f"peer {peer}") for peer in sorted(peers)]
        case _:
            return []


def normal_address(text: str) -> str:
    """Return an IP address in the one form that `peers` are compared in.

    An IPv4 client of an IPv6 socket shows up as ::ffff:10.0.0.7, a link-local one with
    its interface. Raises `ValueError` when `text` is no address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _listen(parts: SplitResult) -> ListenUrl:
    query = _query(parts, {"peer"})
    return ListenUrl(*_host_and_port(parts, lowest_port=0), _peers(query.get("peer")))


def _connect(parts: SplitResult) -> ConnectUrl:
    _query(parts, set())
    return ConnectUrl(*_host_and_port(parts, lowest_port=1))


def _serial(parts: SplitResult) -> SerialUrl:
    if parts.netloc:
        raise ValueError(
            f"serial://{parts.netloc}{parts.path} names a host; "
            f"expected three slashes: serial:///dev/…"
        )
    if not parts.path.startswith("/") or parts.path.endswith("/"):
        raise ValueError("a serial link needs the path of a port, as serial:///dev/ttyUSB0")
    if parts.fragment:
        raise ValueError(f"unexpected #{parts.fragment} after the serial port")
    query = _query(parts, {"baud", "bits", "parity", "stop", "flow"})
    return SerialUrl(
        path=parts.path,
        baud=_baud(query.get("baud", "9600")),
        bits=int(_one_of("bits", query.get("bits", "8"), ("5", "6", "7", "8"))),
        parity=_one_of("parity", query.get("parity", "N").upper(), ("N", "E", "O", "M", "S")),
        stop=float(_one_of("stop", query.get("stop", "1"), ("1", "1.5", "2"))),
        flow=_one_of("flow", query.get("flow", "none"), ("none", "rtscts", "xonxoff")),
    )


def _query(parts: SplitResult, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            expected = f"expected {', '.join(sorted(known))}" if known else "it takes none"
            raise ValueError(f"unknown parameter {name!r} of a {parts.scheme} link; {expected}")
        if name in found:
            raise ValueError(f"parameter {name!r} is given twice")
        found[name] = value
    return found


def _host_and_port(parts: SplitResult, *, lowest_port: int) -> tuple[str, int]:
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None or port < lowest_port:
        raise ValueError(
            f"{parts.scheme}://{parts.netloc} needs a host and a port "
            f"from {lowest_port} to 65535, as {parts.scheme}://10.0.0.7:5001"
        )
    return parts.hostname, port


def _peers(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    peers = set()
    for address in text.split(","):
        try:
            peers.add(normal_address(address.strip()))
        except ValueError:
            raise ValueError(f"peer {address!r} is not an IP address") from None
    return frozenset(peers)


def _baud(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MAX_BAUD:
        raise ValueError(f"baud is {text!r}; expected a whole number from 1 to {MAX_BAUD}")
    return int(text)


def _one_of(name: str, text: str, words: tuple[Word, ...]) -> Word:
    for word in words:
        if text == word:
            return word
    raise ValueError(f"{name} is {text!r}; expected {', '.join(words)}")


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
