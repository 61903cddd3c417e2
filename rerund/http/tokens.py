"""Bearer tokens: who may do what, from a file that holds hashes only.

A token is 256 random bits, so its plain SHA-256 can neither be guessed nor looked up, and
finding a token by its hash compares nothing that a clock could measure.
"""

import datetime as dt
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import time
from types import MappingProxyType
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from drivers.tomlfile import Problem, TomlError, TomlFile, from_validation_error

log = structlog.get_logger(__name__)

Role = Literal["viewer", "device", "technician"]


def _with_zone(at: dt.datetime | dt.date) -> dt.datetime | dt.date:
    if isinstance(at, dt.datetime) and at.tzinfo is None:
        raise ValueError("needs a time zone, as 2027-01-31T12:00:00Z, or be a date alone")
    return at


class Token(BaseModel):
    """One `[[token]]`: what is known of it. A date alone counts to its end (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    lab_id: int = Field(ge=1, lt=2**31)
    user_id: int = Field(ge=0, lt=2**31)
    role: Role
    expires_at: Annotated[dt.datetime | dt.date, AfterValidator(_with_zone)] | None = None

    def is_expired(self, now: float) -> bool:
        """Whether it is no longer good at `now` (Unix seconds)."""
        at = self.expires_at
        if at is None:
            return False
        if not isinstance(at, dt.datetime):
            return dt.datetime.fromtimestamp(now, dt.UTC).date() > at
        return now >= at.timestamp()


class TokenFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: tuple[Token, ...] = ()


def hashed(secret: str) -> str:
    """Return the hash of a token as it stands in the file."""
    return sha256(secret.encode()).hexdigest()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read a token file. Raises TomlError with every problem of it."""
    return parse_tokens(TomlFile.read(path))


def parse_tokens(document: TomlFile) -> tuple[Token, ...]:
    """Return the tokens of a document. Raises TomlError with every problem of it."""
    try:
        tokens = TokenFile.model_validate(document.data).token
    except ValidationError as error:
        raise TomlError(from_validation_error(error, document)) from None
    problems = []
    for key in ("name", "sha256"):
        problems += _twice(key, [getattr(token, key) for token in tokens], document)
    if problems:
        raise TomlError(problems)
    return tokens


def _twice(key: str, values: list[str], document: TomlFile) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for position, value in enumerate(values):
        if value in seen:
            problems.append(document.problem(("token", position, key), "is there twice"))
        seen.add(value)
    return problems


def exposed(mode: int) -> str | None:
    """Say what others than owner and group may do with a file of this mode, if anything."""
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others can write it"
    return "everybody can read it" if mode & stat.S_IROTH else None


@dataclass(frozen=True)
class _Seen:
    """What tells one state of a file from another; None when it is not there."""

    inode: int
    size: int
    changed: tuple[int, int]
    mode: int


class Tokens:
    """The tokens of a file, read again when it changes; a broken file changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._by_hash: Mapping[str, Token] = MappingProxyType({})
        self._load(self._look())

    def find(self, secret: str) -> Token | None:
        """Return the token that a caller presented, expired or not; None for an unknown one."""
        seen = self._look()
        if seen != self._seen:
            with self._lock:
                if seen != self._seen:
                    self._load(seen)
        return self._by_hash.get(hashed(secret))

    def _look(self) -> _Seen | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        changed = (found.st_mtime_ns, found.st_ctime_ns)
        return _Seen(found.st_ino, found.st_size, changed, found.st_mode)

    def _load(self, seen: _Seen | None) -> None:
        self._seen = seen
        try:
            tokens = read_tokens(self._path)
        except TomlError as error:
            problems = [f"{problem.line}: {problem.key}" for problem in error.problems]
            log.error("tokens_unusable", alert=True, path=str(self._path), problems=problems)  # noqa: TRY400
            return
        self._by_hash = MappingProxyType({token.sha256: token for token in tokens})
        expired = [token.name for token in tokens if token.is_expired(time())]
        log.info("tokens_read", tokens=len(tokens), expired=expired)
        what = seen and exposed(seen.mode)
        if what:
            log.warning("tokens_exposed", alert=True, path=str(self._path), what=what)
