"""The rear of the daemon: what happens between the journal and the stores.

Nothing here is waited for by a link. With every store down the journal fills, the copy of
the waiting list is used as it was last seen, and everything is tried again for ever.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from rerund.config import Config
from rerund.journal.journal import Journal
from rerund.journal.reader import JournalReader
from rerund.registrar import Registrar
from rerund.registrar_upkeep import Upkeep
from rerund.rerun.model import OpenRerun
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from rerund.rerun.service_stores import Stores
from rerund.rerun.workspace import Alert
from rerund.waiting_list import WaitingList, WaitingListRefresh, unpack_row

log = structlog.get_logger(__name__)


class Rear:
    """Service, registrar and waiting list of one daemon."""

    def __init__(self, config: Config, journal: Journal, stores: Stores) -> None:
        self._config = config
        self._journal = journal
        self._reader = JournalReader(journal.path)
        rows, refreshed_at = self._reader.waiting()
        self.waiting = WaitingList(map(unpack_row, rows), refreshed_at)
        rules = rules_of(config)
        self.service = RerunService(stores, rules, _tell)
        lab_id = config.file.daemon.lab_id
        refresh = WaitingListRefresh(
            lab_id,
            [instrument.device_id for instrument in config.instruments],
            (stores.reports, stores.numbers),
            self.waiting,
            self._keep,
            rules,
        )
        self.registrar = Registrar(
            lab_id,
            self.service,
            self._reader,
            journal.mark_payloads,
            Upkeep(lab_id, self.service, stores.reports, refresh),
            poll_interval=config.file.store.poll_interval,
        )

    def complete_histories(self) -> frozenset[str]:
        """Return the instruments whose runs of the history window are all in the journal."""
        return frozenset()

    def _keep(self, rows: Sequence[OpenRerun], refreshed_at: str) -> None:
        """Keep the copy of the waiting list in the journal; called in the registrar's thread."""
        with suppress(RuntimeError):  # the loop has ended: the copy is read anew at the start
            self._loop.call_soon_threadsafe(self._journal.replace_waiting, rows, refreshed_at)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to deliver."""
        self._loop = loop
        self.registrar.start()

    def stop(self, timeout: float) -> bool:
        """End after the batch at hand; False when that takes longer than `timeout` seconds."""
        stopped = self.registrar.stop(timeout)
        if stopped:
            self._reader.close()
        return stopped


def rules_of(config: Config) -> Rules:
    """Return the service's rules as they are configured."""
    windows = config.file.rerun
    return Rules(
        late_order_window=windows.late_order_window,
        sample_id_window=windows.sample_id_window,
        history_window=windows.history_window,
        clock_tolerance=windows.clock_tolerance,
        keep_parallel=frozenset(
            instrument.device_id
            for instrument in config.instruments
            if instrument.section.parallel == "keep"
        ),
    )


def _tell(alert: Alert) -> None:
    log.error(
        alert.code,
        alert=True,
        report=alert.lab_report_id,
        instrument=alert.device_id,
        entry_id=alert.entry_id,
    )
