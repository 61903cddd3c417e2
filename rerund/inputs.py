"""What a decision was based on besides the bytes, kept with the entry for replays."""

from collections.abc import Sequence

import msgspec

from rerund.rerun.history import History, Waiting
from rerund.rerun.model import KnownRun, OpenRerun


class Inputs(msgspec.Struct, array_like=True):
    """The history and the waiting-list rows used for one entry, by sample id.

    It answers as history and waiting list did, so an entry is decided again from it alone.
    """

    complete: bool = True
    previous: tuple[bytes, str | None] | None = None
    known: dict[str, list[KnownRun]] = {}
    waiting: dict[str, list[OpenRerun]] = {}

    def runs(self, sample_id: str) -> Sequence[KnownRun]:
        """Return the runs that were known of a sample."""
        return self.known.get(sample_id, ())

    def previous_digest(self) -> tuple[bytes, str | None] | None:
        """Return digest and `received_at` of the entry before."""
        return self.previous

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        """Return the reruns that were open for a sample."""
        return self.waiting.get(sample_id, ())


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Inputs).decode


class Recorder:
    """Asks history and waiting list, and writes down what they answered."""

    def __init__(self, history: History, waiting: Waiting) -> None:
        self._history = history
        self._waiting = waiting
        self.inputs = Inputs(complete=history.complete)

    def runs(self, sample_id: str) -> Sequence[KnownRun]:
        """Return the known runs of a sample, in the order of arrival."""
        runs = self._history.runs(sample_id)
        if runs:
            self.inputs.known[sample_id] = list(runs)
        return runs

    def open_reruns(self, sample_id: str) -> Sequence[OpenRerun]:
        """Return the reruns that are open for a sample."""
        rows = self._waiting.open_reruns(sample_id)
        if rows:
            self.inputs.waiting[sample_id] = list(rows)
        return rows

    def previous_equal(self, digest: bytes) -> tuple[bytes, str | None] | None:
        """Return digest and `received_at` of the entry before when it was equal to this one."""
        previous = self._history.previous_digest()
        if previous is None or previous[0] != digest:
            return None
        self.inputs.previous = previous
        return previous


def pack_inputs(inputs: Inputs) -> bytes:
    """Return inputs as bytes for the journal, none when nothing was known and nothing open."""
    is_plain = inputs.complete and not (inputs.known or inputs.waiting or inputs.previous)
    return b"" if is_plain else _encode(inputs)


def unpack_inputs(body: bytes) -> Inputs:
    """Return what `pack_inputs` packed; no bytes stand for nothing known, nothing open."""
    return _decode(body) if body else Inputs()
