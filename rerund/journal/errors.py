"""What can be wrong with the journal."""

import sqlite3
from pathlib import Path


class JournalError(Exception):
    """Base of what the journal raises or hands to a callback."""


class JournalFull(JournalError):  # noqa: N818 - says what is the case
    """The disk has no room: nothing was stored, and it may be tried again later."""

    def __str__(self) -> str:
        return "no room left on the disk of the journal"


class JournalFailed(JournalError):  # noqa: N818 - says what is the case
    """The disk failed a write or an fsync: this process can not commit any more."""

    def __init__(self, cause: str):
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return f"the journal can not commit: {self.cause}"


class JournalClosed(JournalError):  # noqa: N818 - says what is the case
    """The journal was closed before this could be committed."""

    def __str__(self) -> str:
        return "the journal is closed"


class JournalLockedError(JournalError):
    """Another daemon has the journal."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is in use by another daemon"


class JournalMissingError(JournalError):
    """There is no journal to read at a path."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} does not exist"


class JournalUnusableError(JournalError):
    """The file of a journal can not be opened by this process."""

    def __init__(self, path: Path, reason: str):
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} can not be opened: {self.reason}"


class JournalVersionError(JournalError):
    """A file that is no journal, or one that another version of rerund wrote."""

    def __init__(self, path: Path, expected: int, got: int | None):
        super().__init__(path, expected, got)
        self.path = path
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        if self.got is None:
            return f"{self.path} is not a journal of rerund"
        return (
            f"{self.path} has journal format {self.got}, this version of rerund reads"
            f" {self.expected}"
        )


def from_sqlite(error: sqlite3.OperationalError) -> JournalError:
    """Return what an error of SQLite means for the journal, without its text."""
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
        return JournalFull()
    return JournalFailed(error.sqlite_errorname)
