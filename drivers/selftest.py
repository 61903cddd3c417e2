"""Golden samples: a message as records, and what a profile must make of it.

`CASE.astm` holds records, one a line, `CASE.hl7` segments, or either what came over the line;
`CASE.json` beside it what must come out. Only the members that the JSON writes are compared;
lists must have the same length and order.
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
from protocols.astm.control import STX
from protocols.astm.message import parse
from protocols.astm.unframe import message_texts
from protocols.hl7 import message as hl7
from protocols.hl7 import mllp
from protocols.hl7.boundary import split_messages


def check(profile: AnyProfile, sample: Path, expectation: Path | None = None) -> list[str]:
    """Return how the reading of a golden sample differs from what must come out of it.

    Raises OSError when a file can not be read, and ValueError when the JSON is none.
    """
    expectation = expectation or sample.with_suffix(".json")
    expected = json.loads(expectation.read_text(encoding="utf-8"))
    if not isinstance(expected, dict):
        raise ValueError("expected an object with samples, queries and notes")  # noqa: TRY004
    actual = read_sample(profile, sample)
    lists: dict[str, Any] = {} if "error" in actual else {key: [] for key in actual}
    return list(_differences("", lists | expected, actual))


def read_sample(profile: AnyProfile, sample: Path) -> dict[str, Any]:
    """Return all that a profile makes of a sample, as the JSON beside it would have it.

    Clock times are in UTC. A message that the profile refuses is `{"error": code}`.
    """
    try:
        found = _interpret(profile, sample.read_bytes())
    except InterpretError as error:
        return {"error": error.code}
    notes = [note.code for note in found.notes]
    said = {"samples": found.samples, "queries": found.queries, "notes": notes}
    if isinstance(profile, Hl7Profile):
        said["attachments"] = found.attachments
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(said))
    return answer


def _interpret(profile: AnyProfile, data: bytes) -> Interpretation:
    if isinstance(profile, AstmProfile):
        texts = message_texts(data, profile.dialect) if STX in data else [_uncommented(data)]
        records = [message for text in texts for message in parse(text, profile.dialect)]
        return interpret(records, profile, id_prefix="1", timezone=UTC)
    blocks = mllp.unframe(data, profile.dialect) if mllp.VT in data else None
    content = b"\r".join(each.content for each in blocks) if blocks else _uncommented(data)
    content = content.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
    messages = [hl7.parse(text, profile.dialect) for text in split_messages(content)]
    return interpret_hl7(messages, profile, id_prefix="1", timezone=UTC)


def _uncommented(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#"))


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
