"""A process of the daemon's own, kept alive: what it does delays no ACK.

It is started as `python -P -m MODULE DESCRIPTOR`, greeted over that line, and ends when the
line is closed, however the daemon ends. One that dies, or can not even be started, is tried
again for ever.
"""

import asyncio
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress

import structlog

from rerund.child_line import LENGTH_BYTES, UNUSABLE

log = structlog.get_logger(__name__)

FIRST_RESTART, LAST_RESTART = 0.5, 30.0
"""Seconds before a process that died is started again."""

Hear = Callable[[bytes, asyncio.StreamWriter], None]
"""Takes the body of a message, and the line of the process that sent it."""


def _deaf(body: bytes, asker: asyncio.StreamWriter) -> None:
    del body, asker


class Child:
    """Runs a module in a process of its own. `name` is the first word of what is logged."""

    def __init__(
        self, name: str, module: str, greet: Callable[[], bytes], hear: Hear = _deaf
    ) -> None:
        self.on_unusable: Callable[[], None] = lambda: None
        self._name = name
        self._module = module
        self._greet = greet
        self._hear = hear
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the process, and start it again whenever it ends."""
        self._task = asyncio.create_task(self._keep_alive())

    def send(self, message: bytes) -> None:
        """Send a packed message; nobody hears it between two processes."""
        if self._writer is not None:
            self._writer.write(message)

    async def stop(self) -> None:
        """Close the line and wait for the end. Cancel it to end the process at once."""
        assert self._task is not None
        self._stopping = True
        if self._writer is None:  # it is between two processes
            self._task.cancel()
        else:
            self._writer.close()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _keep_alive(self) -> None:
        pause = FIRST_RESTART
        while True:
            loop = asyncio.get_running_loop()
            started = loop.time()
            how = await self._run_to_end()
            if self._stopping:
                return
            if how.get("exit_code") == UNUSABLE:
                self.on_unusable()
                return
            if loop.time() - started > LAST_RESTART:
                pause = FIRST_RESTART
            log.error(f"{self._name}_died", alert=True, restart_seconds=pause, **how)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RESTART)

    async def _run_to_end(self) -> dict[str, object]:
        """Run one process, whatever happens; returns how it ended."""
        try:
            return {"exit_code": await self._run()}
        except Exception as error:  # noqa: BLE001 - no fault may end the trying
            return {"error": type(error).__name__}

    async def _run(self) -> int:
        """Run one process to its end; returns its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = await _spawn(self._module, theirs)
            except BaseException:
                writer.close()
                raise
        self._writer = writer
        try:
            self.send(self._greet())
            await self._listen(reader, writer)
            self._writer = None  # nobody hears it while it ends
            return await process.wait()
        except BaseException:
            _kill(process)
            raise
        finally:
            writer.close()
            self._writer = None

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                self._hear(await reader.readexactly(length), writer)


async def _spawn(module: str, theirs: socket.socket) -> Process:
    descriptor = theirs.fileno()
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # nothing of the folder that the daemon happens to be in
        "-m",
        module,
        str(descriptor),
        pass_fds=(descriptor,),
    )


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
