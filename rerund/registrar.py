"""Drains payloads from the journal into the rerun service, in order per sample.

    pending ──register──▶ delivered
       │ StoreRejected
       ▼
     held ◀── later payloads of its sample are parked behind it, until a person
              releases or discards it

A thread of its own reads a page of pending payloads, registers them and marks them. On stores
that serve several clients at once the page is dealt to lanes by sample, each lane a thread
with a transaction of its own. A store that is away is tried again for ever; nothing waits in
memory, so a backlog of any size costs none. What was registered but not marked before a crash
is registered again, which changes nothing.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol
from zlib import crc32

import structlog

from rerund.faults import place_of, type_of
from rerund.journal.rows import Mark, PayloadState, StoredPayload
from rerund.payload_codec import unpack
from rerund.registrar_upkeep import Upkeep
from rerund.rerun.service import RerunService
from rerund.stores.ports import ReportBusy, StoreRejected, StoreUnavailable
from rerund.stores.settings import StoreSettings
from rerund.stores_away import FIRST_RETRY, LAST_RETRY, StoresAway

log = structlog.get_logger(__name__)

BATCH = 64
"""Payloads per transaction: enough to share its cost, short enough to let the wire go first."""

LANES = 4
"""Lanes on a server: while one waits for an answer, others decide."""

STOP_POLL = 0.1


class Undelivered(Protocol):
    """What the registrar reads of the journal."""

    def undelivered(self, state: PayloadState, limit: int) -> Sequence[StoredPayload]:
        """Up to `limit` payloads in a state, oldest first."""

    def freed_samples(self) -> set[str]:
        """The samples that have parked payloads and none on hold any more."""

    def blocked_from(self, sample_ids: Collection[str]) -> dict[str, int]:
        """Those of the samples that have held or parked payloads, with the first key of these."""

    def payloads_of_sample(self, sample_id: str) -> Sequence[StoredPayload]:
        """The payloads of a sample, oldest first."""


Alone = Callable[[], AbstractContextManager[None]]
"""Keeps everybody from making payloads anew while they are delivered."""

MarkPayloads = Callable[[Sequence[Mark], Callable[[Exception | None], None]], None]
"""Commits delivery states to the journal and calls back, maybe in another thread."""

Delivered = tuple[list[Mark], list[StoreUnavailable]]
"""The new states of payloads, and what kept the others as they were."""


def lanes_of(stores: StoreSettings) -> int:
    """How many lanes stores are worth: an embedded one takes one writer at a time.

    A connection is left for the leases, one for the orders and one for looking them up.
    """
    return 1 if stores.mysql is None else max(1, min(LANES, stores.mysql.pool_size - 3))


class Registrar:
    """Delivers the payloads of one daemon to the stores of its lab."""

    def __init__(
        self,
        lab_id: int,
        service: RerunService,
        journal: Undelivered,
        mark_payloads: MarkPayloads,
        upkeep: Upkeep,
        *,
        poll_interval: float = 1.0,
        first_retry: float = FIRST_RETRY,
        lanes: int = 1,
        alone: Alone = nullcontext,
    ):
        self._lab_id = lab_id
        self._service = service
        self._journal = journal
        self._mark_payloads = mark_payloads
        self._upkeep = upkeep
        self._poll_interval = poll_interval
        self._first_retry = first_retry
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(lanes, "lane") if lanes > 1 else None
        self._alone = alone
        self._unpark_at = 0.0
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)
        self._away = StoresAway(_tell_away)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There are new payloads. May be called from any thread."""
        self._wakeup.set()

    def stop(self, timeout: float) -> bool:
        """End after the batch at hand; False when that took longer than `timeout` seconds."""
        self._stopping.set()
        self._wakeup.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return not self._thread.is_alive()

    def _run(self) -> None:
        retry = self._first_retry
        while not self._stopping.is_set():
            self._wakeup.clear()
            try:
                busy = self.turn()
            except StoreUnavailable as error:
                self._away.failed(error)
            except Exception as error:  # noqa: BLE001 - delivery lives as long as the process
                _alert(error, retry)
            else:
                retry = self._first_retry
                self._away.worked()
                if not busy:
                    self._wakeup.wait(self._poll_interval)
                continue
            self._stopping.wait(retry)
            retry = min(2 * retry, LAST_RETRY)

    def turn(self) -> bool:
        """Deliver one batch and look after the stores; answers whether more may be waiting.

        Raises StoreUnavailable: whatever was not marked is delivered again.
        """
        now = time.monotonic()
        self._upkeep.turn(now)
        with self._alone():
            return self._turn(now)

    def _turn(self, now: float) -> bool:
        batch = self._journal.undelivered("pending", BATCH * self._lanes)
        if not batch or now >= self._unpark_at:
            self._unpark_at = now + self._poll_interval
            if self._unpark():
                return True
        if not batch:
            return False
        blocked = self._journal.blocked_from({payload.sample_id for payload in batch})
        ready = [p for p in batch if p.payload_key < blocked.get(p.sample_id, p.payload_key + 1)]
        behind = [p for p in batch if p.payload_key > blocked.get(p.sample_id, p.payload_key)]
        marks, errors = self._deliver_in_lanes(ready)
        self._mark([*marks, *map(_parked, behind)])
        # A report that is busy keeps its own payloads, as long as others go on.
        for error in errors:
            if not marks or not isinstance(error, ReportBusy):
                raise error
        return True

    def _unpark(self) -> bool:
        """Send round again what is parked behind nothing any more; answers whether any was."""
        freed = self._journal.freed_samples()
        for sample_id in freed:
            payloads = self._journal.payloads_of_sample(sample_id)
            self._mark([Mark(p.payload_key, "pending") for p in payloads if p.state == "parked"])
        return bool(freed)

    def _deliver_in_lanes(self, payloads: Sequence[StoredPayload]) -> Delivered:
        """Deliver every lane's part, all at once; a lane without its store keeps nobody else."""
        parts = _dealt(payloads, self._lanes)
        if self._pool is None:
            return _gathered(map(self._deliver, parts))
        running = [self._pool.submit(self._deliver, part) for part in parts]
        return _gathered(lane.result() for lane in running)

    def _mark(self, marks: Sequence[Mark]) -> None:
        """Wait until the states are on disk: what is read next must not be the same again.

        At a stop they are left to the journal, which commits what it was given.
        """
        committed = threading.Event()
        self._mark_payloads(marks, lambda error: committed.set())
        while not committed.wait(STOP_POLL):
            if self._stopping.is_set():
                return

    def _deliver(self, payloads: Sequence[StoredPayload]) -> Delivered:
        """Register together; one by one when something of it is refused or busy."""
        try:
            self._register(payloads)
        except ReportBusy as error:
            return self._deliver_singly(payloads) if len(payloads) > 1 else ([], [error])
        except StoreUnavailable as error:
            return [], [error]
        except Exception as error:  # noqa: BLE001 - the boundary of one payload's delivery
            if len(payloads) > 1:
                return self._deliver_singly(payloads)
            return [_held(payloads[0], error)], []
        return [Mark(payload.payload_key, "delivered") for payload in payloads], []

    def _deliver_singly(self, payloads: Sequence[StoredPayload]) -> Delivered:
        """Register one by one; the rest of a sample is parked behind what is held, or left."""
        marks: list[Mark] = []
        errors: list[StoreUnavailable] = []
        held: set[str] = set()
        left: set[str] = set()
        for payload in payloads:
            if payload.sample_id in held:
                marks.append(_parked(payload))
            elif payload.sample_id not in left:
                marked, failed = self._deliver([payload])
                marks += marked
                errors += failed
                held.update(payload.sample_id for mark in marked if mark.state == "held")
                left.update(payload.sample_id for _ in failed)
                if any(not isinstance(error, ReportBusy) for error in failed):
                    break
        return marks, errors

    def _register(self, payloads: Sequence[StoredPayload]) -> None:
        self._service.register(self._lab_id, [unpack(payload.body) for payload in payloads])


