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
_DEADLOCK = 1213

_SERVER_WORDS = {
    1040: "too many connections",
    1044: "access to the database denied",
    1045: "access denied",
    1048: "a column can not be null",
    1049: "unknown database",
    1054: "unknown column",
    1142: "command denied",
    1143: "column denied",
    1146: "no such table",
    1153: "larger than max_allowed_packet",
    1205: "lock wait timeout",
    1213: "deadlock",
    1264: "out of range",
    1290: "read only",
    1292: "wrong value",
    1366: "wrong value",
    1406: "data too long",
    1698: "access denied",
    2003: "can not connect",
    2006: "server has gone away",
    2013: "lost connection",
    2026: "TLS",
}
"""What the error numbers of MySQL and MariaDB mean that a person may have to act on."""

_REFUSED = {1153, 1264, 1292, 1300, 1366, 1406}
"""Numbers that are about the rows, whatever class the driver gives them."""


class DuplicateKey(Exception):  # noqa: N818 - says what is the case
    """A row with one of the unique keys exists already."""


class Deadlock(StoreUnavailable):
    """The server took a transaction back so that another one could go on."""


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
        raise _failure(store, error) from None
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


def _failure(store: str, error: DBAPIError) -> StoreUnavailable | StoreRejected:
    number = _number(error)
    if number in _REFUSED:
        return StoreRejected(store, _name(error))
    kind = Deadlock if number == _DEADLOCK else StoreUnavailable
    return kind(store, _name(error))


def _name(error: DBAPIError) -> str:
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return str(name)
    number = _number(error)
    if number is None:
        return type(error.orig).__name__
    words = _SERVER_WORDS.get(number)
    return f"{number} {words}" if words else str(number)


def _number(error: DBAPIError) -> int | None:
    arguments = error.orig.args if error.orig else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
