"""What an entry reads as now, with the profile of today and the inputs of its decision."""

from collections.abc import Iterator

import msgspec

from rerund.config import Config
from rerund.deciders import decider_of
from rerund.inputs import unpack_inputs
from rerund.interpreter import Outcome
from rerund.journal.reader import JournalReader
from rerund.journal.rows import StoredEntry
from rerund.payload_codec import unpack
from rerund.rerun.model import Payload
from rerund.resume import joined

DECIDED = ("interpreted", "query", "retransmission", "empty", "held")


def decide_anew(config: Config, reader: JournalReader, entry: StoredEntry) -> Outcome | None:
    """Decide an entry from what was kept with it; None when its instrument is not configured."""
    for instrument in config.instruments:
        if instrument.device_id == entry.device_id:
            break
    else:
        return None
    text = reader.text(entry.entry_id)
    for part in reader.earlier_parts(entry.entry_id):
        text = joined(reader.text(part), text)
    inputs = unpack_inputs(reader.inputs(entry.entry_id))
    decider = decider_of(config, instrument, reader.journal_id)
    return decider.decide(entry.entry_id, entry.received_at, text, inputs, inputs)


def differences(config: Config, reader: JournalReader, entry: StoredEntry) -> list[str]:
    """Return a line for each difference between an entry's payloads and what it reads as now."""
    if entry.state not in DECIDED:
        return [f"entry {entry.entry_id} is {entry.state}: there is no decision to compare"]
    outcome = decide_anew(config, reader, entry)
    if outcome is None:
        return [f"instrument {entry.device_id} is not configured"]
    kept = {p.payload_id: unpack(p.body)[0] for p in reader.payloads(entry.entry_id)}
    now = {payload.payload_id: payload for payload, _ in outcome.payloads}
    found = [] if outcome.state == entry.state else [f"state: {entry.state} -> {outcome.state}"]
    for payload_id in sorted(kept.keys() | now.keys()):
        found += _differing(payload_id, kept.get(payload_id), now.get(payload_id))
    return found


def _differing(payload_id: str, kept: Payload | None, now: Payload | None) -> Iterator[str]:
    if kept is None or now is None:
        yield f"payload {payload_id}: {'new' if kept is None else 'no longer made'}"
        return
    for name in ("sample_id", "kind", "is_rerun", "rerun_number", "rerun_type"):
        yield from _changed(f"payload {payload_id} {name}", getattr(kept, name), getattr(now, name))
    before = {result.result_id: result for result in kept.results}
    after = {result.result_id: result for result in now.results}
    for result_id in sorted(before.keys() | after.keys()):
        if result_id not in before or result_id not in after:
            yield f"result {result_id}: {'new' if result_id in after else 'no longer read'}"
            continue
        old = msgspec.structs.asdict(before[result_id])
        new = msgspec.structs.asdict(after[result_id])
        for name in old:
            yield from _changed(f"result {result_id} {name}", old[name], new[name])


def _changed(what: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{what}: {old!r} -> {new!r}"
