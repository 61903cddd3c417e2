"""A small lab: two instruments, two report formats, and payloads as the journal hands them over."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.result import Result
from rerund.rerun.confirm import Choice, Confirmation
from rerund.rerun.instants import seconds
from rerund.rerun.model import Payload, PayloadContext
from rerund.rerun.records import (
    Device,
    LabData,
    LedgerRow,
    Mapping,
    Parameter,
    ParameterMeta,
    ReportFormat,
    ReportRow,
)
from rerund.rerun.requests import RerunRequest
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from rerund.rerun.service_stores import Stores
from rerund.rerun.submitted import Submitted, SubmittedValue
from rerund.rerun.views import SampleView
from rerund.rerun.workspace import Alert
from rerund.stores.settings import StoreSettings
from tests.rerund.stores_at import settings_of, stores_at
from tests.servers.servers import Servers

LAB = 1
DAY = "2026-05-20T"
REPEATABLE = ParameterMeta(manual_rerun=True)
CBC, ANAEMIA = 1, 2
NAMES = ("WBC", "RBC", "HGB", "PLT")
UNITS = {"WBC": "10*3/uL", "RBC": "10*6/uL", "HGB": "g/dL", "PLT": "10*3/uL", "MCV": "fL"}

FORMATS = (
    ReportFormat(
        CBC,
        LAB,
        "CBC",
        (
            *(
                Parameter(index, 10 * index, name, UNITS[name], (), REPEATABLE)
                for index, name in enumerate(NAMES, 1)
            ),
            Parameter(5, 50, "MCV", "fL"),
        ),
    ),
    ReportFormat(
        ANAEMIA, LAB, "Anaemia", (Parameter(1, 10, "Haemoglobin", "g/dL", (), REPEATABLE),)
    ),
)
DEVICES = (Device("42", LAB, "Sysmex XN-1000"), Device("43", LAB, "Pentra"))
MAPPINGS = (
    *(
        Mapping("42", name, CBC, index, "CBC" if index != 4 else "PLT", UNITS[name])
        for index, name in enumerate((*NAMES, "MCV"), 1)
    ),
    Mapping("42", "HGB", ANAEMIA, 1, "CBC", "g/dL"),
    Mapping("43", "WBC", CBC, 1, "WBC", "10^9/L"),
    Mapping("43", "HGB", CBC, 3, "HGB", "g/L", "0.1"),
)
LAB_DATA = LabData(LAB, FORMATS, DEVICES, MAPPINGS)


def ruled(*rules: tuple[int, str]) -> LabData:
    """The lab with an upper bound beyond which an index is repeated by rule."""
    uppers = dict(rules)
    cbc = FORMATS[0]
    parameters = tuple(
        msgspec.structs.replace(
            parameter,
            meta=ParameterMeta(
                manual_rerun=parameter.meta.manual_rerun,
                auto_rerun=parameter.index in uppers,
                auto_rerun_condition="custom",
                auto_rerun_upper=uppers.get(parameter.index),
            ),
        )
        for parameter in cbc.parameters
    )
    formats = (msgspec.structs.replace(cbc, parameters=parameters), *FORMATS[1:])
    return msgspec.structs.replace(LAB_DATA, formats=formats)


def instant(time: str) -> str:
    """`10:00` is that time of the test's day, anything longer a whole instant."""
    return time if len(time) > len("10:00") else f"{DAY}{time}:00Z"


class Clock:
    """The database clock, moved by hand."""

    def __init__(self) -> None:
        self.at = seconds(instant("08:00"))

    def now(self) -> float:
        return self.at

    def set(self, time: str) -> None:
        self.at = max(self.at, seconds(instant(time)))


