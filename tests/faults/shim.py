"""Processes whose disk has faults, switched on and off by files in a folder."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shim.c")


def compile_shim(folder: Path) -> Path:
    """Return the shim as a library, made with the system's C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make the disk faults with")
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


class FaultyDisk:
    """Starts Python programs under the shim."""

    def __init__(self, folder: Path) -> None:
        self.library = compile_shim(folder)
        self.faults = folder / "faults"
        self.faults.mkdir()

    def break_with(self, fault: str) -> None:
        """Switch a fault on; the names are in shim.c."""
        (self.faults / fault).touch()

    def mend(self, fault: str) -> None:
        """Switch a fault off."""
        (self.faults / fault).unlink()

    @property
    def environment(self) -> dict[str, str]:
        """What a program's environment has to say for the faults to reach it."""
        return {"LD_PRELOAD": str(self.library), "FAULTS": str(self.faults)}

    async def start(self, program: Path, *arguments: object) -> asyncio.subprocess.Process:
        """Start a program that talks over its standard input and output."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            program,
            *map(str, arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | self.environment,
        )
