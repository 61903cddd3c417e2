"""What somebody may have meant who named a driver that is not there."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

LIKE = 0.6
"""How like a name has to be: of its letters, or the share of words that it has."""

MOST = 12
CLOSE = 0.1
"""How much less like than the nearest one the others that are named may be."""

_SEPARATORS = re.compile(r"[^a-z0-9]+")


def nearest(wanted: str, about: Mapping[str, str]) -> list[str]:
    """Return the names that are most like `wanted`; `about` has each with its vendor and models.

    So `sysmx-xn`, `sysmex` and `Sysmex XN-1000` are all understood.
    """
    likeness = {name: _likeness(wanted, name, text) for name, text in about.items()}
    best = max(likeness.values(), default=0.0)
    if best < LIKE:
        return []
    near = [name for name, value in likeness.items() if value >= max(LIKE, best - CLOSE)]
    return sorted(near, key=lambda name: (-likeness[name], name))[:MOST]


def _likeness(wanted: str, name: str, about: str) -> float:
    words = _words(wanted)
    known = set(_words(f"{name} {about}"))
    share = sum(word in known for word in words) / len(words) if words else 0.0
    return max(share, SequenceMatcher(None, "-".join(words), name).ratio())


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text.lower()) if word]
