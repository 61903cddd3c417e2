"""Many people and instruments at the same reports, through many daemons at once."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.faults.instruments import Instrument, RunValues, frames

CODES = ("WBC", "RBC", "HGB", "PLT")
"""Test codes of the instruments; the index of each in the report is its place here, from 1."""

PAUSE = 0.3
"""Seconds between two runs of an instrument, some ten times as busy as a real one."""

RETRIED = 0.2
"""How many of the answers are treated as lost: the client asks again with the same key."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a client asked of a report, and what it was answered."""

    report: int
    action: str
    asked: Any
    status: int
    body: Any


@dataclass
class Told:
    """Everything that was answered to the crowd, and what was wrong with it at once."""

    answers: list[Said] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sent: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class Client:
    """A person, or a program, at the HTTP interface of one daemon after the other."""

    def __init__(
        self, urls: Sequence[str], tokens: dict[str, str], reports: dict[int, str], told: Told
    ) -> None:
        self._urls = urls
        self._tokens = tokens
        self._reports = reports
        self._told = told

    async def work(self, seed: int, enough: asyncio.Event) -> None:
        """Look at reports and change them until it is `enough`."""
        rng = random.Random(seed)
        async with httpx.AsyncClient(timeout=60.0) as http:
            while not enough.is_set():
                await self._turn(http, rng)

    async def _turn(self, http: httpx.AsyncClient, rng: random.Random) -> None:
        report = rng.choice(sorted(self._reports))
        shown = await self._fetch(http, rng, report)
        action = rng.choice(("fetch", "fetch", "request", "confirm", "cancel", "auto-check", "new"))
        if action != "fetch" and shown is not None:
            await self._post(http, rng, report, action, _body(action, shown, self._reports, rng))

    async def _fetch(
        self, http: httpx.AsyncClient, rng: random.Random, report: int
    ) -> Report | None:
        answer = await http.get(
            f"{rng.choice(self._urls)}/sample-rerun/{report}", headers=self._with("technician")
        )
        if answer.status_code != 200:
            self._told.wrong.append(f"fetch of {report}: {answer.status_code} {answer.text}")
            return None
        shown: Report = answer.json()
        return shown

    async def _post(
        self, http: httpx.AsyncClient, rng: random.Random, report: int, action: str, body: Any
    ) -> None:
        headers = self._with("device" if action == "new" else "technician")
        headers["Idempotency-Key"] = secrets.token_hex(8)
        path = f"/sample-rerun/{report}/{action}"
        answer = await http.post(f"{rng.choice(self._urls)}{path}", json=body, headers=headers)
        said = Said(report, action, body, answer.status_code, answer.json())
        self._told.answers.append(said)
        if answer.status_code not in (200, 201, 409, 422):
            self._told.wrong.append(f"{action} of {report}: {answer.status_code} {answer.text}")
        elif rng.random() < RETRIED:
            again = await http.post(f"{rng.choice(self._urls)}{path}", json=body, headers=headers)
            if (again.status_code, again.json()) != (said.status, said.body):
                self._told.wrong.append(f"{action} of {report}: {said} and then {again.text}")

    def _with(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[role]}"}


def _body(action: str, shown: Report, samples: dict[int, str], rng: random.Random) -> Any:
    match action:
        case "request":
            indexes = rng.sample(range(1, len(CODES) + 1), rng.randint(1, 2))
            return {"type": "manual_rerun", "requested_parameters": sorted(indexes)}
        case "confirm":
            return {
                "version": shown["version"],
                "values": _choices(shown, rng),
                "close_open": rng.random() < 0.5,
            }
        case "cancel":
            return {"version": shown["version"], "reason": "changed my mind"}
        case "auto-check":
            return {"dry_run": rng.random() < 0.5}
    return _submission(shown, samples[shown["lab_report_id"]], rng)


def _choices(shown: Report, rng: random.Random) -> list[dict[str, int]]:
    usable = [value for value in shown["reruns"] if value["invalid_reason"] is None]
    chosen = {v["index"]: v["rerun_number"] for v in usable if rng.random() < 0.5}
    return [{"index": index, "rerun_number": number} for index, number in sorted(chosen.items())]


def _submission(shown: Report, sample: str, rng: random.Random) -> Any:
    active = shown["active"]
    number = active["rerun_number"] if active and rng.random() < 0.7 else -1
    indexes = active["requested_parameters"] if number > 0 else [rng.randint(1, len(CODES))]
    return {
        "lab_id": 1,
        "lab_report_id": shown["lab_report_id"],
        "sample_id": sample,
        "device_id": "poct",
        "device_name": "Bedside",
        "rerun_type": "machine_rerun" if number < 0 else "manual_rerun",
        "rerun_number": number,
        "device_data": [
            {
                "index": index,
                "value": _value(rng),
                "parameter_name": CODES[index - 1],
                "run_at": _now(),
            }
            for index in indexes
        ],
    }


async def measure(
    instrument: Instrument, samples: Sequence[str], told: Told, seed: int, enough: asyncio.Event
) -> None:
    """Let an instrument run samples, whole or in part and again and again, until `enough`."""
    rng = random.Random(seed)
    while not enough.is_set():
        sample = rng.choice(samples)
        codes = rng.sample(CODES, rng.randint(1, len(CODES)))
        at = _now()
        values: RunValues = {(code, at): _value(rng) for code in codes}
        await instrument.until_sent(frames(sample, values, rerun=rng.random() < 0.7))
        told.sent.update((sample, code, value) for (code, _), value in values.items())
        await asyncio.sleep(PAUSE)


def _value(rng: random.Random) -> str:
    """Return a value that nobody else sends: what was lost or doubled can be told by it."""
    return f"{rng.randint(1, 99)}.{rng.randrange(10**12):012d}"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
