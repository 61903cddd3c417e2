"""Exit codes: sysexits(3) where one fits, so that systemd and scripts can tell them apart."""

from collections.abc import Iterable
from typing import NoReturn

import typer

from drivers.tomlfile import Problem

REFUSED = 1
"""What was asked for was done, and the answer is no."""

USAGE = 2
"""The command line itself is wrong (typer says so too)."""

UNAVAILABLE = 69
"""The daemon's files are not there, or not to be read (EX_UNAVAILABLE)."""

CONFIG = 78
"""A configuration, profile or lab file is wrong (EX_CONFIG)."""


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """Say why on stderr and exit with `code`."""
    typer.echo(f"rerund: {message}", err=True)
    raise typer.Exit(code)


def fail_with(problems: Iterable[Problem]) -> NoReturn:
    """Print every problem, a line each, and exit 78."""
    for problem in problems:
        typer.echo(str(problem), err=True)
    raise typer.Exit(CONFIG)
