"""Which of several places holds the id of the specimen."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rerund.draft.seen import Seen, are_small, are_times
from rerund.draft.toml import Line

_PADDED = re.compile(r" {2,}\S|\S {2,}| {6,}")
"""A barcode that is shorter than its field, or none at all in a field of blanks."""


class Place(NamedTuple):
    """A path that may hold the id; `weight` is what the standard says for it."""

    path: str
    record: str
    field: int
    component: int | None
    weight: float


@dataclass(frozen=True)
class Found:
    """Where the id seems to be, what is shown when it is empty, and what else was seen."""

    best: str | None
    stand_in: str | None
    said: tuple[str, ...]


def find_id(seen: Seen, places: Sequence[Place], asked: set[str]) -> Found:
    """Pick the place of the id; `asked` are the ids that queries of the capture name."""
    scored = sorted(
        ((_score(seen, place, asked), place) for place in places), key=lambda pair: -pair[0]
    )
    ranked = [place for score, place in scored if score > 0] or [
        place for _, place in scored if seen.filled(place.path) and place.component in (None, 1)
    ]
    said = tuple(seen.said(place.path) for place in ranked[:4])
    if not ranked:
        return Found(None, None, said)
    best = ranked[0].path
    empty = [index for index, text in enumerate(seen.texts(best)) if not text]
    others = [place.path for place in places if place.path != best and place.weight >= 1.0]
    stand_in = next(
        (path for path in others if empty and any(seen.texts(path)[i] for i in empty)), None
    )
    return Found(best, stand_in, said)


def _score(seen: Seen, place: Place, asked: set[str]) -> float:
    """Higher is likelier; 0 or less is not an id."""
    texts = [text for text in seen.texts(place.path) if text]
    is_padded = any(map(_PADDED.search, _raws(seen, place)))
    if not texts:
        return place.weight / 2 + 2.0 if is_padded and place.component != 1 else 0.0
    score = place.weight
    if any(len(text) >= 4 and any(map(str.isdigit, text)) for text in texts):
        score += 1.0
    if are_small(texts):
        score -= 2.5
    if are_times(texts) or all(len(text) == 1 for text in texts):
        score -= 2.5
    if is_padded:
        score += 2.0
    if asked.intersection(texts):
        score += 3.0
    return score * (0.6 + 0.4 * len(texts) / len(seen))


def _raws(seen: Seen, place: Place) -> list[str]:
    if place.component is None:
        return seen.raws(place.record, place.field)
    index = place.component - 1
    parts = (row.parts(place.record, place.field) for row in seen.rows)
    return [each[index] for each in parts if index < len(each)]


def places_of(seen: Seen, record: str, field: int, weight: float) -> list[Place]:
    """Return the components of a field as places, the first the likeliest; or the field."""
    width = seen.width(record, field)
    repeats = any(row.repeat in row.raw(record, field) for row in seen.rows)
    if width <= 1 and not repeats:
        return [Place(f"{record}.{field}", record, field, None, weight)]
    return [
        Place(f"{record}.{field}.{number}", record, field, number, weight - 0.1 * (number - 1))
        for number in range(1, width + 1)
    ]


def id_lines(found: Found, default: list[str]) -> Iterator[Line]:
    """Yield where the specimen's id is, what else was seen, and what to look for."""
    if found.best is None:
        yield Line("id", default, ("no id of a specimen was seen: this is where others have it",))
    else:
        check = "check with a barcode that you know: not the rack, position, sequence or patient"
        yield Line("id", found.best, (*found.said, check))
    if found.stand_in:
        doubt = f"{found.best} is empty in some: this is shown then, and matches nothing"
        yield Line("stand_in", found.stand_in, (doubt,))
    doubt = "ids that stand for a barcode that could not be read: send one, and see"
    yield Line("unreliable", ["^ERR"], (doubt,), active=False)
