"""Adding tokens to their file and taking them out, comments and order left alone."""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.tomlfile import TomlFile
from rerund.http.tokens import Token, parse_tokens

SECRET_BYTES = 32

NEW_MODE = 0o640
"""Of a new file: its group may be the daemon's."""


def new_secret() -> str:
    """Return a token: 256 random bits as text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def add(path: Path, token: Token) -> bool:
    """Append a token to a file, made when there is none; False when the name is taken.

    Raises TomlError for a file that is wrong already, OSError when it can not be written.
    """

    def append(text: str) -> str | None:
        if any(known.name == token.name for known in _tokens(text, path)):
            return None
        gap = "\n" if text and not text.endswith("\n\n") else ""
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{gap}{_block(token)}"

    return _edit(path, append)


def revoke(path: Path, name: str) -> bool:
    """Take a token out of a file; False when there is none of that name.

    Raises TomlError and OSError as `add` does.
    """

    def remove(text: str) -> str | None:
        names = [token.name for token in _tokens(text, path)]
        if name not in names:
            return None
        return _without(text, names.index(name), TomlFile.parse(text, str(path)))

    return _edit(path, remove)


def _tokens(text: str, path: Path) -> tuple[Token, ...]:
    return parse_tokens(TomlFile.parse(text, str(path)))


def _block(token: Token) -> str:
    lines = [
        "[[token]]",
        f'name = "{token.name}"',
        f'sha256 = "{token.sha256}"',
        f"lab_id = {token.lab_id}",
        f"user_id = {token.user_id}",
        f'role = "{token.role}"',
    ]
    if token.expires_at is not None:
        lines.append(f"expires_at = {token.expires_at.isoformat()}")
    return "\n".join(lines) + "\n"


def _without(text: str, position: int, document: TomlFile) -> str:
    """Cut one `[[token]]` out; comments right above the next one belong to that."""
    lines = text.splitlines(keepends=True)
    first = document.line(("token", position)) - 1
    last = document.lines.get(("token", position + 1), len(lines) + 1) - 1
    while last < len(lines) and last > first + 1 and not _is_content(lines[last - 1]):
        last -= 1
    return "".join(lines[:first] + lines[last:]).lstrip("\n")


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _edit(path: Path, change: Callable[[str], str | None]) -> bool:
    with _locked(path.parent):
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = change(old)
        if new is not None:
            _replace(path, new)
    return new is not None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one editor at a time work in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of another in one step, with the owner and mode of that one."""
    before = path.stat() if path.exists() else None
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, NEW_MODE if before is None else before.st_mode & 0o7777)
            owner = path.parent.stat() if before is None else before
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()) and not os.geteuid():
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
