"""Answers of the rerun service, taken apart for printing."""

from collections.abc import Mapping

Object = Mapping[str, object]


def listed(value: object) -> list[object]:
    """A list of an answer."""
    return value if isinstance(value, list) else []


def objects(value: object) -> list[Object]:
    """The objects in a list of an answer."""
    return [entry for entry in listed(value) if isinstance(entry, dict)]


def words(values: object) -> str:
    """A list of an answer as a person reads it."""
    return ", ".join(map(str, listed(values))) or "none"
