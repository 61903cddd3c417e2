"""What the ledger knows of an instrument, read in parts: its days are more than memory is for."""

from collections.abc import Iterator

from rerund.rerun.delivery import ledger_runs
from rerund.rerun.instants import iso
from rerund.rerun.model import KnownRun
from rerund.stores.ports import ReportStore

STEP = 3600.0
"""Seconds of a history that are read at once."""

END = "9999-12-31T00:00:00Z"


def history(
    reports: ReportStore, lab_id: int, device_id: str, window: float
) -> Iterator[list[tuple[str, KnownRun]]]:
    """Yield the (sample id, run) pairs of the last `window` seconds, oldest part first.

    The last part has no end: the clock of whoever received a run may be ahead.
    """
    now = reports.now()
    at = now - window
    while at < now:
        before = iso(at + STEP) if at + STEP < now else END
        yield ledger_runs(reports.ledger_of_device(lab_id, device_id, iso(at), before))
        at += STEP
