"""Payloads as bytes: JSON for people and programs, rows of msgpack for the journal.

A packed payload is `[version, payload row, result rows, context row, patient row]`, each
row in the order of the members of its struct. A new member goes to the end of its struct
with a default, and older bytes stay readable.
"""

from typing import Any

import msgspec
from msgspec.structs import astuple

from drivers.result import Patient, Result
from rerund.rerun.identity import is_usable
from rerund.rerun.model import KnownRun, Payload, PayloadContext

VERSION = 1

_RESULTS = Payload.__struct_fields__.index("results")
_PATIENT = PayloadContext.__struct_fields__.index("patient")
_COMPARED = PayloadContext.__struct_fields__.index("compared")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_encode_json = msgspec.json.Encoder().encode


class PackedPayloadError(ValueError):
    """Bytes that are no packed payload of a known version."""


def to_json(payload: Payload) -> bytes:
    """Return a payload as one line of JSON, without the line end."""
    return _encode_json(payload)


def pack(payload: Payload, context: PayloadContext) -> bytes:
    """Return a payload and its context as bytes for the journal."""
    row = list(astuple(payload))
    row[_RESULTS] = None
    about = list(astuple(context))
    patient = about[_PATIENT]
    about[_PATIENT] = None
    return _encode(
        (
            VERSION,
            row,
            [astuple(result) for result in payload.results],
            about,
            None if patient is None else astuple(patient),
        )
    )


def unpack(body: bytes) -> tuple[Payload, PayloadContext]:
    """Return what `pack` packed. Raises PackedPayloadError."""
    try:
        version, row, results, about, patient = _decode(body)
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise PackedPayloadError("expected a packed payload") from error
    if version != VERSION:
        raise PackedPayloadError(f"expected version {VERSION} of a payload, got {version!r}")
    row[_RESULTS] = [Result(*result) for result in results]
    about[_PATIENT] = None if patient is None else _patient(patient)
    about[_COMPARED] = tuple(about[_COMPARED])
    return Payload(*row), PayloadContext(*about)


def _patient(row: list[Any]) -> Patient:
    return Patient(tuple(row[0]), *row[1:])


_NO_FLAGS: list[str] = []


def known_runs(payload: Payload, context: PayloadContext) -> list[KnownRun]:
    """Return what history holds of a payload; nothing for the id of a failed barcode read."""
    if not context.id_reliable:
        return []
    return [
        KnownRun(
            result.result_id,
            result.test_code,
            result.value,
            result.units,
            result.result_status,
            # Most have none, and one list for all of those is one less for the collector each.
            result.abnormal_flags or _NO_FLAGS,
            result.run_at,
            result.dilution,
            result.replicate,
            is_usable(result),
            result.run_kind,
            payload.is_rerun,
            payload.rerun_number,
            context.run_key,
            payload.entry_id,
            payload.received_at,
            result.supersedes,
        )
        for result in payload.results
    ]
