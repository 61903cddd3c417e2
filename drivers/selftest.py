"""Golden samples: a message as records, and what a profile must make of it.

`CASE.astm` holds records, one a line, `CASE.hl7` segments; `CASE.json` beside it what must
come out. Only the
members that the JSON writes are compared; lists must have the same length and order.
"""

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from drivers.errors import InterpretError
from drivers.hl7.interpret import interpret as interpret_hl7
from drivers.interpret import interpret
from drivers.profile import AnyProfile, AstmProfile, Hl7Profile
from drivers.result import Interpretation
from protocols.astm.message import parse
from protocols.hl7 import message as hl7
from protocols.hl7.boundary import split_messages


def check(profile: AnyProfile, sample: Path) -> list[str]:
    """Return how the reading of a golden sample differs from what must come out of it.

    Raises OSError when a file can not be read, and ValueError when the JSON is none.
    """
    expected = json.loads(sample.with_suffix(".json").read_text(encoding="utf-8"))
    actual = read_sample(profile, sample)
    lists: dict[str, Any] = {} if "error" in actual else {key: [] for key in actual}
    return list(_differences("", lists | expected, actual))


def read_sample(profile: AnyProfile, sample: Path) -> dict[str, Any]:
    """Return all that a profile makes of a sample, as the JSON beside it would have it.

    Clock times are in UTC. A message that the profile refuses is `{"error": code}`.
    """
    lines = sample.read_bytes().splitlines(keepends=True)
    text = b"".join(line for line in lines if not line.startswith(b"#"))
    try:
        found = _interpret(profile, text)
    except InterpretError as error:
        return {"error": error.code}
    notes = [note.code for note in found.notes]
    said = {"samples": found.samples, "queries": found.queries, "notes": notes}
    if isinstance(profile, Hl7Profile):
        said["attachments"] = found.attachments
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(said))
    return answer


def _interpret(profile: AnyProfile, text: bytes) -> Interpretation:
    if isinstance(profile, AstmProfile):
        records = parse(text, profile.dialect)
        return interpret(records, profile, id_prefix="1", timezone=UTC)
    text = text.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    messages = [hl7.parse(content, profile.dialect) for content in split_messages(text)]
    return interpret_hl7(messages, profile, id_prefix="1", timezone=UTC)


def _differences(where: str, expected: Any, actual: Any) -> list[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [
            difference
            for key, value in expected.items()
            for difference in _differences(f"{where}.{key}", value, actual.get(key))
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            difference
            for number, (one, other) in enumerate(zip(expected, actual, strict=True))
            for difference in _differences(f"{where}[{number}]", one, other)
        ]
    if expected == actual:
        return []
    return [f"{where.lstrip('.')}: expected {_short(expected)}, got {_short(actual)}"]


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"{len(value)} of them"
    return json.dumps(value, ensure_ascii=False)
