"""What becomes of each value of a payload in one report, decided before anything changes.

The service decides again what the daemon's local copy suggested: by the open rerun, the
slots and the ledger as the stores have them now. First match, per value:

- its unit does not fit, or the ledger knows its run: `ignored` (a unit that does not fit
  still fails a requested parameter, and is answered as refused)
- a correction, withdrawal or status update of a run that may change in place: `corrections`
- a second value of one index and replicate in the payload: `aside`, usable ones come first
- numbered by its sender for a rerun that is closed: `refused`
- a remaining parameter of the open rerun, not run before the request: `counted` for
  `open_rerun`
- the first usable value of its index: `slots` (when it is also counted: both)
- an unusable value of an empty slot, or another replicate of the same run: `aside`
- repeated, in a payload of which a value is counted, or in a run that has a number already:
  `joined`
- of a closed rerun, from an instrument that had its order: `refused`
- first run on another instrument that is told to keep such runs: `aside`
- else `run`: an instrument-triggered (or parallel) run under the next number

In a report that an older workflow redrew nothing is counted and nothing joins, though a rerun
may be open: a LIMS moved the flag. What is no original there is `run`, which the table of
states refuses.
"""

import msgspec

from rerund.rerun.case import ReportCase
from rerund.rerun.corrections import Correction, find_corrected
from rerund.rerun.delivery import Delivery
from rerund.rerun.documents import SampleRerun
from rerund.rerun.instants import seconds
from rerund.rerun.placing import Placed
from rerund.rerun.records import ANY_DEVICE, WaitingRow
from rerund.rerun.rules import Rules
from rerund.rerun.states import Action, Event, decide

_SUPERSEDING = ("correction", "withdrawal", "status_update")


class Sorted(msgspec.Struct):
    """The values of a payload by what becomes of them; words are ledger reasons."""

    ignored: list[tuple[Placed, str]] = []
    corrections: list[Correction] = []
    open_rerun: SampleRerun | None = None
    counted: list[Placed] = []
    slots: list[Placed] = []
    aside: list[tuple[Placed, str]] = []
    joined: dict[int, list[Placed]] = {}
    refused: list[tuple[Placed, int]] = []
    run: list[Placed] = []


