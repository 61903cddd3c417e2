"""The local copy of the waiting list: what this daemon's instruments are asked to repeat.

Derived from the store's open rerun rows, in the test codes of each instrument, kept in the
journal and in memory, and replaced whole. So a changed rerun number or version opens a row
again here by itself, and the daemon decides while every store is down.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

import msgspec

from rerund.rerun.instants import iso
from rerund.rerun.lab import Lab
from rerund.rerun.model import OpenRerun
from rerund.rerun.records import ANY_DEVICE, OPEN_WAITING, WaitingRow
from rerund.rerun.rules import Rules
from rerund.stores.ports import NumberCache, ReportStore

Keep = Callable[[Sequence[OpenRerun], str], None]
"""Keeps the whole copy in the journal, and when it was refreshed. Called in any thread."""

KEEP_TIME_EVERY = 15.0
"""Seconds between notes on disk that an unchanged copy is still fresh."""


def derive_open_reruns(
    rows: Iterable[WaitingRow], lab: Lab, device_ids: Collection[str]
) -> list[OpenRerun]:
    """The rows that these instruments can serve, in their test codes.

    A closed row keeps the codes of everything it asked for, so that late values of it are
    recognised.
    """
    derived: list[OpenRerun] = []
    for row in rows:
        tests = _tests(row, lab, device_ids)
        if tests and row.rerun_type is not None:
            derived.append(
                OpenRerun(
                    lab_id=row.lab_id,
                    lab_report_id=row.lab_report_id,
                    sample_id=row.sample_id,
                    device_id=row.device_id,
                    rerun_number=row.rerun_number,
                    rerun_type=row.rerun_type,
                    requested_at=row.created_at,
                    version=row.version,
                    tests=tests,
                    closed_at=None if row.status in OPEN_WAITING else row.updated_at,
                )
            )
    return derived


def _tests(row: WaitingRow, lab: Lab, device_ids: Collection[str]) -> dict[str, list[str]]:
    indexes = row.remaining if row.status in OPEN_WAITING else row.requested
    names = lab.get_rerun_format_machine_names_map(row.report_format_id, indexes)
    wanted = device_ids if row.device_id == ANY_DEVICE else {row.device_id} & set(device_ids)
    return {device: names[device].test_codes for device in sorted(names) if device in wanted}


def unpack_row(body: bytes) -> OpenRerun:
    """A row from the journal."""
    return msgspec.msgpack.decode(body, type=OpenRerun)


class WaitingList:
    """The copy in memory. Read by the interpretation, replaced by the registrar."""

    def __init__(self, rows: Iterable[OpenRerun] = (), refreshed_at: str | None = None):
        self._lock = threading.Lock()
        self._rows: Mapping[str, Sequence[OpenRerun]] = {}
        self._refreshed_at = refreshed_at
        self.replace(rows, refreshed_at)

    @property
    def refreshed_at(self) -> str | None:
        """When the copy was last completely refreshed; None when it never was."""
        with self._lock:
            return self._refreshed_at

    def replace(self, rows: Iterable[OpenRerun], refreshed_at: str | None) -> None:
        """Take over a complete copy."""
        by_sample: dict[str, list[OpenRerun]] = {}
        for row in rows:
            by_sample.setdefault(row.sample_id, []).append(row)
        with self._lock:
            self._rows, self._refreshed_at = by_sample, refreshed_at

    def still_fresh(self, at: str) -> None:
        """The copy was compared with the store and is unchanged."""
        with self._lock:
            self._refreshed_at = at

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        """The rows of a sample, closed ones with `closed_at`."""
        with self._lock:
            return self._rows.get(sample_id, ())


class WaitingListRefresh:
    """Brings the copy up to date: on a notice, and when the store has changed."""

    def __init__(
        self,
        lab_id: int,
        device_ids: Collection[str],
        stores: tuple[ReportStore, NumberCache],
        copy: WaitingList,
        keep: Keep,
        rules: Rules,
    ):
        self._lab_id = lab_id
        self._device_ids = frozenset(device_ids)
        self._reports, numbers = stores
        self._copy = copy
        self._keep = keep
        self._rules = rules
        self._token: Hashable = object()
        self._noticed = threading.Event()
        self._noticed.set()
        self._kept: Sequence[OpenRerun] = ()
        self._kept_at = 0.0
        numbers.subscribe(lab_id, self._noticed.set)

    @property
    def closed_within(self) -> float:
        """For how many seconds a closed row stays in the copy."""
        return self._rules.history_window

    @property
    def noticed(self) -> bool:
        """Whether somebody said that the waiting list changed."""
        return self._noticed.is_set()

    def refresh(self, lab: Callable[[int], Lab], token: Hashable) -> bool:
        """Refresh when noticed or when `token` (of the store) differs; answers whether.

        Raises StoreUnavailable; the next call tries again.
        """
        now = self._reports.now()
        if token == self._token and not self._noticed.is_set():
            self._still_fresh(now)
            return False
        self._noticed.clear()
        try:
            self._read(lab(self._lab_id), now)
        except BaseException:
            self._noticed.set()
            raise
        self._token = token
        return True

    def _read(self, lab: Lab, now: float) -> None:
        closed_since = iso(now - self.closed_within)
        rows = self._reports.waiting_copy(self._lab_id, closed_since)
        derived = derive_open_reruns(rows, lab, self._device_ids)
        self._copy.replace(derived, iso(now))
        if derived == self._kept:
            self._still_fresh(now)
        else:
            self._keep_copy(derived, now)

    def _still_fresh(self, now: float) -> None:
        self._copy.still_fresh(iso(now))
        if now - self._kept_at >= KEEP_TIME_EVERY:
            self._keep_copy(self._kept, now)

    def _keep_copy(self, rows: Sequence[OpenRerun], now: float) -> None:
        self._kept, self._kept_at = rows, now
        self._keep(rows, iso(now))
