"""Errors of the database driver in the words of the ports.

A driver's own text may quote the rows it refused, so only its error names are passed on,
and the original error is cut off: neither a log nor a traceback shows a patient.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    StatementError,
    TimeoutError,  # noqa: A004 - SQLAlchemy's word
)

from rerund.stores.ports import StoreRejected, StoreUnavailable

_DUPLICATES = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_DUPLICATE_ENTRY = 1062
"""The error number of a duplicate key on MySQL and MariaDB."""


class DuplicateKey(Exception):  # noqa: N818 - says what is the case
    """A row with one of the unique keys exists already."""


@contextmanager
def translated(store: str) -> Iterator[None]:
    """Raise StoreUnavailable, StoreRejected or DuplicateKey for what the driver raised."""
    try:
        yield
    except IntegrityError as error:
        if _is_duplicate(error):
            raise DuplicateKey from None
        raise StoreRejected(store, _name(error)) from None
    except DataError as error:
        raise StoreRejected(store, _name(error)) from None
    except DBAPIError as error:
        raise StoreUnavailable(store, _name(error)) from None
    except StatementError as error:
        # A value that does not fit its column was met before anything was sent.
        raise StoreRejected(store, type(error.orig).__name__) from None
    except TimeoutError as error:  # no connection of the pool became free
        raise StoreUnavailable(store, type(error).__name__) from None
    except sqlite3.Error as error:  # from a connection that is not SQLAlchemy's
        raise StoreUnavailable(store, error.sqlite_errorname) from None
    except (OverflowError, ValueError) as error:  # a value that does not fit its column
        raise StoreRejected(store, type(error).__name__) from None


def _is_duplicate(error: IntegrityError) -> bool:
    return _name(error) in _DUPLICATES or _number(error) == _DUPLICATE_ENTRY


def _name(error: DBAPIError) -> str:
    name = getattr(error.orig, "sqlite_errorname", None)
    return str(name or _number(error) or type(error.orig).__name__)


def _number(error: DBAPIError) -> int | None:
    arguments = error.orig.args if error.orig else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
