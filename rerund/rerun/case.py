"""One report as read from the stores, changed by events, and what the changes write.

Nothing here reads or writes a store. Whoever loads a `ReportCase` commits `effects()`
with the version and flag as read, so that a change made by somebody else meanwhile is
noticed; the after-images go out afterwards. Events are written by a `Draft`.
"""

from typing import TypeVar

import msgspec

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.records import (
    LedgerRow,
    Parameter,
    ReportRow,
    ReportUpdate,
    ReportValue,
    Transaction,
    WaitingRow,
)

T = TypeVar("T")

ValueKey = tuple[int, int, int]
"""`rerun_number`, `index`, `replicate`."""


class Loaded(msgspec.Struct, kw_only=True):
    """What the stores hold of one report."""

    row: ReportRow
    parameters: dict[int, Parameter]
    slots: list[ReportValue]
    reruns: list[SampleRerun]
    values: list[SampleRerunValues]
    waiting: list[WaitingRow]
    ledger: list[LedgerRow]


class ReportCase:
    """The state of one report in memory."""

    def __init__(self, loaded: Loaded):
        self.row = loaded.row
        self.parameters = loaded.parameters
        self.slots = {slot.index: slot for slot in loaded.slots}
        self.reruns = {rerun.rerun_number: rerun for rerun in loaded.reruns}
        self.values: dict[ValueKey, SampleRerunValues] = {
            (value.rerun_number, value.index, value.replicate): value for value in loaded.values
        }
        self.waiting = loaded.waiting
        self.ledger: list[LedgerRow] = []
        self.by_result: dict[str, list[LedgerRow]] = {}
        for row in loaded.ledger:
            self._index(row)
        self._read = msgspec.structs.replace(loaded.row)
        self.pending = Transaction([], [], [], [], [], [])
        self._touched: set[int] = set()

    @property
    def active(self) -> SampleRerun | None:
        """The open rerun."""
        return next((rerun for rerun in self.reruns.values() if rerun.is_active), None)

    @property
    def closed_to_lims(self) -> bool:
        """Whether the report is completed or signed."""
        return self.row.is_completed or self.row.is_signed

    def shows(self, value: SampleRerunValues | LedgerRow) -> bool:
        """Whether the report shows this value at its index."""
        slot = self.slots.get(value.index)
        return slot is not None and slot.result_id == value.result_id

    def _index(self, row: LedgerRow) -> None:
        self.ledger.append(row)
        self.by_result.setdefault(row.result_id, []).append(row)

    def holds(self, result_id: str, index: int) -> bool:
        """Whether the ledger has this result at this index of this report."""
        rows = self.by_result.get(result_id)
        return rows is not None and any(row.index == index for row in rows)

    def number_of_run(self, run_key: str) -> int | None:
        """The number under which earlier parts of a run wait for review."""
        for row in reversed(self.ledger):
            if row.run_key == run_key and row.outcome == "registered" and row.settled is None:
                return row.rerun_number if row.rerun_number in self.reruns else None
        return None

    def key_of_run(self, run_key: str, number: int) -> str:
        """The unique `run_key` of a new rerun: a later part of a settled run is a new run."""
        used = any(row.run_key == run_key and row.rerun_number for row in self.ledger)
        return f"{run_key}#{number}" if used else run_key

    def touch_row(self, row: LedgerRow) -> None:
        """A ledger row is new here or has changed."""
        if not self.holds(row.result_id, row.index):
            self._index(row)
        self._once(row, self.pending.ledger)

    def touch_slot(self, slot: ReportValue) -> None:
        """A slot is filled or has changed."""
        self.slots[slot.index] = slot
        self._once(slot, self.pending.values)

    def touch_waiting(self, row: WaitingRow) -> None:
        """A waiting-list row is new, or has changed: one version up, however often it does."""
        new = all(row is not other for other in self.waiting)
        if new:
            self.waiting.append(row)
        if self._once(row, self.pending.waiting) and not new:
            row.version += 1

    def _once(self, row: T, rows: list[T]) -> bool:
        if id(row) in self._touched:
            return False
        self._touched.add(id(row))
        rows.append(row)
        return True

    @property
    def changed(self) -> bool:
        """Whether there was an event since reading."""
        return bool(self.pending.events)

    def effects(self) -> Transaction:
        """What the events since reading write."""
        row, read = self.row, self._read
        update = ReportUpdate(
            lab_id=row.lab_id,
            lab_report_id=row.lab_report_id,
            expected_version=read.rerun_version,
            expected_flag=read.flag,
            rerun_version=row.rerun_version,
            flag=row.flag,
            last_rerun_number=row.last_rerun_number,
            auto_rerun_indexes=row.auto_rerun_indexes,
            is_completed=read.is_completed,
            is_signed=read.is_signed,
            take_back_signature=read.is_signed and not row.is_signed,
            results_checked=row.results_checked,
        )
        return msgspec.structs.replace(self.pending, reports=[update])
