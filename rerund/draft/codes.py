"""Which components of a field name the test, and which number replicates or dilutions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rerund.draft.seen import Seen

_KIND_OF_RESULT = {"F", "I", "P", "G"}
_ABBOTT_KINDS = 7
"""The first component in which Abbott's instruments put such a letter."""

_DILUTION = re.compile(r"UNDILUTED|1:\d+(\.\d+)?|X\d+(\.\d+)?", re.IGNORECASE)
_SLASHED = re.compile(r"\s*\d+/[^/]*(/.*)?")
_PLUSSED = re.compile(r"[\d.]+\+[^+]+\+[^+]*")
_FACTORS = {"1", "2", "3", "4", "5", "8", "10", "20", "50", "100"}


@dataclass(frozen=True)
class Names:
    """How results are named: rules for profile keys, and why."""

    test_code: Any
    why: str
    replicate: str | None = None
    dilution: Any = None
    undiluted: Any = None
    is_diluted: bool = True
    """Whether what looks like dilutions differs, so that it is more than a number."""


def find_names(seen: Seen, places: Sequence[str], extras: Sequence[str]) -> Names:
    """Name the results by one of `places`, the likeliest first, and as many `extras` as it needs.

    Extras tell results of one order from each other that have the same name.
    """
    named = [path for path in places if seen.filled(path) and not _are_kinds(seen, path)]
    main = next((path for path in named if 2 * seen.filled(path) > len(seen)), None)
    main = main or next(iter(named), places[0])
    within = _within(seen, main)
    if within is not None:
        return within
    extras = [path for path in extras if path != main]
    dilution = next((path for path in extras if _are_dilutions(seen, path)), None)
    rest = [path for path in extras if path != dilution]
    found = _by_kind(seen, main, rest) or _by_difference(seen, main, rest)
    if dilution is None:
        return found
    undiluted = sorted({text for text in seen.texts(dilution) if text in {"1", "UNDILUTED"}})
    texts = {text for text in seen.texts(dilution) if text}
    is_sure = len(texts) > 1 or not texts <= _FACTORS
    return Names(found.test_code, found.why, found.replicate, dilution, undiluted or None, is_sure)


def _within(seen: Seen, main: str) -> Names | None:
    """Find a test and a dilution in one component."""
    texts = [text for text in seen.texts(main) if text]
    if texts and all(map(_SLASHED.fullmatch, texts)):
        return Names(
            {"from": main, "match": "^([^/]*)"},
            "codes hold a slash: test / dilution, as on Roche instruments?",
            dilution={"from": main, "match": "^[^/]*/([^/]*)"},
        )
    if texts and all(map(_PLUSSED.fullmatch, texts)):
        return Names(
            {"from": main, "match": r"^[^+]*\+([^+]+)"},
            "codes hold plus signs: number + test + dilution, as on Ortho VITROS?",
            dilution={"from": main, "match": r"^[^+]*\+[^+]+\+([^+]*)$"},
        )
    return None


def _are_kinds(seen: Seen, path: str) -> bool:
    texts = {text for text in seen.texts(path) if text}
    return bool(texts) and texts <= _KIND_OF_RESULT


def _by_kind(seen: Seen, main: str, extras: Sequence[str]) -> Names | None:
    """Name results by the letters that Abbott's instruments put behind a test's name."""
    path = next((path for path in reversed(extras) if seen.filled(path)), None)
    if path is None or not _are_kinds(seen, path) or 2 * seen.filled(path) <= len(seen):
        return None
    if _position(path)[2] < _ABBOTT_KINDS:
        return None
    why = f"{path} holds only letters of F, I, P, G: kinds of result of one test?"
    return Names({"join": [main, path]}, why)


def _by_difference(seen: Seen, main: str, extras: Sequence[str]) -> Names:
    """Add places to the name until the results of an order can be told from each other."""
    told = seen.are_distinct(main)
    total = len(seen)
    if told == total:
        return Names(main, f"tells all {total} {seen.noun} of an order from each other")
    for path in extras:
        if seen.are_distinct(path) == seen.filled(path) == total and _are_words(seen, path):
            return Names(path, f"{main} is the same for several results of an order, this is not")
    replicate = next(
        (p for p in extras if seen.are_distinct(main, p) > told and _count_up(seen, p)), None
    )
    names = [main]
    beside = [replicate] if replicate else []
    told = seen.are_distinct(main, *beside)
    while told < total:
        best = max(extras, key=lambda path: seen.are_distinct(*names, *beside, path), default=main)
        better = seen.are_distinct(*names, *beside, best)
        if better <= told:
            break
        names, told = [*names, best], better
    why = f"tells {told} of {total} {seen.noun} from the others of their order"
    if len(names) == 1:
        why += ": the rest are repeats, or their name is elsewhere" if told < total else ""
        return Names(main, why, replicate)
    return Names({"join": sorted(names, key=_position)}, why, replicate)


def _position(path: str) -> tuple[str, int, int]:
    record, field, *component = path.split(".")
    return record, int(field), int(component[0]) if component else 0


def _count_up(seen: Seen, path: str) -> bool:
    texts = {text for text in seen.texts(path) if text}
    return texts == {str(number) for number in range(1, len(texts) + 1)}


def _are_words(seen: Seen, path: str) -> bool:
    texts = [text for text in seen.texts(path) if text]
    return bool(texts) and sum(len(text) > 1 for text in texts) * 2 > len(texts)


def _are_dilutions(seen: Seen, path: str) -> bool:
    texts = {text for text in seen.texts(path) if text}
    if texts and all(map(_DILUTION.fullmatch, texts)):
        return True
    is_after = path in ("R.3.5", "R.3.6")
    return (
        is_after
        and bool(texts)
        and "1" in texts
        and texts <= _FACTORS
        and not _differ_in_an_order(seen, path)
    )


def _differ_in_an_order(seen: Seen, path: str) -> bool:
    """Whether the numbers count the results of an order."""
    return len(seen) > 1 and seen.are_distinct(path) == len(seen) and _count_up(seen, path)
