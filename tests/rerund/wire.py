"""A wire that misbehaves: splits, merges, drops, repeats, delays, flips and resets, seeded."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field


class LineResetError(ConnectionError):
    """The wire broke while carrying; what it held back is lost."""


@dataclass
class Wire:
    """Carries bytes in one direction. Each chance is per piece, from 0 to 1.

    `split` cuts a piece at a random place, `merge` holds a piece back and joins it to the
    next one, `delay` holds it back and hands both over in order, `drop` loses it, `repeat`
    carries it twice, `flip` turns one of its bits, `reset` breaks the line.
    """

    seed: int = 0
    split: float = 0
    merge: float = 0
    drop: float = 0
    repeat: float = 0
    delay: float = 0
    flip: float = 0
    reset: float = 0
    _rng: random.Random = field(init=False, repr=False)
    _joined: bytes = field(default=b"", init=False)
    _delayed: list[bytes] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def carry(self, data: bytes) -> list[bytes]:
        """Return the pieces that come out when `data` goes in. Raises `LineResetError`."""
        if self._happens(self.reset):
            self._joined, self._delayed = b"", []
            raise LineResetError
        data, self._joined = self._joined + data, b""
        if self._happens(self.drop):
            return []
        if self._happens(self.merge):
            self._joined = data
            return []
        data = self._flipped(data)
        copies = 2 if self._happens(self.repeat) else 1
        self._delayed += [piece for _ in range(copies) for piece in self._pieces(data)]
        return [] if self._happens(self.delay) else self.flush()

    def flush(self) -> list[bytes]:
        """Return what was held back, because time has passed."""
        pieces, self._delayed = self._delayed, []
        if self._joined:
            pieces.append(self._joined)
            self._joined = b""
        return pieces

    def _happens(self, chance: float) -> bool:
        return self._rng.random() < chance

    def _flipped(self, data: bytes) -> bytes:
        if not data or not self._happens(self.flip):
            return data
        at = self._rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._rng.randrange(8)]) + data[at + 1 :]

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while len(data) > 1 and self._happens(self.split):
            cut = self._rng.randrange(1, len(data))
            yield data[:cut]
            data = data[cut:]
        yield data


def in_reads_of(size: int, data: bytes) -> list[bytes]:
    """Cut `data` into reads of `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]
