"""Orders in the stores, and as the registrar hands them over to the daemon."""

import time
from typing import Any

import msgspec

from rerund.journal.rows import OrderNoteRow
from rerund.registrar_look_ups import OpenOrders
from rerund.registrar_orders import OrderKeeper
from rerund.rerun.order_notes import OrderNote
from rerund.rerun.orders import LocalOrder
from rerund.rerun.records import Transaction
from rerund.stores.ports import StoreRejected, StoreUnavailable
from tests.rerund.conftest import LAB
from tests.rerund.stores.made import AT, waiting


def order(report: int = 1, number: int = 0, sample: str | None = None, **fields: Any) -> LocalOrder:
    """An order of a report, of sample S1, S2 … unless another is named; a rerun has a number."""
    made: dict[str, Any] = {
        "lab_report_id": report,
        "device_id": "",
        "rerun_number": number,
        "sample_id": sample or f"S{report}",
        "version": 1,
        "status": "pending",
        "priority": None,
        "created_at": AT,
        "codes": {"42": ["GLU", "ISE"]},
    }
    return LocalOrder(**{**made, **fields})


class Watched:
    """A report store that counts how often everything is read; it may be away, and tried then."""

    def __init__(self, store):
        self._store = store
        self.read = 0
        self.tried = 0
        self.away = self.unreadable = False

    def __getattr__(self, name):
        if self.away:
            self.tried += 1
            raise StoreUnavailable("report store")
        return getattr(self._store, name)

    def orders(self, lab_id, since):
        if self.unreadable:
            self.tried += 1
            raise StoreRejected("report store", "ValueError")
        self.read += 1
        return self._store.orders(lab_id, since)


class Copy:
    """A keeper of a site's orders, and what it handed over at each turn of a second.

    `copied` is the copy of the process before, packed.
    """

    def __init__(self, site, *device_ids, copied=()):
        self.store = Watched(site.stores.reports)
        site.stores = site.stores._replace(reports=self.store)
        self.changes = []
        device_ids = device_ids or ("42", "43")
        self.service = site.restart()
        self.keeper = OrderKeeper(
            LAB, device_ids, self.service, self.store, site.rules, self.changes.append, copied
        )
        self.look_up = OpenOrders(LAB, device_ids, self.store, site.rules)
        self._turns = 0

    def turn(self, after=1.0):
        """Refresh so many seconds after the last turn; returns what was handed over."""
        self._turns += after
        self.changes.clear()
        self.keeper.refresh(time.monotonic() + self._turns)
        return self.changes[0] if self.changes else None


def put(site, *rows):
    """Write rows of the waiting list, each as the change of the one that is there, if any."""
    reports = {row.lab_report_id for row in rows}
    there = {_key(row): row.version for row in site.stores.reports.waiting_rows(LAB, reports)}
    changed = [
        msgspec.structs.replace(row, version=there.get(_key(row), row.version - 1) + 1)
        for row in rows
    ]
    site.stores.reports.commit(Transaction(waiting=changed))


def _key(row):
    return row.lab_report_id, row.device_id, row.rerun_number


def ordered(site, *indexes, report=1, **fields):
    """Order originals of a report, or say something else of the order that is there."""
    row = {"rerun_type": None, "requested": list(indexes), "remaining": list(indexes), **fields}
    put(site, waiting(0, lab_id=LAB, lab_report_id=report, **row))


def keys(change):
    return {order.key for order in change.orders}


def note(key, report=1, status="sent", at=AT, number=0):
    made = OrderNote(
        lab_report_id=report,
        row_device_id="",
        rerun_number=number,
        device_id="42",
        status=status,
    )
    return OrderNoteRow(key, at, msgspec.msgpack.encode(made))


def states(site):
    rows = site.stores.reports.waiting_rows(LAB, [1, 2])
    return [row.status for row in rows]
