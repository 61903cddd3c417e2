"""Profiles on the command line: which folder they come from, and what is wrong with one."""

from pathlib import Path
from typing import Annotated

import typer

from drivers.profile import AnyProfile, ProfileError, load
from rerund.cli.exits import fail_with

FolderOption = Annotated[
    Path | None,
    typer.Option("--drivers-dir", metavar="DIR", help="A folder of profiles of your own."),
]


def load_profile(name: str | Path, folder: Path | None) -> AnyProfile:
    """Load a profile by its name or path, or print its problems and exit 78."""
    try:
        return load(name, [folder] if folder else [])
    except ProfileError as error:
        fail_with(error.problems)
