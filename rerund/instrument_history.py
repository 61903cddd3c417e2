"""The history of one instrument: what its journal holds, and what was decided since.

Entries are decided one after the other while their payloads are still on the way to the
disk. What was decided is remembered here, and read from the journal for a sample that was
not seen for a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from rerund.interpreter import Outcome
from rerund.payload_codec import known_runs, unpack
from rerund.rerun.model import KnownRun

SAMPLES = 4096
"""Samples kept in memory: far more than one instrument has on the way to the disk."""


class InstrumentHistory:
    """A `History` over packed payloads, least recently seen samples left to the journal.

    `bodies` returns the packed payloads of a sample of this instrument in the order of
    arrival. `complete` is False as long as the journal may lack runs of the history window.
    """

    def __init__(
        self,
        bodies: Callable[[str], Iterable[bytes]],
        previous: tuple[bytes, str | None] | None = None,
        *,
        complete: bool,
        limit: int = SAMPLES,
    ) -> None:
        self.complete = complete
        self._bodies = bodies
        self._previous = previous
        self._limit = limit
        self._runs: OrderedDict[str, list[KnownRun]] = OrderedDict()
        self._before: dict[str, dict[str, KnownRun]] = {}
        self.since = ""
        """ISO 8601 UTC: runs received before it are no history any more."""

    def complete_with(self, runs: Iterable[tuple[str, KnownRun]], *, last: bool = True) -> None:
        """Take over (sample id, run) pairs that the journal lacks; after the last it is whole."""
        samples = set()
        for sample_id, run in runs:
            self._before.setdefault(sample_id, {})[run.result_id] = run
            samples.add(sample_id)
        for sample_id in samples & self._runs.keys():
            self._runs[sample_id] = self._with_before(sample_id, self._runs[sample_id])
        self.complete = self.complete or last

    def _with_before(self, sample_id: str, runs: list[KnownRun]) -> list[KnownRun]:
        """Return the runs of a sample with those that others received, in order of arrival."""
        own = {run.result_id for run in runs}
        others = [run for key, run in self._before.get(sample_id, {}).items() if key not in own]
        return sorted([*others, *runs], key=lambda run: run.received_at or "") if others else runs

    def runs(self, sample_id: str) -> Sequence[KnownRun]:
        """Return the known runs of a sample in the order of arrival.

        Those that have left the window are dropped: a control that is run every day would
        fill the memory, and a restart would decide otherwise.
        """
        runs = self._runs.get(sample_id)
        if runs is None:
            own = [run for body in self._bodies(sample_id) for run in known_runs(*unpack(body))]
            runs = self._with_before(sample_id, own)
            self._runs[sample_id] = runs
            if len(self._runs) > self._limit:
                self._runs.popitem(last=False)
        else:
            self._runs.move_to_end(sample_id)
        if runs and (runs[0].received_at or self.since) < self.since:
            runs[:] = [run for run in runs if (run.received_at or self.since) >= self.since]
        return runs

    def previous_digest(self) -> tuple[bytes, str | None] | None:
        """Return digest and `received_at` of the previous entry that was decided."""
        return self._previous

    def remember(self, outcome: Outcome, received_at: str | None) -> None:
        """Add what an entry said; one on hold said nothing."""
        if outcome.state == "held":
            return
        for sample_id, run in outcome.known_runs():
            # Its runs were asked for when the entry was decided, so the sample is here.
            self._runs.setdefault(sample_id, []).append(run)
        self._previous = (outcome.digest, received_at)

    def forget_all(self) -> None:
        """Read every sample from the journal again, after a person changed something there."""
        self._runs.clear()
