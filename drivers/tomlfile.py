"""TOML files whose every mistake is told with file, line and key.

Profiles and the configuration are read through this one reader. Syntax errors come from
`tomllib`, everything else from a pydantic model; both become `Problem`s, all of a file at once.
"""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drivers.tomlpositions import Path as KeyPath
from drivers.tomlpositions import positions

# tomllib tells the place only in its sentence (Python < 3.14).
_SYNTAX_ERROR = re.compile(
    r"(?P<what>.*?)(?: \(at (?:line (?P<line>\d+), column \d+|end of document)\))?", re.DOTALL
)

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "model_type": "must be a table",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "string_type": "must be text in quotes",
    "path_type": "must be text in quotes",
}

# Only of these is the offending value shown: they hold words and numbers, never a secret.
_SHOWN = {"literal_error", "enum", "greater_than", "greater_than_equal"}
_SHOWN |= {"less_than", "less_than_equal", "int_parsing", "float_parsing", "bool_parsing"}
_SHOWN |= {"int_type", "float_type", "bool_type"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it is (line from 1) and what is wrong."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.key}: {self.message}" if self.key else where + self.message


class TomlError(Exception):
    """A file that is no TOML, or can not be read at all."""

    def __init__(self, problems: list[Problem]):
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True)
class TomlFile:
    """A parsed TOML document that knows the line of each of its keys."""

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(repr=False, default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and parse a file. Raises TomlError, also for a missing file."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise TomlError([Problem(str(path), 1, "", f"can not be read: {reason}")]) from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise TomlError([Problem(str(path), line, "", "is not UTF-8 text")]) from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Parse the text of the file called `name`. Raises TomlError."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise TomlError([_syntax_problem(error, text, name)]) from error
        return cls(name, data, positions(text))

    def line(self, path: KeyPath) -> int:
        """The line (from 1) of a key path, or of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the key at `path`."""
        return Problem(self.name, self.line(path), key_text(path), message)


def from_validation_error(
    error: ValidationError, file: TomlFile, at: KeyPath = ()
) -> list[Problem]:
    """Every problem that pydantic found in the data of a file, in the order of its lines.

    `at` is where in the file the data stand.
    """
    problems = [_validation_problem(details, file, at) for details in error.errors()]
    return sorted(problems, key=lambda problem: problem.line)


def key_text(path: KeyPath) -> str:
    """A key path as people write it: `instrument[0].link`, elements counted from 0."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str, name: str) -> Problem:
    parts = _SYNTAX_ERROR.fullmatch(str(error))
    assert parts is not None  # the pattern matches any text
    line = int(parts["line"] or text.count("\n") + 1)
    return Problem(name, line, "", parts["what"])


def _validation_problem(details: ErrorDetails, file: TomlFile, at: KeyPath) -> Problem:
    path = (*at, *details["loc"])
    if details["type"] != "missing":
        # What pydantic appends to name the branch of a union is no key of the file.
        while path and path not in file.lines:
            path = path[:-1]
    message = _SENTENCES.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    if details["type"] in _SHOWN:
        message += f", got {details['input']!r}"
    return file.problem(path, message)
