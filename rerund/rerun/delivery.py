"""A payload on its way into the reports: its origin, its values, its ledger rows."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from drivers.result import Result
from rerund.payload_codec import known_runs
from rerund.rerun.instants import seconds
from rerund.rerun.model import KnownRun, Payload, PayloadContext
from rerund.rerun.records import NO_INDEX, NO_REPORT, LedgerRow, Origin


class Delivery(msgspec.Struct):
    """The values of one payload. `unplaced` are their ledger rows that wait for a report."""

    lab_id: int
    origin: Origin
    results: list[Result]
    unplaced: dict[str, LedgerRow] = {}

    def run_time(self) -> float:
        """Unix seconds of the run: the first run time named, else the time of arrival."""
        for result in self.results:
            if result.run_at is not None:
                return seconds(result.run_at)
        return seconds(self.origin.received_at)


def from_payload(lab_id: int, payload: Payload, context: PayloadContext) -> Delivery:
    """A payload of the journal as it is registered. It must have been received."""
    if payload.received_at is None:
        raise ValueError("a payload that was never received cannot be registered")
    origin = Origin(
        payload_id=payload.payload_id,
        device_id=payload.device_id,
        device_name=payload.device_name,
        driver=payload.driver,
        driver_version=payload.driver_version,
        entry_id=payload.entry_id,
        received_at=payload.received_at,
        sample_id=payload.sample_id,
        kind=payload.kind,
        id_reliable=context.id_reliable,
        is_rerun=payload.is_rerun,
        rerun_number=payload.rerun_number,
        rerun_type=payload.rerun_type,
        machine_triggered_rerun=payload.machine_triggered_rerun,
        run_key=context.run_key,
        patient=context.patient,
        open_report=context.open_report,
    )
    return Delivery(lab_id, origin, payload.results)


def from_ledger(rows: Iterable[LedgerRow]) -> list[Delivery]:
    """What the ledger holds as the payloads it came in, in order of arrival.

    Every result once, with the row that waits for a report where there is one.
    """
    deliveries: dict[str, Delivery] = {}
    seen: set[str] = set()
    for row in rows:
        delivery = deliveries.setdefault(
            row.origin.payload_id, Delivery(row.lab_id, row.origin, [], {})
        )
        if row.result_id not in seen:
            seen.add(row.result_id)
            delivery.results.append(row.result)
        if row.lab_report_id == NO_REPORT:
            delivery.unplaced[row.result_id] = row
    return sorted(deliveries.values(), key=lambda delivery: arrival(delivery.origin))


def arrival(of: Origin | LedgerRow) -> tuple[float, int]:
    """What payloads and their rows are ordered by."""
    return seconds(of.received_at), of.entry_id


def run_identity(device_id: str, sample_id: str, result: Result) -> str | None:
    """The run identity as one key; None without a run time, which proves nothing."""
    if result.run_at is None:
        return None
    parts = (device_id, sample_id, result.test_code, result.run_at, result.value)
    text = "\x1f".join((*parts, result.units or "", str(result.replicate)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def ledger_row(delivery: Delivery, result: Result) -> LedgerRow:
    """A new ledger row of a result that has no place yet."""
    origin = delivery.origin
    return LedgerRow(
        lab_id=delivery.lab_id,
        result_id=result.result_id,
        lab_report_id=NO_REPORT,
        index=NO_INDEX,
        sample_id=origin.sample_id,
        device_id=origin.device_id,
        test_code=result.test_code,
        run_at=result.run_at,
        run_key=origin.run_key,
        identity=run_identity(origin.device_id, origin.sample_id, result),
        received_at=origin.received_at,
        entry_id=origin.entry_id,
        outcome="unmatched",
        reason=None,
        rerun_number=0,
        settled=None,
        requested=False,
        late=False,
        value=result.value,
        units=result.units,
        result=result,
        origin=origin,
    )


def to_payloads(rows: Sequence[LedgerRow], names: dict[tuple[int, int], str]) -> list[Payload]:
    """Ledger rows in the shape of payloads, split by report; `names` by (report, index)."""
    payloads: dict[tuple[str, int, int], Payload] = {}
    for row in rows:
        key = (row.origin.payload_id, row.lab_report_id, row.rerun_number)
        payload = payloads.get(key)
        if payload is None:
            payload = payloads[key] = _envelope(row)
        resolved = row.lab_report_id != NO_REPORT
        payload.results.append(
            msgspec.structs.replace(
                row.result,
                index=row.index if resolved else None,
                parameter_name=names.get((row.lab_report_id, row.index)) if resolved else None,
            )
        )
    return list(payloads.values())


def ledger_runs(rows: Sequence[LedgerRow]) -> list[tuple[str, KnownRun]]:
    """Ledger rows as (sample id, run) pairs of a history; a result in two reports is one run."""
    runs: list[tuple[str, KnownRun]] = []
    seen: set[str] = set()
    for row in rows:
        if row.result_id in seen or not row.origin.id_reliable:
            continue
        seen.add(row.result_id)
        payload = _envelope(row)
        payload.results.append(row.result)
        context = PayloadContext(run_key=row.origin.run_key)
        runs += [(row.sample_id, run) for run in known_runs(payload, context)]
    return runs


def _envelope(row: LedgerRow) -> Payload:
    origin = row.origin
    return Payload(
        payload_id=origin.payload_id,
        lab_id=row.lab_id,
        device_id=origin.device_id,
        device_name=origin.device_name,
        driver=origin.driver,
        driver_version=origin.driver_version,
        entry_id=origin.entry_id,
        received_at=origin.received_at,
        sample_id=origin.sample_id,
        lab_report_id=None if row.lab_report_id == NO_REPORT else row.lab_report_id,
        kind=origin.kind,
        is_rerun=origin.is_rerun,
        rerun_number=origin.rerun_number,
        rerun_type=origin.rerun_type,
        machine_triggered_rerun=origin.machine_triggered_rerun,
        assigned_rerun_number=row.rerun_number or None,
        results=[],
    )