class Sorter:
    """Sorts the values of one payload for one report."""

    def __init__(
        self,
        case: ReportCase,
        delivery: Delivery,
        known: set[str],
        rules: Rules,
        numbered: int | None = None,
    ):
        """`numbered` is the rerun that the sender itself says the values belong to."""
        self._numbered = numbered
        self._case = case
        self._origin = delivery.origin
        self._known = known
        self._rules = rules
        # What was left out, for its unit, was no run to compare with.
        rows = [row for row in case.ledger if row.outcome != "ignored"]
        self._measured = {(row.device_id, row.index) for row in rows}
        self._sorted = Sorted([], [], None, [], [], [], {}, [], [])
        self._filled: set[int] = set()
        self._given: set[tuple[int, int]] = set()

    @property
    def is_rerun(self) -> bool:
        """Whether the payload came as a rerun."""
        return self._origin.is_rerun

    @property
    def _names_closed(self) -> bool:
        """Whether the sender names a rerun that takes no more values."""
        active = self._case.active
        return self._numbered is not None and (
            active is None or active.rerun_number != self._numbered
        )

    @property
    def _redrawn(self) -> bool:
        """Whether the report takes no rerun values: an open rerun may be left from before."""
        return decide(self._case.row.flag, Event.RUN).action is Action.REFUSE_VALUES

    @property
    def _open(self) -> SampleRerun | None:
        """The rerun for which values count."""
        return None if self._redrawn else self._case.active

    def sort(self, placed: list[Placed]) -> Sorted:
        """The values by what becomes of them."""
        rest = [value for value in _by_replicate(placed) if not self._set_apart(value)]
        if self._names_closed:
            self._sorted.refused = [(value, self._numbered or 0) for value in rest]
            return self._sorted
        rest = [value for value in rest if not self._count(value)]
        for value in rest:
            self._sort_uncounted(value)
        return self._sorted

    def _set_apart(self, value: Placed) -> bool:
        result = value.result
        if result.result_id in self._known:
            self._sorted.ignored.append((value, "known_run"))
            return True
        if value.shown is None and not self._remains(value):
            self._sorted.ignored.append((value, "unit_mismatch"))
            return True
        if result.run_kind in _SUPERSEDING:
            correction = find_corrected(self._case, value)
            if correction is not None:
                self._sorted.corrections.append(correction)
                return True
        return self._set_apart_second(value)

    def _set_apart_second(self, value: Placed) -> bool:
        """A run has room for one value per index and replicate; none overwrites another."""
        key = (value.index, value.result.replicate)
        if key in self._given:
            self._sorted.aside.append((value, "same_index"))
            return True
        self._given.add(key)
        return False

    def _remains(self, value: Placed) -> bool:
        active = self._open
        if active is None or not active.get_valid_requested_parameters([value.index]):
            return False
        return value.run_time() >= active.created_at - self._rules.clock_tolerance

    def _count(self, value: Placed) -> bool:
        active = self._open
        if active is None or not self._remains(value) or self._taken(active.rerun_number, value):
            return False
        self._sorted.open_rerun = active
        self._sorted.counted.append(value)
        if value.usable and self._empty(value):
            self._sorted.slots.append(value)
            self._filled.add(value.index)
        return True

    def _taken(self, number: int, value: Placed) -> bool:
        key = (number, value.index, value.result.replicate)
        stored = self._case.values.get(key)
        return stored is not None and stored.invalid_reason is None

    def _empty(self, value: Placed) -> bool:
        filled = value.index in self._case.slots or value.index in self._filled
        return not filled and not self._case.closed_to_lims

    def _sort_uncounted(self, value: Placed) -> None:
        reason = self._aside(value)
        if reason is not None:
            self._sorted.aside.append((value, reason))
        elif self._empty(value):
            self._sorted.slots.append(value)
            self._filled.add(value.index)
        else:
            self._sort_repeated(value)

    def _aside(self, value: Placed) -> str | None:
        slot = self._case.slots.get(value.index)
        if value.index in self._filled:
            return "replicate" if value.result.replicate else "same_index"
        if slot is None:
            return None if value.usable else "unusable"
        if self._same_run(slot.result_id):
            return "replicate" if value.result.replicate else "same_index"
        if self.is_parallel(value) and self._origin.device_id in self._rules.keep_parallel:
            return "parallel"
        return None

    def _same_run(self, result_id: str) -> bool:
        rows = self._case.by_result.get(result_id, ())
        return any(row.run_key == self._origin.run_key for row in rows)

    def is_parallel(self, value: Placed) -> bool:
        """Whether this is the first run on another instrument than the one shown."""
        slot = self._case.slots.get(value.index)
        device_id = self._origin.device_id
        return (
            slot is not None
            and slot.device_id != device_id
            and not self._origin.is_rerun
            and (device_id, value.index) not in self._measured
        )

    def _sort_repeated(self, value: Placed) -> None:
        number = self._number_to_join(value)
        if number is not None and not self._taken(number, value):
            self._sorted.joined.setdefault(number, []).append(value)
            return
        closed = self._closed_rerun(value)
        if closed is not None:
            self._sorted.refused.append((value, closed.rerun_number))
        else:
            self._sorted.run.append(value)

    def _number_to_join(self, value: Placed) -> int | None:
        if self._redrawn:
            return None
        active = self._open
        named = active is not None and active.rerun_number == self._numbered
        if active is not None and (named or self._sorted.open_rerun is not None):
            # What is still wanted keeps its place: this one was run before the request.
            wanted = active.get_valid_requested_parameters([value.index])
            return None if wanted else active.rerun_number
        return self._case.number_of_run(self._origin.run_key)

    def _closed_rerun(self, value: Placed) -> WaitingRow | None:
        return next((row for row in self._case.waiting if self._closed_for(row, value)), None)

    def _closed_for(self, row: WaitingRow, value: Placed) -> bool:
        if row.rerun_number == 0 or row.status not in ("resulted", "cancelled"):
            return False
        return value.index in row.requested and self._had_order(row) and self._ran_for(row, value)

    def _had_order(self, row: WaitingRow) -> bool:
        """An order pinned to this instrument, or one that the payload itself names."""
        if row.device_id != ANY_DEVICE:
            return row.device_id == self._origin.device_id
        named = self._origin.open_report in (None, row.lab_report_id)
        return named and row.rerun_number == self._origin.rerun_number

    def _ran_for(self, row: WaitingRow, value: Placed) -> bool:
        since_closed = seconds(self._origin.received_at) - seconds(row.updated_at)
        if since_closed > self._rules.history_window:
            return False
        return value.run_time() >= seconds(row.created_at) - self._rules.clock_tolerance


def _by_replicate(placed: list[Placed]) -> list[Placed]:
    """The instrument's mean first, then the replicates in order: the first one fills a slot.

    Of several values of one replicate a usable one is first.
    """
    return sorted(placed, key=lambda value: (value.result.replicate, not value.usable))
