"""One event on a report while it is decided."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from rerund.rerun.case import ReportCase, ValueKey
from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.records import ActivityRow, EventKind, EventRow
from rerund.rerun.refusals import Conflict
from rerund.rerun.states import Action, ActivityCode, Event, Transition, decide

SYSTEM_USER = -1
"""`created_by` of what rerund decides by itself."""

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D", bound=msgspec.Struct)


class Draft:
    """One event being decided: the steps through the table, the log, the after-images."""

    def __init__(
        self, case: ReportCase, event_id: str, kind: EventKind, at: str, user: int = SYSTEM_USER
    ):
        self.case = case
        self.event_id = event_id
        self.kind: EventKind = kind
        self.at = at
        self.user = user
        self.version = case.row.rerun_version + 1
        self.number: int | None = None
        self.steps: list[tuple[str, int, int]] = []
        self._flag_before = case.row.flag
        self._reruns: dict[int, SampleRerun] = {}
        self._values: dict[ValueKey, SampleRerunValues] = {}

    def step(self, event: Event) -> Transition:
        """Move the flag by the table; Conflict when the table refuses the caller."""
        before = self.case.row.flag
        transition = decide(before, event)
        if transition.action is Action.REFUSE_CALLER:
            code = transition.refusal or "conflict"
            raise Conflict(code, f"sampleRedrawFlag is {before}: {code.replace('_', ' ')}")
        self.case.row.flag = int(transition.to)
        self.steps.append((event.value, before, int(transition.to)))
        return transition

    def next_number(self) -> int:
        """Take the report's next rerun number; none is ever given twice."""
        self.case.row.last_rerun_number += 1
        return self.case.row.last_rerun_number

    def write_rerun(self, rerun: SampleRerun) -> None:
        """A rerun is new or has changed."""
        rerun.version = self.version
        self._reruns[rerun.rerun_number] = rerun
        self._keep(self.case.reruns, rerun.rerun_number, rerun, rerun.deleted_at is not None)

    def write_value(self, value: SampleRerunValues) -> None:
        """A rerun value is new or has changed."""
        value.version = self.version
        key = (value.rerun_number, value.index, value.replicate)
        self._values[key] = value
        self._keep(self.case.values, key, value, value.deleted_at is not None)

    @staticmethod
    def _keep(alive: dict[K, V], key: K, document: V, deleted: bool) -> None:
        if deleted:
            alive.pop(key, None)
        else:
            alive[key] = document

    def log(
        self,
        code: ActivityCode | None,
        number: int | None,
        *,
        old: dict[str, object],
        new: dict[str, object],
    ) -> None:
        """Add a line to the activity log, none without a code."""
        if code is None:
            return
        row = self.case.row
        self.case.pending.activity.append(
            ActivityRow(
                lab_id=row.lab_id,
                lab_report_id=row.lab_report_id,
                code=int(code),
                at=self.at,
                user_id=self.user,
                event_id=self.event_id,
                rerun_number=number,
                old=old,
                new=new,
            )
        )

    def close(self, answer: dict[str, object]) -> EventRow:
        """End the event: the version grows, and copies of what it wrote are its after-images."""
        row = self.case.row
        row.rerun_version = self.version
        active = self.case.active
        event = EventRow(
            event_id=self.event_id,
            lab_id=row.lab_id,
            lab_report_id=row.lab_report_id,
            version=self.version,
            kind=self.kind,
            rerun_number=self.number,
            flag_before=self._flag_before,
            flag_after=row.flag,
            at=self.at,
            reruns=_copies(self._reruns.values()),
            values=_copies(self._values.values()),
            active_number=active.rerun_number if active else None,
            inputs={"steps": self.steps},
            answer=answer,
        )
        self.case.pending.events.append(event)
        return event


def _copies(documents: Iterable[D]) -> list[D]:
    return [msgspec.structs.replace(document) for document in documents]
