"""Certificates for the private servers: an authority, a server's and a client's."""

import subprocess
from pathlib import Path

_DAYS = "2"
_SERVER = "subjectAltName=DNS:localhost,IP:127.0.0.1"
_CLIENT = "extendedKeyUsage=clientAuth"


class Certificates:
    """File names of an authority and of what it signed; `other_ca` signed neither."""

    def __init__(self, directory: Path):
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self.ca, ca_key = self._authority("ca")
        self.other_ca, _ = self._authority("other")
        self.server_cert, self.server_key = self._signed("server", _SERVER, ca_key)
        self.client_cert, self.client_key = self._signed("client", _CLIENT, ca_key)

    def _authority(self, name: str) -> tuple[str, str]:
        cert, key = self._paths(name)
        basics = ("-addext", "basicConstraints=critical,CA:TRUE")
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl(
            "req", "-x509", "-out", cert, *_new_key(name, key), "-days", _DAYS, *basics, *usage
        )
        return cert, key

    def _signed(self, name: str, extension: str, ca_key: str) -> tuple[str, str]:
        cert, key = self._paths(name)
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        # Python 3.13 and newer believe no certificate that does not name its authority's key.
        extensions.write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", "-out", request, *_new_key(name, key))
        signing = ("-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", _DAYS)
        _openssl("x509", "-req", "-in", request, "-out", cert, *signing, "-extfile", extensions)
        return cert, key

    def _paths(self, name: str) -> tuple[str, str]:
        return str(self._directory / f"{name}.crt"), str(self._directory / f"{name}.key")


def _new_key(name: str, key: str) -> tuple[str, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    return (*curve, "-nodes", "-keyout", key, "-subj", f"/CN={name}")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
