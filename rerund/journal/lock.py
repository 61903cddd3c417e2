"""One daemon per journal: an advisory lock on a file beside it.

Not on the journal itself: closing any descriptor of that file in this process would drop
the locks that SQLite holds on it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rerund.hindrance import hindrance
from rerund.journal.errors import (
    JournalLockedError,
    JournalMissingError,
    JournalUnusableError,
)


class JournalLock:
    """The right to run a journal, until released or until the process ends.

    Raises JournalLockedError, JournalMissingError when there is no folder to put it in, and
    JournalUnusableError when it can not be put there.
    """

    def __init__(self, journal: Path):
        path = journal.with_suffix(".lock")
        try:
            self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise JournalMissingError(journal.parent) from None
        except OSError as error:
            raise _unusable(journal, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise JournalLockedError(journal) from None

    def release(self) -> None:
        """Let another one have it."""
        os.close(self._fd)


@contextmanager
def delivering(journal: Path) -> Iterator[None]:
    """Wait for, and have, the payloads to oneself: to deliver them, or to make them anew.

    Else a payload that is on its way to the stores could be replaced, and its successor
    marked as delivered. Raises JournalMissingError, JournalUnusableError.
    """
    try:
        if not journal.exists():
            raise JournalMissingError(journal)
        path = journal.with_suffix(".delivery")
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(journal, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _unusable(journal: Path, error: OSError) -> JournalUnusableError:
    return JournalUnusableError(journal, hindrance(journal, write=True) or str(error.strerror))
