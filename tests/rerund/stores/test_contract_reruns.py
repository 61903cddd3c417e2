"""Contract of `RerunStore`: after-images over lower versions only, unique keys, tombstones."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rerund.stores.ports import StoreRejected
from tests.rerund.stores.made import rerun, value


def test_what_is_applied_is_read(reruns):
    reruns.apply([rerun()], [value(1), value(2, replicate=1)])
    assert reruns.reruns(1, [1]) == [rerun()]
    assert reruns.values(1, [1]) == [value(1), value(2, replicate=1)]


def test_documents_are_those_of_the_lab_and_of_the_reports(reruns):
    reruns.apply([rerun(), rerun(lab_id=2)], [value(), value(lab_id=2)])
    for method in (reruns.reruns, reruns.values):
        assert [document.lab_id for document in method(1, [1, 7])] == [1]
        assert method(1, [7]) == []
        assert method(1, []) == []


def test_documents_come_in_order(reruns):
    closed = {"is_active": False}
    reruns.apply(
        [rerun(2), rerun(1, **closed), rerun(1, lab_report_id=9)],
        [value(2, 1), value(1, 2), value(1, 1, replicate=2), value(1, 1, replicate=1)],
    )
    found = [(d.lab_report_id, d.rerun_number) for d in reruns.reruns(1, [9, 1])]
    assert found == [(1, 1), (1, 2), (9, 1)]
    places = [(v.order, v.rerun_number, v.replicate) for v in reruns.values(1, [1])]
    assert places == [(10, 1, 1), (10, 1, 2), (10, 2, 0), (20, 1, 0)]


@pytest.mark.parametrize(
    ("versions", "kept"), [((1, 2), 2), ((2, 1), 2), ((2, 2), 2), ((3, 1, 2), 3)]
)
def test_the_highest_version_stays_whatever_the_order(reruns, versions, kept):
    for turn, version in enumerate(versions):
        reruns.apply(
            [rerun(version=version, reason=f"{turn}")], [value(version=version, value=f"{turn}")]
        )
    turn = f"{versions.index(kept)}"
    assert reruns.reruns(1, [1]) == [rerun(version=kept, reason=turn)]
    assert reruns.values(1, [1]) == [value(version=kept, value=turn)]


def test_the_next_rerun_takes_over_in_one_apply(reruns):
    reruns.apply([rerun(1)], [])
    second = rerun(2, version=2)
    reruns.apply([second, rerun(1, version=2, is_active=False)], [])
    assert reruns.reruns(1, [1]) == [rerun(1, version=2, is_active=False), second]


def test_a_tombstone_is_skipped_and_frees_the_active_rerun(reruns):
    reruns.apply([rerun()], [value()])
    reruns.apply([rerun(version=2, deleted_at=100)], [value(version=2, deleted_at=100)])
    assert reruns.reruns(1, [1]) == []
    assert reruns.values(1, [1]) == []
    reruns.apply([rerun(2, version=3)], [])
    assert reruns.reruns(1, [1]) == [rerun(2, version=3)]


def test_a_late_after_image_does_not_bring_a_deleted_document_back(reruns):
    reruns.apply([rerun(version=2, deleted_at=100)], [value(version=2, deleted_at=100)])
    reruns.apply([rerun(version=1)], [value(version=1)])
    assert reruns.reruns(1, [1]) == []
    assert reruns.values(1, [1]) == []


def test_purge_removes_old_tombstones_only(reruns):
    dead = {"version": 2, "is_active": False}
    reruns.apply(
        [rerun(1, deleted_at=100, **dead), rerun(2, deleted_at=200, **dead), rerun(3)],
        [value(1, deleted_at=100), value(2)],
    )
    assert reruns.purge(100.0) == 0
    assert reruns.purge(150.0) == 2
    assert reruns.purge(150.0) == 0
    assert reruns.reruns(1, [1]) == [rerun(3)]
    assert reruns.values(1, [1]) == [value(2)]


@pytest.mark.parametrize(
    "second",
    [rerun(2), rerun(2, is_active=False, run_key="#1")],
    ids=["a second active one", "the same run key"],
)
def test_a_second_document_with_a_unique_key_is_refused(reruns, second):
    reruns.apply([rerun(1)], [])
    with pytest.raises(StoreRejected):
        reruns.apply([second], [value()])
    assert reruns.reruns(1, [1]) == [rerun(1)]


@pytest.mark.parametrize("other", [{"lab_id": 2}, {"lab_report_id": 9}], ids=["lab", "report"])
def test_unique_keys_are_those_of_one_report(reruns, other):
    reruns.apply([rerun(), rerun(**other)], [value(), value(**other)])
    documents = reruns.reruns(1, [1, 9]) + reruns.reruns(2, [1])
    assert len(documents) == 2


def test_applied_by_many_at_once_the_highest_version_stays(reruns, beside):
    def apply(version):
        store = (reruns, beside.reruns)[version % 2]
        store.apply([rerun(version=version)], [value(n, version=version) for n in (1, 2, 3)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(apply, [3, 8, 1, 7, 2, 6, 5, 4]))
    assert reruns.reruns(1, [1]) == [rerun(version=8)]
    assert {v.version for v in beside.reruns.values(1, [1])} == {8}