class Timed:
    """A report store whose clock is moved by hand, otherwise the store itself."""

    def __init__(self, store: Any, clock: Clock):
        self._store = store
        self.now = clock.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Site:
    """The service on its stores, driven in the words of a lab."""

    lab_data = LAB_DATA

    def __init__(self, stores: Stores, lims: Callable[..., None], rules: Rules):
        self.clock = Clock()
        self.stores = stores._replace(reports=Timed(stores.reports, self.clock))
        self.lims = lims
        self.rules = rules
        self.alerts: list[Alert] = []
        self.service = self.restart()
        self.entry = 0

    def restart(self) -> RerunService:
        """A new service on the same stores, as after a crash."""
        self.service = RerunService(self.stores, self.rules, self.alerts.append)
        return self.service

    def lab(self, data: LabData = LAB_DATA) -> None:
        self.lims(lab=data)

    def report(
        self, number: int = 1, sample: str = "S1", at: str = "08:30", form: int = CBC, **row: Any
    ) -> None:
        self.lims(
            report=ReportRow(
                lab_id=LAB,
                lab_report_id=number,
                sample_id=sample,
                report_format_id=form,
                registered_at=instant(at),
                **row,
            )
        )

    def payload(
        self,
        at: str = "09:00",
        *,
        rerun: int = 0,
        device: str = "42",
        sample: str = "S1",
        kind: str = "patient",
        received: str | None = None,
        context: dict[str, Any] | None = None,
        fields: dict[str, Any] | None = None,
        **values: str | Result,
    ) -> tuple[Payload, PayloadContext]:
        """One payload of a new entry; `values` by test code, `fields` go to each value."""
        self.entry += 1
        received_at = instant(received or at)
        results = [
            self._result(record, code, value, instant(at), fields or {}, rerun)
            for record, (code, value) in enumerate(values.items(), 1)
        ]
        payload = Payload(
            payload_id=f"payload-{self.entry}",
            lab_id=LAB,
            device_id=device,
            device_name={"42": "Sysmex XN-1000", "43": "Pentra"}[device],
            driver="sysmex-xn",
            driver_version="1",
            entry_id=self.entry,
            received_at=received_at,
            sample_id=sample,
            lab_report_id=None,
            kind=kind,  # type: ignore[arg-type]
            is_rerun=rerun != 0,
            rerun_number=rerun,
            rerun_type={0: None, -1: "machine_rerun"}.get(rerun, "manual_rerun"),
            machine_triggered_rerun=rerun == -1,
            assigned_rerun_number=None,
            results=results,
        )
        keys = {"run_key": f"{device}/{sample}/{self.entry}", **(context or {})}
        return payload, PayloadContext(**keys)

    def _result(
        self,
        record: int,
        code: str,
        value: str | Result,
        at: str,
        fields: dict[str, Any],
        rerun: int,
    ) -> Result:
        if isinstance(value, Result):
            return value
        made: dict[str, Any] = {
            "value": value,
            "numeric": value,
            "units": UNITS.get(code),
            "result_status": "F",
            "run_at": at,
            "run_kind": "repeat" if rerun else "original",
        }
        if value == "----":
            made.update(numeric=None, invalid_reason="no_value")
        made.update(fields)
        return Result(result_id=f"j-{self.entry}-1-{record}", test_code=code, **made)

    def send(self, at: str = "09:00", **payload: Any) -> tuple[Payload, PayloadContext]:
        """Register one payload; answers it, so that it can be sent again."""
        made = self.payload(at, **payload)
        self.again(made)
        return made

    def again(self, *payloads: tuple[Payload, PayloadContext]) -> None:
        """Register payloads as the journal hands them over: freshly decoded."""
        self.clock.set(max(payload.received_at or "" for payload, _ in payloads))
        self.service.register(
            LAB,
            msgspec.msgpack.decode(
                msgspec.msgpack.encode(payloads), type=list[tuple[Payload, PayloadContext]]
            ),
        )

    def request(
        self,
        *indexes: int,
        at: str = "10:00",
        report: int = 1,
        event_id: str | None = None,
        **asked: Any,
    ) -> Any:
        self.clock.set(instant(at))
        wanted = RerunRequest(requested_parameters=indexes, **asked)
        return self.service.request(LAB, report, wanted, user=7, event_id=event_id)

    def cancel(self, report: int = 1, at: str = "12:00", **how: Any) -> dict[str, object]:
        self.clock.set(instant(at))
        return self.service.cancel(LAB, report, user=7, **how)

    def confirm(
        self,
        *choices: tuple[int, int],
        at: str = "12:00",
        report: int = 1,
        event_id: str | None = None,
        **how: Any,
    ) -> Any:
        """Confirm (index, rerun number) pairs at the version as it is."""
        self.clock.set(instant(at))
        values = tuple(Choice(index=index, rerun_number=number) for index, number in choices)
        asked = {"version": self.row(report).rerun_version, "values": values, **how}
        return self.service.confirm(LAB, report, Confirmation(**asked), user=7, event_id=event_id)

    def auto_check(self, at: str = "09:30", report: int = 1, **how: Any) -> Any:
        self.clock.set(instant(at))
        return self.service.auto_check(LAB, report, user=7, **how)

    def submit(
        self,
        number: int,
        *values: tuple[int, str],
        at: str = "10:30",
        report: int = 1,
        event_id: str | None = None,
        fields: dict[str, Any] | None = None,
        **asked: Any,
    ) -> Any:
        """Submit (index, value) pairs of one run; `fields` go to each value."""
        self.clock.set(instant(at))
        own = number == -1
        body = {
            "sample_id": "S1",
            "device_id": "42",
            "device_name": "Sysmex XN-1000",
            "rerun_type": "machine_rerun" if own else "manual_rerun",
            "rerun_number": number,
            **asked,
        }
        extra = {"run_at": instant(at), **(fields or {})}
        submitted = Submitted(
            values=tuple(SubmittedValue(index=i, value=v, **extra) for i, v in values), **body
        )
        return self.service.receive(LAB, report, submitted, user=3, event_id=event_id)

    def row(self, report: int = 1) -> ReportRow:
        return self.stores.reports.reports(LAB, [report])[0]

    def flag(self, report: int = 1) -> int:
        return self.row(report).flag

    def slots(self, report: int = 1) -> dict[int, str]:
        rows = self.stores.reports.report_values(LAB, [report])
        return {row.index: row.value for row in rows}

    def reruns(self, report: int = 1) -> list[tuple[int, int, str, bool]]:
        """(number, index, value, requested) of what waits for review."""
        values = self.stores.reruns.values(LAB, [report])
        return [(v.rerun_number, v.index, v.value, v.requested) for v in values]

    def ledger(self, sample: str = "S1") -> list[LedgerRow]:
        return self.stores.reports.ledger_of_samples(LAB, [sample])

    def both_ledgers(self) -> list[LedgerRow]:
        return self.stores.reports.ledger_of_samples(LAB, ["S1", "S2"])

    def outcomes(self, sample: str = "S1") -> list[tuple[str, str, str | None]]:
        return [(row.test_code, row.outcome, row.reason) for row in self.ledger(sample)]

    def log(self, report: int = 1) -> list[int]:
        return [line.code for line in self.stores.reports.activity(LAB, report)]

    def waiting(self, report: int = 1) -> list[tuple[int, list[int], str]]:
        rows = self.stores.reports.waiting_rows(LAB, [report])
        return [(row.rerun_number, row.remaining, row.status) for row in rows]

    def view(self, sample: str = "S1") -> SampleView:
        return self.service.results(LAB, sample)

    def everything(self) -> dict[str, Any]:
        """What the stores hold in the end, versions, times and generated ids aside."""
        reports = self.stores.reports
        ids = [row.lab_report_id for row in reports.reports_of_samples(LAB, ["S1", "S2"])]
        return {
            "reports": reports.reports(LAB, ids),
            "slots": reports.report_values(LAB, ids),
            "waiting": [
                # A note is timed by the clock of the database, which no test moves.
                msgspec.structs.replace(row, updated_at="") if row.taken_by else row
                for row in reports.waiting_rows(LAB, ids)
            ],
            "ledger": sorted(
                (msgspec.structs.replace(row, row_id=None) for row in self.both_ledgers()),
                key=lambda row: (row.result_id, row.lab_report_id, row.index),
            ),
            "events": [
                (e.lab_report_id, e.version, e.kind, e.flag_before, e.flag_after, e.inputs)
                for report in ids
                for e in reports.events(LAB, report)
            ],
            "unapplied": reports.unapplied_events(LAB, ids),
            "log": [
                (line.lab_report_id, line.code, line.rerun_number, line.old, line.new)
                for report in ids
                for line in reports.activity(LAB, report)
            ],
            "reruns": self.stores.reruns.reruns(LAB, ids),
            "values": self.stores.reruns.values(LAB, ids),
            "numbers": [self.stores.numbers.active_number(LAB, report) for report in ids],
        }


