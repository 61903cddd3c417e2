"""What has to be true of the stores after a crowd has worked on the same reports."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import msgspec

from rerund.rerun.records import EventRow
from rerund.rerun.service_stores import Stores
from rerund.rerun.states import Event, decide
from tests.faults.crowd import Said, Told

LAB = 1

_ASKED = ("request", "confirm", "cancel")
"""Events that only a person makes, one for each answer that was given."""


def problems(stores: Stores, reports: Collection[int], told: Told) -> list[str]:
    """Return what is wrong with these reports and with what the crowd was told of them."""
    found = [*told.wrong, *_wrong_ledger(stores, reports, told)]
    for report in sorted(reports):
        events = stores.reports.events(LAB, report)
        said = [one for one in told.answers if one.report == report]
        found += [
            *_broken_chain(stores, report, events),
            *_wrong_numbers(stores, report, events),
            *_lost_answers(report, events, said),
            *_wrong_refusals(report, events, said),
            *_wrong_documents(stores, report, events),
        ]
    return found


def _broken_chain(stores: Stores, report: int, events: Sequence[EventRow]) -> Iterator[str]:
    """Events in the order of their versions go through the pure table, state by state."""
    flag = 0
    for version, event in enumerate(events, 1):
        if (event.version, event.flag_before) != (version, flag):
            yield f"report {report}: {event.event_id} follows on {version - 1} at {flag}"
        for name, _, after in _steps(event):
            flag = int(decide(flag, Event(name)).to)
            if flag != after:
                yield f"report {report}: {name} of version {version} led to {after}, not {flag}"
        if event.flag_after != flag:
            yield f"report {report}: version {version} ended at {event.flag_after}, not {flag}"
    (row,) = stores.reports.reports(LAB, [report])
    if (row.rerun_version, row.flag) != (len(events), flag):
        yield f"report {report} is at {row.rerun_version} and {row.flag}, not {len(events)}, {flag}"


def _steps(event: EventRow) -> list[tuple[str, int, int]]:
    return msgspec.convert(event.inputs["steps"], list[tuple[str, int, int]])


def _wrong_numbers(stores: Stores, report: int, events: Sequence[EventRow]) -> Iterator[str]:
    first: dict[int, int] = {}
    for event in events:
        for rerun in event.reruns:
            first.setdefault(rerun.rerun_number, event.version)
    if list(first) != list(range(1, len(first) + 1)):
        yield f"report {report}: its numbers were given in the order {list(first)}"
    (row,) = stores.reports.reports(LAB, [report])
    if row.last_rerun_number != len(first):
        yield f"report {report}: its last number is {row.last_rerun_number}, not {len(first)}"


def _lost_answers(report: int, events: Sequence[EventRow], said: Sequence[Said]) -> Iterator[str]:
    """Every change that was answered is one event, and every such event was answered."""
    answered = Counter(
        (one.action, msgspec.json.encode(one.body, order="sorted"))
        for one in said
        if one.action in _ASKED and one.status < 300
    )
    made = Counter(
        (event.kind, msgspec.json.encode(event.answer, order="sorted"))
        for event in events
        if event.kind in _ASKED
    )
    for (kind, answer), times in (answered - made).items():
        yield f"report {report}: {kind} was answered {times} times too often: {answer!r}"
    for (kind, answer), times in (made - answered).items():
        yield f"report {report}: {kind} happened {times} times without an answer: {answer!r}"


def _wrong_refusals(report: int, events: Sequence[EventRow], said: Sequence[Said]) -> Iterator[str]:
    """A caller was refused by the state of the report at the version that the refusal names."""
    flags = [0, *(event.flag_after for event in events)]
    for one in said:
        if one.status != 409:
            continue
        error = one.body["error"]
        if error["code"] == "changed":
            if error["version"] == one.asked["version"]:
                yield f"report {report}: {one.action} was refused although nothing had changed"
            continue
        refusal = decide(flags[error["version"]], _event(one)).refusal
        if refusal != error["code"]:
            yield f"report {report}: {one.action} was refused with {error}, not {refusal}"


def _event(said: Said) -> Event:
    match said.action:
        case "request":
            return Event.REQUEST
        case "confirm":
            return Event.CONFIRM_CLOSING if said.asked["close_open"] else Event.CONFIRM
        case "cancel":
            return Event.CANCEL
    return Event.AUTO_CHECK


def _wrong_documents(stores: Stores, report: int, events: Sequence[EventRow]) -> Iterator[str]:
    """The documents are the newest after-images, deleted ones left out."""
    if stores.reports.unapplied_events(LAB, [report]):
        yield f"report {report} has events that were not carried to the documents"
    reruns = {rerun.id: rerun for event in events for rerun in event.reruns}
    values = {value.id: value for event in events for value in event.values}
    pairs = (
        ("reruns", reruns, stores.reruns.reruns(LAB, [report])),
        ("values", values, stores.reruns.values(LAB, [report])),
    )
    for name, wanted, found in pairs:
        alive = {key: one for key, one in wanted.items() if one.deleted_at is None}
        if alive != {one.id: one for one in found}:
            yield f"report {report}: its {name} are not those of its events"
    active = [rerun.rerun_number for rerun in reruns.values() if rerun.is_active]
    cached = stores.numbers.active_number(LAB, report)
    if [cached] != (active or [None]):
        yield f"report {report}: the number cache says {cached}, not {active}"


def _wrong_ledger(stores: Stores, reports: Collection[int], told: Told) -> Iterator[str]:
    """Each value that an instrument was acknowledged is in the ledger, and once."""
    found = Counter(
        (row.sample_id, row.test_code, row.result.value)
        for row in stores.reports.ledger_of_reports(LAB, reports)
        if row.device_id != "poct"
    )
    for value, times in (told.sent - found).items():
        yield f"the ledger has no {value}, {times} times"
    for value, times in (found - told.sent).items():
        yield f"the ledger has {value} {times} times too often"
