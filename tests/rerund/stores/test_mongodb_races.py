"""Many processes at the same documents: what stays is what one alone would have left."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context

import pytest

from rerund.stores.mongodb import MongodbRerunStore
from tests.rerund.stores.appliers import REPORTS, carry, events, newest
from tests.rerund.stores.made import rerun, value


@pytest.fixture
def settings(servers):
    settings = servers.secantus.settings()
    with closing(MongodbRerunStore(settings)) as store:
        store.create_indexes()
    return settings


def assert_all_is_as_alone(settings):
    last = [newest(events(report)) for report in REPORTS]
    with closing(MongodbRerunStore(settings)) as store:
        expected = [document for reruns, _ in last for document in reruns]
        assert store.reruns(1, REPORTS) == [d for d in expected if d.deleted_at is None]
        alive = [d for _, values in last for d in values if d.deleted_at is None]
        assert store.values(1, REPORTS) == alive
        dead = [d for pair in last for kind in pair for d in kind if d.deleted_at is not None]
        assert store.purge(101.0) == len(dead)
        assert store.purge(101.0) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_four_processes_carry_the_same_events_in_orders_of_their_own(settings, seed):
    seeds = [10 * seed + process for process in range(4)]
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        turns = list(processes.map(carry, [settings] * 4, seeds))
    assert all(turned >= len(REPORTS) for turned in turns)
    assert_all_is_as_alone(settings)


def test_four_threads_of_one_process_do_so_too(settings):
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(carry, [settings] * 4, range(4)))
    assert_all_is_as_alone(settings)


@pytest.mark.parametrize("count", [1, 700])
def test_a_batch_in_which_some_are_new_some_older_and_some_newer(settings, count):
    with closing(MongodbRerunStore(settings)) as store:
        stored = [value(n, version=n % 3 + 1, value="stored") for n in range(count) if n % 4]
        store.apply([], stored)
        store.apply([], [value(n, version=2, value="applied") for n in range(count)])
        found = {found.index: found for found in store.values(1, [1])}
        for n in range(count):
            kept = n % 4 and n % 3 + 1 >= 2
            assert found[n].value == ("stored" if kept else "applied")


def test_of_two_images_of_one_document_in_a_batch_the_newer_stays(settings):
    with closing(MongodbRerunStore(settings)) as store:
        for order in (1, -1):
            closed = {"lab_report_id": 2 + order, "is_active": False}
            store.apply([rerun(version=v, **closed) for v in (1, 2)[::order]], [])
            assert [d.version for d in store.reruns(1, [2 + order])] == [2]