@contextmanager
def opened(settings: StoreSettings, rules: Rules, *, empty: bool = True) -> Iterator[Site]:
    """A lab with its formats loaded and no report yet, or one that is there already."""
    with stores_at(settings) as (stores, lims):
        site = Site(stores, lims, rules)
        if empty:
            site.lab()
        yield site


ON_SERVERS = ("mysql", "mongodb", "redis")
EVERYWHERE = pytest.mark.parametrize(
    "where", [(), ON_SERVERS], ids=["embedded", "servers"], indirect=True
)
"""Marks what is to be shown on embedded stores and on servers."""


@pytest.fixture
def where(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Which of the stores are on servers."""
    return getattr(request, "param", ())


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
def new_site(
    tmp_path: Path, rules: Rules, servers: Servers, where: tuple[str, ...]
) -> Iterator[Callable[[], Site]]:
    """Labs as many as a test needs, one after the other, each with empty stores."""
    with ExitStack() as stack:
        numbers = count()

        def make() -> Site:
            stack.close()  # so that the next one may use the same databases
            directory = tmp_path / str(next(numbers))
            directory.mkdir()
            settings = stack.enter_context(settings_of(servers, directory, *where))
            return stack.enter_context(opened(settings, rules))

        yield make


@pytest.fixture
def site(new_site: Callable[[], Site]) -> Site:
    return new_site()
