"""Several daemons on one set of stores, each with instruments and an HTTP interface of its own."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
from tests.faults.checks import all_delivered
from tests.faults.crowd import CODES, Client, Told, measure
from tests.faults.crowd_checks import problems
from tests.faults.instruments import Instrument
from tests.faults.running import RunningDaemon, write_config
from tests.rerund.http.office import Holders
from tests.rerund.site import rerund
from tests.servers.databases import config_of

INSTRUMENTS = 2
"""How many instruments each daemon has."""

FORMAT = """
[[format]]
id = 1
name = "CBC"
parameter = [
{parameters}
]
"""
PARAMETER = (
    '  {{ index = {index}, name = "{code}", auto_rerun = "custom",'
    ' auto_rerun_custom = {{ upper = "80" }} }},'
)
DEVICE = """
[[device]]
id = "{name}"
name = "XN-1000 {name}"
mapping = [
{mappings}
]
"""
REPORT = """
[[report]]
id = {number}
sample = "{sample}"
format = 1
"""


@dataclass(frozen=True)
class Crowd:
    """How many of each, and for how many seconds."""

    daemons: int
    clients: int
    reports: int
    seconds: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What the crowd did, and what is `wrong` after it."""

    changes: int
    refused: int
    values: int
    seconds: float
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"{self.changes} changes and {self.refused} refusals answered, {self.values} values"
            f" acknowledged, {self.seconds:.0f} s: {len(self.wrong) or 'nothing'} wrong"
        )


async def let_loose(folder: Path, settings: StoreSettings, crowd: Crowd) -> Outcome:
    """Let a crowd work on empty stores, wait until all of it is there, and look at it."""
    started = time.monotonic()
    holders = Holders(folder / "tokens.toml")
    names = [[f"D{daemon}-{n}" for n in range(INSTRUMENTS)] for daemon in range(crowd.daemons)]
    configs = [_config(folder / str(n), own, settings, holders) for n, own in enumerate(names)]
    reports = {1000 + n: f"S{n:04d}" for n in range(crowd.reports)}
    _load(folder, configs[0], [*itertools.chain(*names)], reports)
    told = Told()
    async with AsyncExitStack() as stack:
        daemons = [await RunningDaemon.start(config) for config in configs]
        for daemon in daemons:
            stack.push_async_callback(daemon.kill)
        urls = [await _ready(daemon) for daemon in daemons]
        await _work(crowd, daemons, urls, holders, reports, told)
        for config in configs:
            await all_delivered(config.parent / "state")
        codes = [await daemon.terminate() for daemon in daemons]
    told.wrong += [f"a daemon ended with {code}" for code in codes if code]
    told.wrong += [f"a daemon said {line}" for one in daemons for line in one.log if _is_bad(line)]
    with open_stores(settings) as opened:
        wrong = problems(opened.stores, reports, told)
    return Outcome(
        sum(one.status < 300 for one in told.answers),
        sum(one.status == 409 for one in told.answers),
        told.sent.total(),
        time.monotonic() - started,
        wrong,
    )


def _config(folder: Path, names: Sequence[str], settings: StoreSettings, holders: Holders) -> Path:
    folder.mkdir()
    (folder / "state").mkdir()
    path = write_config(folder, names)
    http = f'[http]\nlisten = "127.0.0.1:0"\ntokens_file = "{holders.path}"\n'
    path.write_text(f"{path.read_text()}\n{config_of(settings)}\n{http}")
    return path


def _load(folder: Path, config: Path, names: Sequence[str], reports: dict[int, str]) -> None:
    numbered = list(enumerate(CODES, 1))
    parameters = "\n".join(PARAMETER.format(index=index, code=code) for index, code in numbered)
    mappings = "\n".join(
        f'  {{ test_code = "{code}", format = 1, index = {index} }},' for index, code in numbered
    )
    text = FORMAT.format(parameters=parameters)
    text += "".join(DEVICE.format(name=name, mappings=mappings) for name in names)
    text += "".join(REPORT.format(number=n, sample=sample) for n, sample in reports.items())
    path = folder / "lab.toml"
    path.write_text(text)
    loaded = rerund("lab", "load", path, "-c", config)
    assert loaded.exit_code == 0, loaded.output


def _is_bad(line: dict[str, Any]) -> bool:
    """Whether a daemon was kept from its stores, which are there all the time, or has failed."""
    return line["event"] in (
        "store_unavailable",
        "http_failed",
        "registrar_failed",
    )


async def _ready(daemon: RunningDaemon) -> str:
    await daemon.logs("ready")
    line = await daemon.logs("http_listening")
    return f"http://127.0.0.1:{line['port']}"


async def _work(
    crowd: Crowd,
    daemons: Sequence[RunningDaemon],
    urls: Sequence[str],
    holders: Holders,
    reports: dict[int, str],
    told: Told,
) -> None:
    client = Client(urls, holders.secrets, reports, told)
    seeds = itertools.count(crowd.seed)
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for daemon in daemons:
            for name, port in daemon.ports.items():
                instrument = Instrument(name)
                instrument.dial(port)
                samples = list(reports.values())
                group.create_task(measure(instrument, samples, told, next(seeds), enough))
        for _ in range(crowd.clients):
            group.create_task(client.work(next(seeds), enough))
        await asyncio.sleep(crowd.seconds)
        enough.set()
