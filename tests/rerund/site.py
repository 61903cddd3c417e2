"""A daemon of its own, the instruments that send to it, and what the command line says of it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner, Result

from rerund.cli.main import app
from rerund.journal.reader import JournalReader
from rerund.simulator import Playing
from rerund.simulator_line import simulate
from rerund.simulator_player import Played
from tests.faults.running import RunningDaemon, write_config

_UNSETTLED = ("entry_open", "entry_received", "payload_pending")


def rerund(*arguments: object, stdin: bytes | None = None) -> Result:
    """Run a command in this process; `exit_code`, `stdout` and `stderr` tell how it went."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


class Site:
    """A folder with a configuration, and the daemon that runs on it inside `async with`."""

    def __init__(
        self,
        folder: Path,
        *names: str,
        driver: str = "sysmex-xn",
        look_up_timeout: float = 30.0,
    ) -> None:
        self.folder = folder
        self.config = write_config(
            folder,
            names or ("42",),
            driver=driver,
            stop_timeout=1.0,
            look_up_timeout=look_up_timeout,
        )
        self.state_dir = folder / "state"
        self.daemon: RunningDaemon

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.daemon.kill()

    async def start(self) -> None:
        """Start the daemon, and wait until it is ready."""
        self.daemon = await RunningDaemon.start(self.config)
        await self.daemon.logs("ready")

    def says(self, *arguments: object) -> Any:
        """Run a command with --json beside the daemon; returns the document it prints."""
        return json.loads(self.ok(*arguments, "--json").stdout)

    def ok(self, *arguments: object) -> Result:
        """Run a command beside the daemon that must succeed."""
        done = rerund(*arguments, "-c", self.config)
        assert done.exit_code == 0, done.output
        return done

    def entries(self) -> list[dict[str, Any]]:
        """Return what `rerund journal list` tells, oldest entry first."""
        return list(reversed(self.says("journal", "list", "--limit", 0)))

    def payloads(self, sample: str) -> list[dict[str, Any]]:
        """Return what `rerund results` tells of a sample."""
        lines = self.ok("results", sample, "--json").stdout.splitlines()
        return [json.loads(line) for line in lines]

    async def sends(self, *messages: str | bytes, name: str = "42") -> Played:
        """Let an instrument send bare messages, those of records in a session each."""
        contents = [text.encode() if isinstance(text, str) else text for text in messages]
        return await simulate(f"127.0.0.1:{self.daemon.ports[name]}", contents, Playing())

    async def line(self, name: str = "42") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a line to the daemon."""
        return await asyncio.open_connection("127.0.0.1", self.daemon.ports[name])

    async def settled(self) -> None:
        """Wait until everything that arrived is decided and delivered."""
        with JournalReader(self.state_dir / "journal.db") as reader:
            await until(lambda: not any(reader.backlog()[name] for name in _UNSETTLED))


async def until(happened: Callable[[], object]) -> None:
    """Look again and again until `happened()`; the test's own timeout ends it."""
    while not happened():
        await asyncio.sleep(0.01)
