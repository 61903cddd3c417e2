"""Room set aside on the disk, given back when the disk is full.

SQLite needs room even to delete or to checkpoint, so a full disk without a reserve could
not take the decisions on what was acknowledged before. The reserve is also the probe: the
disk has room again when it fits again.
"""

import errno
import os
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """A file of `size` bytes that only takes up room."""

    def __init__(self, path: Path, size: int):
        self._path = path
        self._size = size

    def restore(self) -> bool:
        """Make the file whole; False when there is no room for it."""
        fd = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            os.ftruncate(fd, 0)
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)


def has_no_room(folder: Path) -> bool:
    """Write a page to a new file and say whether the disk or a quota refused it."""
    probe = folder / ".journal-probe"
    try:
        probe.write_bytes(bytes(4096))
    except OSError as error:
        return error.errno in NO_ROOM
    finally:
        probe.unlink(missing_ok=True)
    return False
