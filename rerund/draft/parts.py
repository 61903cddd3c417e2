"""The parts of a draft that both protocols have in common."""

import re
from typing import Any

from rerund.draft.seen import Seen, are_numbers, are_times, codes
from rerund.draft.toml import Line, Table

_COMMA = re.compile(r"[<>]?\s*-?\d+,\d+")
_POINT = re.compile(r"[<>]?\s*-?\d+\.\d+")
_NO_NUMBER = re.compile(r"[-*+>.]{2,}")
_VERSION = re.compile(r"[\dA-Z]?\d[\d.\-_]*\w*|[.\d].*")
_DOTTED = re.compile(r"\d+(\.\w+)+")

STANDARD_STATUS = {
    "F": "final",
    "P": "preliminary",
    "S": "partial",
    "I": "pending",
    "X": "cannot_be_done",
}
"""Codes that mean the same on most instruments; others are left to the manual."""


def value_rule(seen: Seen, record: str, position: int) -> tuple[Any, str]:
    """Return where the value is within its field, and why."""
    field = f"{record}.{position}"
    width = seen.width(record, position)
    parts = [f"{field}.{number}" for number in range(1, width + 1)]
    counts = [seen.filled(path) for path in parts]
    if width <= 1 or not any(counts):
        return field, seen.said(field)
    first, *others = map(seen.texts, parts)
    used = max(sum(map(bool, cells)) for cells in zip(first, *others, strict=True))
    moves = any(b and not a for a, b in zip(first, others[0], strict=True))
    if moves:
        return parts[:2], f"{parts[0]} is empty where {parts[1]} is not: a word, else a number?"
    if used <= 1:
        return field, f"one component of {width} is used: {seen.said(field)}"
    if used > 3:
        return field, f"up to {used} components are used: one text, or several values?"
    numbers = " and ".join(p for p in parts if are_numbers(seen.texts(p))) or "none"
    said = f"up to {used} components are used, all numbers are in {numbers}: which is the value?"
    return parts[0], said


def value_lines(seen: Seen, rule: Any, why: str) -> list[Line]:
    """Return the keys of the value and what its text may hold."""
    texts = seen.texts(rule)
    commas, points = (sum(map(bool, map(p.fullmatch, texts))) for p in (_COMMA, _POINT))
    lines = [Line("value", rule, (why,))]
    if commas and not points:
        lines.append(
            Line("decimal_sign", ",", (f"{commas} values with a comma, none with a point",))
        )
    return lines


def sentinel_tables(seen: Seen, rule: Any) -> list[Table]:
    """Return a table for texts of signs alone, which stand for a number."""
    texts = [text for text in seen.texts(rule) if _NO_NUMBER.fullmatch(text)]
    if not texts:
        return []
    doubt = f"{len(texts)} values are signs alone: what each stands for is in the manual"
    lines = (Line("pattern", r"^[-*+>.]{2,}$"), Line("reason", "no_number"))
    return [Table("result.invalid", lines, (doubt,), several=True)]


def times_line(seen: Seen, places: dict[str, str], default: list[str]) -> Line:
    """Return `run_at`: the places that hold times, with what each is by the standard."""
    held = [path for path in places if are_times(seen.texts(path))]
    partly = [
        path
        for path in places
        if path not in held and any(are_times([text]) for text in seen.texts(path))
    ]
    held += partly
    doubts = [f"{seen.said(path)}; {places[path]}" for path in held]
    if not held:
        return Line("run_at", default, ("no time of a run was seen; by the standard it is here",))
    doubts.append("check which of them is when this run was measured: a rerun must have another")
    return Line("run_at", held if len(held) > 1 else held[0], tuple(doubts))


def status_tables(seen: Seen, path: str) -> list[Table]:
    """Return what the codes of a status mean where that is the same on most instruments."""
    found = {text for text in seen.texts(path) if text}
    lines = [Line(code, STANDARD_STATUS[code]) for code in sorted(found & set(STANDARD_STATUS))]
    rest = codes([text for text in seen.texts(path) if text not in STANDARD_STATUS])
    doubts = [f"seen in {path}: {codes(seen.texts(path))}"]
    if rest != "nothing":
        doubts.append(
            f"{rest}: left out, as C is a correction on some and a rerun on others, R a value "
            "sent again or a repeat; see the manual's table of result status"
        )
    return [Table("result.status_codes", tuple(lines), tuple(doubts))] if lines else []


def rerun_table(*saids: str) -> Table:
    """Return `[rerun]` with nothing marked, and where a mark might be."""
    doubts = (
        (
            "No mark is known, so waiting list and history tell reruns. Look in the manual for "
            "rerun, repeat, reflex, retest, redilution: a code of the order or the result, a run "
            "number, a flag; then send one sample, have it measured again, and compare both "
            "messages."
        ),
        *saids,
        "a mark: [[rerun.mark]] with field, equals, run_kind and source, and marked = true",
    )
    return Table("rerun", (Line("marked", False),), doubts)


def sender_lines(names: list[list[str]], where: str) -> list[Line]:
    """Return `sender`: the part of a header's sender that is a name and always the same."""
    filled = [parts for parts in names if any(map(str.strip, parts))]
    if len(filled) < len(names) or not filled:
        said = f"{where} is empty in {len(names) - len(filled)} of {len(names)} messages"
        return [Line("sender", "...", (said,), active=False)]
    common = [text.strip() for text in filled[0] if _is_in_all(text.strip(), filled)]
    common = [text for text in common if text.isprintable()]
    words = [text for text in common if not _VERSION.fullmatch(text)]
    number = len(filled[0])
    if not common:
        return [Line("sender", "...", (f"{where} differs from message to message",), active=False)]
    before = next((n for n, text in enumerate(filled[0]) if _DOTTED.fullmatch(text.strip())), 0)
    ahead = [text.strip() for text in filled[0][:before] if text.strip() in words]
    doubt = (
        f"one of {number} parts of {where}: it must be in every message of the instrument, so "
        "the model's name rather than a site, a serial number or a version"
    )
    held = "remove this once the sender is sure: then messages of other instruments are held"
    return [
        Line("sender", (ahead or words[:1] or common[:1])[-1], (doubt,)),
        Line("other_sender", "note", (held,)),
    ]


def _is_in_all(text: str, names: list[list[str]]) -> bool:
    return bool(text) and all(any(text in part for part in parts) for parts in names)
