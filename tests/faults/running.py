"""A daemon in a process of its own, as its log tells about it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

CONFIG = """
[daemon]
state_dir = "{state_dir}"
timezone = "UTC"
log_format = "json"
stop_timeout = {stop_timeout}
[journal]
ballast_megabytes = 1
[orders]
look_up_timeout = {look_up_timeout}
"""
INSTRUMENT = """
[[instrument]]
id = "{name}"
name = "XN-1000 {name}"
driver = "{driver}"
link = "listen://127.0.0.1:0"
"""


def write_config(
    folder: Path,
    names: Iterable[str],
    *,
    driver: str = "sysmex-xn",
    state_dir: Path | None = None,
    stop_timeout: float = 10.0,
    look_up_timeout: float = 30.0,
) -> Path:
    """Write a configuration with instruments of these names; returns its path."""
    path = folder / "rerund.toml"
    text = CONFIG.format(
        state_dir=state_dir or folder / "state",
        stop_timeout=stop_timeout,
        look_up_timeout=look_up_timeout,
    )
    path.write_text(text + "".join(INSTRUMENT.format(name=name, driver=driver) for name in names))
    return path


class RunningDaemon:
    """`rerund run` and what it has logged so far. Use `start`."""

    def __init__(self, process: Process, on_port: Callable[[str, int], None]) -> None:
        self.process = process
        self.ports: dict[str, int] = {}
        self.log: list[dict[str, Any]] = []
        self._on_port = on_port
        self._more = asyncio.Condition()
        self._is_over = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls,
        config: Path,
        *,
        inside: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        on_port: Callable[[str, int], None] = lambda name, port: None,
    ) -> Self:
        """Start a daemon, `inside` the command of that prefix.

        `on_port` hears each instrument's name and port.
        """
        command = (*inside, sys.executable, "-m", "rerund", "run", "-c", str(config))
        process = await asyncio.create_subprocess_exec(
            *command, stderr=PIPE, env=os.environ | dict(environment or {})
        )
        return cls(process, on_port)

    async def logs(self, event: str) -> dict[str, Any]:
        """Wait for an event; returns its first line. Raises EOFError when it will not come."""
        async with self._more:
            await self._more.wait_for(lambda: self._find(event) or self._is_over)
        line = self._find(event)
        if line is None:
            raise EOFError(f"the daemon ended without {event}; it said {self.log[-5:]}")
        return line

    async def kill(self) -> None:
        """End it at once, as a power failure would."""
        if self.process.returncode is None:
            # One that a test has stopped would never see that its daemon is gone.
            with suppress(OSError):
                self.signal_registrar(signal.SIGCONT)
            self.process.kill()
        await self.ended()

    def signal_registrar(self, number: int) -> None:
        """Send a signal to the process of the daemon that talks to the stores."""
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if b"rerund.registrar_process" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), number)

    async def terminate(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; returns its exit code."""
        code = await self.process.wait()
        await self._listening
        return code

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log if line["event"] == event), None)

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        async for text in self.process.stderr:
            line = json.loads(text)
            if line["event"] == "listening":
                self.ports[line["instrument"]] = line["port"]
                self._on_port(line["instrument"], line["port"])
            async with self._more:
                self.log.append(line)
                self._more.notify_all()
        async with self._more:
            self._is_over = True
            self._more.notify_all()
