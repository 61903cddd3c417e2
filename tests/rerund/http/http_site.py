"""A real daemon with `[http]`, and clients that call it over the network."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import httpx

from tests.faults.running import RunningDaemon
from tests.rerund.http.office import Holders
from tests.rerund.site import Site, until

LAB = """
[[format]]
id = 1
name = "CBC"
parameter = [
  { index = 1, name = "WBC", units = "10*3/uL", manual_rerun = true },
  { index = 2, name = "RBC", units = "10*6/uL", manual_rerun = true },
  { index = 6, name = "PLT", units = "10*3/uL", manual_rerun = true },
]
[[device]]
id = "42"
name = "Sysmex XN-1000"
mapping = [
  { test_code = "WBC", format = 1, index = 1 },
  { test_code = "RBC", format = 1, index = 2 },
  { test_code = "PLT", format = 1, index = 6 },
]
[[report]]
id = 1001
sample = "S001"
format = 1
"""


class HttpSite(Site):
    """A daemon that serves HTTP on a port of its own, and the holders of its tokens."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder)
        self.holders = Holders(folder / "tokens.toml")
        lines = [f'{key} = "{value}"' for key, value in settings.items()]
        listen = [] if "listen" in settings else ['listen = "127.0.0.1:0"']
        tokens = f'tokens_file = "{self.holders.path}"'
        table = "\n".join(["[http]", tokens, *listen, *lines])
        self.config.write_text(f"{self.config.read_text()}\n{table}\n")
        self.verify: ssl.SSLContext | bool = True

    def load(self, text: str = LAB) -> None:
        """Load the lab's formats and reports beside the daemon."""
        path = self.folder / "lab.toml"
        path.write_text(text)
        self.ok("lab", "load", path)

    async def listening(self, times: int = 1) -> None:
        """Wait until the HTTP process listens, for the nth time."""
        await until(lambda: len(self.told("http_listening")) >= times)

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return every line of an event so far."""
        return [line for line in self.daemon.log if line["event"] == event]

    @property
    def port(self) -> int:
        """The port that it listens on now."""
        return int(self.told("http_listening")[-1]["port"])

    def client(self, who: str | None, **how: Any) -> httpx.AsyncClient:
        """Return a client of somebody; its addresses follow /sample-rerun."""
        scheme = "http" if self.verify is True else "https"
        headers = {"Authorization": f"Bearer {self.holders.secrets[who]}"} if who else {}
        return httpx.AsyncClient(
            base_url=f"{scheme}://127.0.0.1:{self.port}/sample-rerun",
            headers=headers,
            verify=self.verify,
            timeout=60,
            **how,
        )

    async def call(self, who: str | None, method: str, path: str, body: Any = None) -> Any:
        """Call an endpoint over a connection of its own."""
        async with self.client(who) as client:
            return await client.request(method, path, json=body)

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and send bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer


def processes_of(daemon: RunningDaemon, module: str) -> list[int]:
    """Return the pids of a daemon's processes that run a module."""
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in map(int, children) if module in _command(child)]


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def is_running(pid: int) -> bool:
    """Whether there is such a process, one that has ended and nobody asked for apart."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