def _dealt(payloads: Sequence[StoredPayload], lanes: int) -> list[list[StoredPayload]]:
    """Return the parts of the lanes that have any; a sample is always of one lane."""
    parts: list[list[StoredPayload]] = [[] for _ in range(lanes)]
    for payload in payloads:
        parts[crc32(payload.sample_id.encode()) % lanes].append(payload)
    return [part for part in parts if part]


def _gathered(lanes: Iterable[Delivered]) -> Delivered:
    marks: list[Mark] = []
    errors: list[StoreUnavailable] = []
    for marked, failed in lanes:
        marks += marked
        errors += failed
    return marks, errors


def _held(payload: StoredPayload, error: Exception) -> Mark:
    """Hold a payload that no store will take; an error of our own must not stop the rest."""
    if isinstance(error, StoreRejected):
        log.error("payload rejected", entry_id=payload.entry_id, store=error.store)
        return Mark(payload.payload_key, "held", f"rejected by the {error.store}")
    log.error(
        "payload failed", entry_id=payload.entry_id, error=type_of(error), place=place_of(error)
    )
    return Mark(payload.payload_key, "held", f"internal error: {type_of(error)}")


def _tell_away(reason: str) -> None:
    log.warning("store_unavailable", reason=reason)


def _alert(error: Exception, retry: float) -> None:
    log.error("registrar_failed", alert=True, error=type_of(error), retry_seconds=retry)


def _parked(payload: StoredPayload) -> Mark:
    return Mark(payload.payload_key, "parked", "an earlier payload of its sample is held")
