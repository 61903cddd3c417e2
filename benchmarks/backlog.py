"""A journal full of payloads that wait for the stores, and the lab whose reports take them."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import insert

from benchmarks.samples import one_frame
from drivers.profile import load
from protocols.astm.unframe import unframe
from rerund.interpreter import Decider, MemoryHistory, NoWaiting
from rerund.journal import schema, statements
from rerund.journal.batch import pending_row
from rerund.journal.rows import PayloadRow
from rerund.journal.schema import SPAN
from rerund.payload_codec import pack
from rerund.rerun.model import Payload, PayloadContext
from rerund.rerun.records import Device, LabData, Mapping, Parameter, ReportFormat
from rerund.stores.database import Database
from rerund.stores.lab_tables import LabTables
from rerund.stores.schema import lab_report_relation

LAB, DEVICE, FORMAT = 1, "1", 1
REGISTERED, RECEIVED = "2026-05-20T08:00:00.000Z", "2026-05-20T10:31:00.000Z"
RERUNS = 10
"""One payload of so many is a rerun by the instrument of the one before it."""

Delivered = tuple[Payload, PayloadContext]


class Payloads:
    """Payloads of `results` values each, as the journal would hold them, made from one message."""

    def __init__(self, results: int):
        text = b"".join(part.text for part in unframe(one_frame(b"00000000")))
        decider = Decider(load("sysmex-xn"), DEVICE, "bench", LAB, "0" * 32, dt.UTC)
        outcome = decider.decide(1, RECEIVED, text, MemoryHistory(), NoWaiting())
        ((self._payload, self._context),) = outcome.payloads
        self._results = self._payload.results[:results]

    def lab(self) -> LabData:
        """Return a format with a parameter for each value, and its mappings."""
        codes = [result.test_code for result in self._results]
        units = [result.units for result in self._results]
        parameters = [
            Parameter(index, index, code, unit)
            for index, (code, unit) in enumerate(zip(codes, units, strict=True), 1)
        ]
        return LabData(
            LAB,
            (ReportFormat(FORMAT, LAB, "CBC", tuple(parameters)),),
            (Device(DEVICE, LAB, "bench"),),
            tuple(
                Mapping(DEVICE, code, FORMAT, index, code, units[index - 1])
                for index, code in enumerate(codes, 1)
            ),
        )

    def made(self, count: int) -> Iterator[Delivered]:
        """Yield so many payloads, each of an entry of its own."""
        for entry in range(1, count + 1):
            is_rerun = entry % RERUNS == 0
            sample = f"S{entry - is_rerun:07}"
            at = "2026-05-20T10:30:30Z" if is_rerun else "2026-05-20T10:30:00Z"
            results = [
                msgspec.structs.replace(
                    result,
                    result_id=f"{'0' * 32}-{entry}-1-{number}",
                    run_at=at,
                    run_kind="repeat" if is_rerun else "original",
                )
                for number, result in enumerate(self._results, 1)
            ]
            payload = msgspec.structs.replace(
                self._payload,
                payload_id=f"{entry:032x}",
                entry_id=entry,
                sample_id=sample,
                is_rerun=is_rerun,
                rerun_number=-int(is_rerun),
                rerun_type="machine_rerun" if is_rerun else None,
                machine_triggered_rerun=is_rerun,
                results=results,
            )
            run_key = f"{DEVICE}/{sample}/{'0' * 32}-{entry}/1"
            yield payload, msgspec.structs.replace(self._context, run_key=run_key)


def register_lab(database: Database, payloads: Payloads, count: int) -> None:
    """Write the lab and a report for every sample of so many payloads."""
    LabTables(database).write(payloads.lab())
    rows = [
        {
            "lab_id": LAB,
            "lab_report_id": entry,
            "sample_id": f"S{entry:07}",
            "report_format_id": FORMAT,
            "registered_at": REGISTERED,
        }
        for entry in range(1, count + 1)
        if entry % RERUNS
    ]
    with database.write() as connection:
        connection.execute(insert(lab_report_relation), rows)


def fill_journal(path: Path, payloads: Payloads, count: int) -> None:
    """Make a journal in which so many payloads are pending."""
    db = schema.open_writer(path)
    db.execute("BEGIN")
    db.execute(
        "INSERT INTO device VALUES (?, '2000-01-01T00:00:00.000Z', 0, ?, ?)",
        (DEVICE, RECEIVED, b""),
    )
    rows = []
    for payload, context in payloads.made(count):
        row = PayloadRow(
            payload.payload_id,
            payload.sample_id,
            payload.is_rerun,
            payload.rerun_number,
            payload.kind,
            pack(payload, context),
        )
        rows.append(pending_row(payload.entry_id * SPAN, row, DEVICE, RECEIVED))
        if len(rows) == 1000:
            statements.insert(db, "payload", rows)
            rows = []
    statements.insert(db, "payload", rows)
    db.execute("COMMIT")
    db.close()
