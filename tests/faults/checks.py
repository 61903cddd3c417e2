"""What has to be true of the files of a daemon, whatever happened to it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rerund.journal.reader import JournalReader
from rerund.journal.rows import StoredEntry
from rerund.payload_codec import unpack
from rerund.rerun.model import MACHINE_RERUN, Payload
from rerund.rerun.service_stores import Stores
from rerund.stores.opening import open_stores
from rerund.stores.settings import StoreSettings
from tests.faults.instruments import Instrument, RunValues, run_values

LAB = 1

_UNSETTLED = ("entry_open", "entry_received", "payload_pending")
_SETTLED = ("interpreted", "retransmission", "superseded")


async def all_delivered(state_dir: Path) -> None:
    """Wait until a running daemon has decided and delivered everything it received."""
    with JournalReader(state_dir / "journal.db") as reader:
        while any(reader.backlog()[name] for name in _UNSETTLED):
            await asyncio.sleep(0.1)


def problems(
    state_dir: Path, instruments: Sequence[Instrument], settings: StoreSettings | None = None
) -> list[str]:
    """Return what is wrong after these instruments have finished and all is delivered.

    Without `settings` the stores are embedded in the state directory.
    """
    with JournalReader(state_dir / "journal.db") as reader:
        found = [
            *lost_frames(reader, instruments),
            *_unsettled(reader),
            *_wrong_payloads(reader, instruments),
        ]
    with open_stores(settings or StoreSettings(str(state_dir / "store.db"))) as opened:
        return [*found, *_wrong_ledger(opened.stores, instruments)]


def lost_frames(reader: JournalReader, instruments: Iterable[Instrument]) -> Iterator[str]:
    """Yield the frames that were acknowledged more often than they are in the journal."""
    for instrument in instruments:
        stored: Counter[bytes] = Counter()
        for entry in reader.entries(device_id=instrument.name):
            stored.update(reader.frames(entry.entry_id))
        for sent, times in (instrument.acknowledged - stored).items():
            yield f"{instrument.name}: {sent!r} was acknowledged {times} times too often"


def _unsettled(reader: JournalReader) -> Iterator[str]:
    for entry in reader.entries():
        if entry.state not in _SETTLED and not _says_nothing(entry):
            yield f"entry {entry.entry_id} is {entry.state} {entry.reason} {entry.detail}"


def _says_nothing(entry: StoredEntry) -> bool:
    """Say whether an entry was cut before its first specimen, or is bytes that are stored already.

    No message is the repetition of the former; the latter is kept as evidence only.
    """
    cut = (entry.state, entry.reason, entry.frames) == ("held", "incomplete", 1)
    return cut or (entry.state, entry.reason) == ("rejected", "retransmitted")


def _wrong_payloads(reader: JournalReader, instruments: Iterable[Instrument]) -> Iterator[str]:
    for instrument in instruments:
        for sample in instrument.finished:
            found = [_summary(unpack(row.body)[0]) for row in reader.payloads_of_sample(sample)]
            wanted = [
                (False, 0, run_values(sample, rerun=False)),
                (True, MACHINE_RERUN, run_values(sample, rerun=True)),
            ]
            if found != wanted:
                yield f"sample {sample} has the payloads {found}, not {wanted}"


def _summary(payload: Payload) -> tuple[bool, int, RunValues]:
    values = {(result.test_code, result.run_at or ""): result.value for result in payload.results}
    assert len(values) == len(payload.results)
    return payload.is_rerun, payload.rerun_number, values


def _wrong_ledger(stores: Stores, instruments: Iterable[Instrument]) -> Iterator[str]:
    for instrument in instruments:
        rows = stores.reports.ledger_of_samples(LAB, instrument.finished)
        found = Counter(
            (row.sample_id, row.test_code, row.run_at, row.result.value) for row in rows
        )
        wanted = Counter(
            (sample, code, at, value)
            for sample in instrument.finished
            for rerun in (False, True)
            for (code, at), value in run_values(sample, rerun=rerun).items()
        )
        for result in wanted - found:
            yield f"the ledger has no {result}"
        for result, times in (found - wanted).items():
            yield f"the ledger has {result} {times} times too often"
