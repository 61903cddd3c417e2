"""Processes that carry the events of the same reports to one store, each in its own order.

As the ports have it: an event is carried after the older ones of its report, merged with
them or after somebody else did; and it may be carried again, late, beside newer ones.
"""

import random
from collections.abc import Iterator
from contextlib import closing

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.settings import MongodbSettings
from tests.rerund.stores.made import rerun, value

Images = tuple[list[SampleRerun], list[SampleRerunValues]]

REPORTS = range(1, 9)


def events(report: int) -> list[Images]:
    """Three reruns of a report, two settled and one open, version by version."""
    where = {"lab_report_id": report}
    images: list[Images] = []
    version = 0
    for number in (1, 2, 3):
        done = {"is_active": False, **where}
        images.append(([rerun(number, version + 1, **where)], []))
        arrived = [value(index, number, version + 2, **where) for index in (1, 2)]
        images.append(([rerun(number, version + 2, reason="late", **where)], arrived))
        images.append(
            ([rerun(number, version + 3, **done)], [value(3, number, version + 3, **where)])
        )
        version += 3
        if number < 3:
            version += 1
            dead = {"deleted_at": 100, **where}
            gone = [value(index, number, version, **dead) for index in (1, 2, 3)]
            images.append(([rerun(number, version, is_active=False, **dead)], gone))
    return images


def newest(images: list[Images]) -> Images:
    """The newest image of every document."""
    reruns = {document.id: document for part, _ in images for document in part}
    values = {document.id: document for _, part in images for document in part}
    return list(reruns.values()), list(values.values())


def _turns(chance: random.Random) -> Iterator[tuple[int, Images]]:
    """A report and what to carry of it, until everything was carried, and some of it again."""
    left = {report: events(report) for report in REPORTS}
    carried: list[tuple[int, Images]] = []
    while left:
        report = chance.choice(list(left))
        some = chance.randint(1, 4)
        part, left[report] = left[report][:some], left[report][some:]
        if not left[report]:
            del left[report]
        carried.append((report, newest(part)))
        yield carried[-1]
        yield chance.choice(carried)


def carry(settings: MongodbSettings, seed: int) -> int:
    """Carry everything in an order of this seed; answers how many turns it took."""
    turns = 0
    with closing(MongodbRerunStore(settings)) as store:
        for _, (reruns, values) in _turns(random.Random(seed)):
            store.apply(reruns, values)
            turns += 1
    return turns
