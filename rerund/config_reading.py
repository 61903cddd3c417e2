"""Reading the tables of a file one by one, so that a mistake in one hides none of another.

Of a table with mistakes the keys that are right are read all the same: what follows from them
is checked too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from drivers.tomlfile import Problem, TomlFile, from_validation_error
from drivers.tomlpositions import Path as KeyPath

M = TypeVar("M", bound=BaseModel)


class Reading:
    """A document that is being read, and what is wrong with it so far."""

    def __init__(self, document: TomlFile) -> None:
        self.document = document
        self._problems: list[Problem] = []

    @property
    def problems(self) -> list[Problem]:
        """Every problem: those of the document in the order of its lines, then those elsewhere."""
        name = self.document.name
        return sorted(self._problems, key=lambda problem: (problem.file != name, problem.line))

    def object_to(self, path: KeyPath, message: str) -> None:
        """Note that a key is wrong."""
        self.add([self.document.problem(path, message)])

    def add(self, problems: Iterable[Problem]) -> None:
        """Note problems; of one key the first says it, others would follow from it."""
        for problem in problems:
            if not any(self._is_same(problem, known) for known in self._problems):
                self._problems.append(problem)

    def table(self, model: type[M], *path: str | int) -> M | None:
        """Return the table at a path, empty if it is not there; None when it is of no use."""
        data = self._at(path)
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.add(from_validation_error(error, self.document, path))
            wrong = [details["loc"] for details in error.errors() if details["type"] != "missing"]
        try:
            return model.model_validate(_without(data, wrong))
        except ValidationError:
            return None

    def array(self, model: type[M], name: str) -> dict[int, M]:
        """Return the tables of an array that are of use, by position. There has to be one."""
        found = self.document.data.get(name)
        if found is None or found == []:
            self.object_to((name,), "is missing")
            return {}
        if not isinstance(found, list):
            self.object_to((name,), f"must be written [[{name}]]")
            return {}
        read = {position: self.table(model, name, position) for position in range(len(found))}
        return {position: table for position, table in read.items() if table is not None}

    def no_others(self, names: Iterable[str]) -> None:
        """Note every key at the top of the file that is none of these."""
        for key in self.document.data.keys() - set(names):
            self.object_to((key,), "unknown key")

    def _at(self, path: KeyPath) -> Any:
        data: Any = self.document.data
        for part in path[:-1]:
            data = data[part]
        last = path[-1]
        return data.get(last, {}) if isinstance(data, dict) else data[last]

    def _is_same(self, problem: Problem, known: Problem) -> bool:
        if problem.file != self.document.name:
            return problem == known
        return (problem.file, problem.key) == (known.file, known.key)


def _without(data: Any, paths: Iterable[KeyPath]) -> Any:
    """Return data without the values at these paths, of which the first part is nearest."""
    if not isinstance(data, Mapping):
        return {}
    paths = [path for path in paths if path]
    gone = {path[0] for path in paths if len(path) == 1}
    inner = {path[0] for path in paths} - gone
    return {
        key: _without(value, [path[1:] for path in paths if path[0] == key])
        if key in inner
        else value
        for key, value in data.items()
        if key not in gone
    }
