"""What is wrong with a file: a configuration, a profile, a lab file or a token file."""

from collections.abc import Callable
from pathlib import Path

from drivers.profile import ProfileError
from drivers.profile import load as load_profile
from drivers.tomlfile import Problem, TomlError, TomlFile
from rerund import config
from rerund.http.tokens import read_tokens

Checker = Callable[[Path], list[Problem]]

_CONFIG = config.ConfigFile.model_fields.keys() - {"rerun"}  # which a profile has too
_TOKENS = {"token"}
_LAB = {"lab_id", "format", "device", "report"}


def problems(path: Path) -> list[Problem]:
    """Return every problem of a file; what kind it is, its tables tell."""
    try:
        tables = TomlFile.read(path).data.keys()
    except TomlError as error:
        return error.problems
    if tables & _CONFIG:
        return _of_config(path)
    if "protocol" in tables or "specimen" in tables:
        return _of_profile(path)
    if "rerun" in tables:
        return _of_config(path)
    if tables & _TOKENS:
        return _of_tokens(path)
    if tables & _LAB:
        return _of_lab_file(path)
    if not tables and "token" in path.name.lower():
        return []  # nobody has a token yet
    what = "expected a configuration ([daemon], [[instrument]]), a profile or a lab file"
    return [Problem(str(path), 1, "", what)]


def _of_config(path: Path) -> list[Problem]:
    try:
        config.load(path)
    except config.ConfigError as error:
        return error.problems
    return []


def _of_profile(path: Path) -> list[Problem]:
    try:
        load_profile(path)
    except ProfileError as error:
        return error.problems
    return []


def _of_tokens(path: Path) -> list[Problem]:
    try:
        read_tokens(path)
    except TomlError as error:
        return error.problems
    return []


def _of_lab_file(path: Path) -> list[Problem]:
    from rerund.lab.load import LabFileError, read_files

    try:
        read_files([path])
    except LabFileError as error:
        return error.problems
    return []
