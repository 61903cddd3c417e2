"""What an entry reads as now, with the profile of today and the inputs of its decision."""

import uuid
from collections.abc import Iterator, Sequence

import msgspec

from drivers.result import Result
from rerund.config import Config
from rerund.deciders import decider_of
from rerund.inputs import unpack_inputs
from rerund.interpreter import Outcome
from rerund.journal.reader import JournalReader
from rerund.journal.rows import PayloadRow, StoredEntry, StoredPayload
from rerund.payload_codec import pack, unpack
from rerund.rerun.model import Payload, PayloadContext
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
    decider = decider_of(config, instrument, _journal_of(reader, entry))
    return decider.decide(entry.entry_id, entry.received_at, text, inputs, inputs)


def _journal_of(reader: JournalReader, entry: StoredEntry) -> str:
    """Return the name that the journal had when an entry was decided: copies get another."""
    for payload in reader.payloads(entry.entry_id):
        for result in unpack(payload.body)[0].results:
            return result.result_id.partition("-")[0]
    return reader.journal_id


def corrections(config: Config, reader: JournalReader, entry: StoredEntry) -> list[PayloadRow]:
    """Return payloads that correct what was delivered of an entry and now reads otherwise.

    Only values are corrected: what run it was has been decided and may have been acted on. A
    correction that is there already is not made again.
    """
    outcome = decide_anew(config, reader, entry)
    stored = reader.payloads(entry.entry_id)
    delivered = {p.payload_id for p in stored if p.state == "delivered"}
    current = {r.result_id: r for payload in _as_corrected(stored) for r in payload.results}
    rows = []
    for payload, context in outcome.payloads if outcome else ():
        changed = [
            _correction(result, len(stored))
            for result in payload.results
            if payload.payload_id in delivered
            and result.result_id in current
            and _reading(result) != _reading(current[result.result_id])
        ]
        if changed:
            rows.append(_correcting(payload, context, changed, len(stored)))
    return rows


def _as_corrected(stored: Sequence[StoredPayload]) -> list[Payload]:
    """Return the payloads of an entry with the corrections of earlier replays in their places."""
    payloads = [unpack(payload.body)[0] for payload in stored]
    own = {result.result_id for payload in payloads for result in payload.results}
    newer = {r.supersedes: r for p in payloads for r in p.results if r.supersedes in own}
    kept = [p for p in payloads if not all(r.supersedes in own for r in p.results)]
    for payload in kept:
        payload.results = [_now_reading(result, newer) for result in payload.results]
    return kept


def _now_reading(result: Result, newer: dict[str, Result]) -> Result:
    latest = newer.get(result.result_id)
    if latest is None:
        return result
    return msgspec.structs.replace(result, **{name: getattr(latest, name) for name in READING})


READING = (
    "value",
    "comparator",
    "numeric",
    "invalid_reason",
    "units",
    "result_status",
    "abnormal_flags",
)
"""The members of a result that a correction changes."""


def _reading(result: Result) -> list[object]:
    return [getattr(result, name) for name in READING]


def _correction(result: Result, turn: int) -> Result:
    return msgspec.structs.replace(
        result,
        result_id=f"{result.result_id}-c{turn}",
        run_kind="correction",
        evidence="explicit",
        supersedes=result.result_id,
    )


def _correcting(
    payload: Payload, context: PayloadContext, results: list[Result], turn: int
) -> PayloadRow:
    payload_id = str(uuid.uuid5(uuid.UUID(payload.payload_id), f"correction-{turn}"))
    corrected = msgspec.structs.replace(
        payload,
        payload_id=payload_id,
        is_rerun=False,
        rerun_number=0,
        rerun_type=None,
        machine_triggered_rerun=False,
        results=results,
    )
    body = pack(corrected, context)
    return PayloadRow(payload_id, payload.sample_id, False, 0, payload.kind, body)


def differences(config: Config, reader: JournalReader, entry: StoredEntry) -> list[str]:
    """Return a line for each difference between an entry's payloads and what it reads as now."""
    if entry.state not in DECIDED:
        return [f"entry {entry.entry_id} is {entry.state}: there is no decision to compare"]
    outcome = decide_anew(config, reader, entry)
    if outcome is None:
        return [f"instrument {entry.device_id} is not configured"]
    kept = {p.payload_id: p for p in _as_corrected(reader.payloads(entry.entry_id))}
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
