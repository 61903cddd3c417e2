"""Files that a process may not use, also where the tests run as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder into which everybody may look, which no folder of pytest's is."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def without_rights() -> Iterator[None]:
    """Be somebody for whom the mode of a file counts."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def locked(folder: Path) -> Iterator[Path]:
    """Shut a folder to all, and be nobody who may enter it all the same."""
    folder.chmod(0)
    try:
        with without_rights():
            yield folder
    finally:
        folder.chmod(0o700)
