"""Why a file can not be used, said so that whoever reads it knows what to do.

SQLite only says that it can not: not which folder or file is in the way, nor for whom.
"""

import grp
import os
import pwd
from pathlib import Path


def hindrance(path: Path, *, write: bool = False) -> str:
    """Return what keeps this process from reading, or writing, a file of SQLite; '' for nothing.

    One that is not there yet can be made when its folder takes it.
    """
    path = path.absolute()
    for folder in reversed(path.parents):
        if not folder.exists():  # asked of one after the other: none below a closed one
            return f"{folder} does not exist"
        if not _may(folder, os.X_OK):
            return _refused(folder, "enter")
    if path.is_dir():
        return f"{path} is a folder"
    for file in filter(Path.exists, _files(path)):
        if not _may(file, os.R_OK):
            return _refused(file, "read")
        if write and not _may(file, os.W_OK):
            return _refused(file, "write")
    if (write or not path.exists()) and not _may(path.parent, os.W_OK):
        return _refused(path.parent, "write in")
    return ""


def _files(path: Path) -> list[Path]:
    """The files of a database in WAL mode."""
    return [path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))]


def ownership(path: Path) -> str:
    """Return whose a file is and who may use it: `root:rerund, mode 0640`."""
    found = path.stat()
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return f"{_name(found.st_uid)}:{group}, mode {found.st_mode & 0o7777:04o}"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _refused(path: Path, what: str) -> str:
    found = path.stat()
    owner, own = _name(found.st_uid), _name(os.geteuid())
    mode = f"mode {found.st_mode & 0o7777:04o}"
    if owner == own:
        return f"no permission to {what} {path}, {mode}"
    return (
        f"user {own} has no permission to {what} {path}, which belongs to {owner}, {mode}:"
        f" run this as {owner} (sudo -u {owner})"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
