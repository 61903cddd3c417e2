"""What a configuration wants that was not installed, and how it is."""

import sys


def missing(packages: str, extra: str) -> str:
    """Say that packages of an extra are missing, and the command that brings them."""
    return (
        f"needs {packages}, the extra {extra!r}: in the folder of rerund's sources,"
        f" {sys.executable} -m pip install '.[{extra}]'"
    )
