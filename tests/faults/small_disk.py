"""A file system of a few megabytes, in a mount namespace of its own."""

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

_WAYS = (("-m",), ("-U", "-r", "-m"))
"""Options of unshare(1): as root, and as a user where user namespaces are allowed."""


class SmallDisk:
    """What is mounted at `path` for the programs started `inside`."""

    def __init__(self, path: Path, holder: Process, way: tuple[str, ...]) -> None:
        enter = ("--user", "--preserve-credentials") if "-U" in way else ()
        self.path = path
        self.inside = ("nsenter", "--target", str(holder.pid), "--mount", *enter)
        self.from_outside = Path(f"/proc/{holder.pid}/root{path}")
        self._filler = self.from_outside / "filler"

    def fill(self) -> None:
        """Take all the room."""
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@asynccontextmanager
async def small_disk(path: Path, megabytes: int) -> AsyncIterator[SmallDisk]:
    """Mount a file system at `path`; skips where that is not allowed."""
    path.mkdir()
    for way in _WAYS:
        holder = await _hold(path, megabytes, way)
        assert holder.stdin is not None
        assert holder.stdout is not None
        if await holder.stdout.readline():
            try:
                yield SmallDisk(path, holder, way)
            finally:
                holder.stdin.close()
                await holder.wait()
            return
        await holder.wait()
    pytest.skip(f"no permission to mount a small file system (user {os.geteuid()})")


async def _hold(path: Path, megabytes: int, way: tuple[str, ...]) -> Process:
    """Start a process that says that it has mounted, and ends with its input."""
    script = 'mount -t tmpfs -o "size=$2m" none "$1" && echo mounted && read -r end'
    return await asyncio.create_subprocess_exec(
        *("unshare", *way, "sh", "-c", script, "sh", str(path), str(megabytes)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
    )
