"""A certificate for 127.0.0.1, made by openssl."""

import subprocess
from pathlib import Path


def certificate(folder: Path, *more: str) -> tuple[Path, Path]:
    """Make a certificate and its key, without a passphrase unless `more` gives one."""
    cert, key = folder / "http.pem", folder / "http.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-subj", "/CN=rerund", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert), *(more or ("-nodes",))),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key
