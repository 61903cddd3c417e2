"""A lab as it works: a daemon with three analyzers, its stores on servers, and its people."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rerund.journal.reader import JournalReader
from rerund.rerun.records import ActivityRow, LedgerRow, WaitingRow
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
from rerund.waiting_list import unpack_row
from tests.faults.running import write_config
from tests.rerund.http.http_site import HttpSite
from tests.rerund.site import until
from tests.servers.databases import config_of

LAB_ID = 1
FORMAT = """
[[format]]
id = 1
name = "CBC"
parameter = [
  { index = 1, name = "WBC", units = "10*3/uL", ranges = [{ critical_upper = "30" }], RULE },
  { index = 2, name = "RBC", units = "10*6/uL" },
  { index = 3, name = "HGB", units = "g/dL" },
  { index = 4, name = "PLT", units = "10*3/uL", ranges = [{ critical_lower = "20" }], RULE },
]
"""
DEVICE = """
[[device]]
id = "{device}"
name = "XN-1000 {device}"
mapping = [
  {{ test_code = "WBC", format = 1, index = 1, order_code = "CBC" }},
  {{ test_code = "RBC", format = 1, index = 2, order_code = "CBC" }},
  {{ test_code = "HGB", format = 1, index = 3, order_code = "CBC" }},
  {{ test_code = "PLT", format = 1, index = 4, order_code = "CBC" }},
]
"""
CORRECTING = """
[[instrument]]
id = "corrector"
name = "Analyzer"
driver = "generic-astm"
link = "listen://127.0.0.1:0"
"""

Values = dict[str, str]
"""Value by test code; one with a space says its unit after it."""


class Hospital(HttpSite):
    """`42` and `43` are XN-1000, `corrector` says corrections as LIS02-A2 does (R.9=C)."""

    def __init__(self, folder: Path, settings: StoreSettings) -> None:
        super().__init__(folder)
        self._http = self.config.read_text().partition("[http]")[2]
        write_config(folder, ["42", "43"], stop_timeout=1.0)
        stores = config_of(settings)
        with self.config.open("a") as file:
            file.write(f"{CORRECTING}\n{stores}\n[http]{self._http}")
        self.settings = settings
        self.now = datetime.now(UTC).replace(microsecond=0)

    def open_lab(self) -> None:
        """Load the format and the instruments."""
        devices = "".join(DEVICE.format(device=one) for one in ("42", "43", "corrector"))
        self.load(FORMAT.replace("RULE", 'auto_rerun = "critical"') + devices)

    def register(
        self, report: int, sample: str = "S001", *, ago: float = 0.0, patient_id: str | None = None
    ) -> None:
        """Order a blood count for a sample, `ago` minutes before the test began."""
        at = f"{self.now - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}"
        known = ("--patient-id", patient_id) if patient_id else ()
        order = ("--format", 1, "--report", report, "--registered-at", at, *known)
        self.ok("order", "add", sample, *order)

    async def measures(
        self,
        values: Values,
        *,
        on: str = "42",
        sample: str = "S001",
        ago: float = 0.0,
        mark: str = "",
        status: str = "F",
    ) -> None:
        """Let an analyzer send a run made `ago` minutes before the test began, and wait for it.

        `mark` is A for a rerun by the instrument (O.12).
        """
        at = self.now - timedelta(minutes=ago)
        records = [
            r"H|\^&|||    XN-1000^00-24^11111^^^^AB123456||||||||E1394-97",
            "P|1",
            f"O|1||^^{sample:>22}^B||||||||{mark or 'N'}||||||||||||||{'I' if mark else 'F'}",
        ]
        if on == "corrector":
            records = [r"H|\^&|||Analyzer|||||||P|1", "P|1", f"O|1|{sample}||||||||||N"]
        for position, (code, said) in enumerate(values.items(), 1):
            value, _, units = said.partition(" ")
            name = f"^^^^{code}^1" if on != "corrector" else f"^^^{code}"
            records.append(f"R|{position}|{name}|{value}|{units}||N||{status}||||{at:%Y%m%d%H%M%S}")
        played = await self.sends("\n".join([*records, "L|1|N\n"]), name=on)
        assert played.accepted
        await self.settled()

    async def asks(self, action: str, body: Any, report: int = 1001) -> Any:
        """Let a technician do something over HTTP; answers the body of a 2xx."""
        answer = await self.call("technician", "POST", f"/{report}/{action}", body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def refuses(self, action: str, body: Any, report: int = 1001) -> tuple[int, str]:
        """Let a technician try something over HTTP; answers status and code."""
        answer = await self.call("technician", "POST", f"/{report}/{action}", body)
        return answer.status_code, answer.json()["error"]["code"]

    async def requests(self, *indexes: int, report: int = 1001, **more: Any) -> Any:
        """Request a rerun, and wait until the daemon's instruments know of it."""
        body = {"type": "manual_rerun", "requested_parameters": list(indexes), **more}
        asked = await self.asks("request", body, report)
        await self.knows(report, asked["rerun_number"])
        return asked

    async def knows(self, report: int, number: int) -> None:
        """Wait until the daemon's copy of the waiting list has a rerun."""
        await until(lambda: (report, number) in self.copied())

    async def shows(self, report: int = 1001) -> Any:
        """Fetch a report."""
        answer = await self.call("viewer", "GET", f"/{report}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def flag(self, report: int = 1001) -> int:
        """Fetch a report's `sampleRedrawFlag`."""
        return int((await self.shows(report))["sampleRedrawFlag"])

    async def until_shown(self, report: int) -> None:
        """Wait until a report that was ordered late shows what was measured before."""
        while not (await self.shows(report))["originals"]:
            await asyncio.sleep(0.01)

    def log(self, report: int = 1001) -> list[ActivityRow]:
        """Read the activity log of a report."""
        with open_stores(self.settings) as opened:
            return opened.stores.reports.activity(LAB_ID, report)

    def codes(self, report: int = 1001) -> list[int]:
        """Read the codes of a report's activity log."""
        return [line.code for line in self.log(report)]

    def waiting(self, report: int = 1001) -> list[WaitingRow]:
        """Read the reruns of a report in the waiting list."""
        with open_stores(self.settings) as opened:
            rows = opened.stores.reports.waiting_rows(LAB_ID, [report])
        return [row for row in rows if row.rerun_number]

    def ledger(self, sample: str = "S001") -> list[LedgerRow]:
        """Read everything that was ever measured of a sample."""
        with open_stores(self.settings) as opened:
            return opened.stores.reports.ledger_of_samples(LAB_ID, [sample])

    def records(self, report: int = 1001) -> tuple[int, int]:
        """Count a report's rerun records and values."""
        with open_stores(self.settings) as opened:
            reruns = opened.stores.reruns
            found = (reruns.reruns(LAB_ID, [report]), reruns.values(LAB_ID, [report]))
            return len(found[0]), len(found[1])

    def copied(self) -> set[tuple[int, int]]:
        """Read (report, number) of the open reruns in the daemon's own copy."""
        with JournalReader(self.state_dir / "journal.db") as reader:
            rows = [unpack_row(row) for row in reader.waiting()[0]]
        return {(row.lab_report_id, row.rerun_number) for row in rows if row.closed_at is None}
