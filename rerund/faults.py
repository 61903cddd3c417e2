"""A fault of ours in words that quote nothing: its text may hold a value or a name."""

import traceback


def type_of(error: Exception) -> str:
    """Tell an error by its type alone."""
    return type(error).__name__


def place_of(error: Exception) -> str:
    """Tell where a caught error was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.name}, line {last.lineno} of {last.filename}"
