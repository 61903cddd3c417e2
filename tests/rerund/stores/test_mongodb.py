"""The documents on a MongoDB-wire server: as a LIMS reads them, and their indexes."""

import traceback

import pytest
from bson.int64 import Int64
from pymongo.errors import BulkWriteError

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.stores.mongodb import MongodbRerunStore
from rerund.stores.mongodb_client import translated
from rerund.stores.mongodb_indexes import INDEXES, MissingIndexesError
from rerund.stores.mongodb_writes import of_reports
from rerund.stores.ports import StoreError, StoreRejected
from rerund.stores.versions import StoreVersionError
from tests.rerund.stores.made import AT, RUN, rerun, value

PATIENT = "Ünal^Ayşe"


@pytest.fixture
def settings(servers):
    return servers.secantus.settings()


@pytest.fixture
def store(settings):
    store = MongodbRerunStore(settings)
    store.create_indexes()
    yield store
    store.close()


@pytest.fixture
def lims(servers, settings):
    """The database as anybody else sees it."""
    with servers.secantus.client() as client:
        yield client[settings.database]


def test_a_rerun_as_a_lims_reads_it(store, lims):
    store.apply([rerun(1, lab_report_id=2**40)], [])
    (found,) = lims.SampleRerun.find()
    assert found == {
        "_id": f"1:{2**40}:1",
        "lab_id": 1,
        "lab_report_id": 2**40,
        "sample_id": "S1",
        "type": "Manual",
        "rerun_number": 1,
        "is_active": True,
        "requested_parameters": [1, 3],
        "fulfilled_parameters": [1],
        "failed_parameters": [],
        "parameter_names": ["WBC", "HGB"],
        "reason": "clot?",
        "dilution": None,
        "run_key": "#1",
        "created_by": 7,
        "created_at": 1779267600,
        "updated_by": 7,
        "updated_at": 1779267600,
        "version": 1,
        "active_of": f"1:{2**40}",
    }
    assert type(found["is_active"]) is bool
    assert type(found["lab_id"]) is int


def test_a_value_as_a_lims_reads_it(store, lims):
    store.apply([], [value(3)])
    (found,) = lims.SampleRerunValues.find()
    assert found == {
        "_id": "1:1:1:3:0",
        "lab_id": 1,
        "lab_report_id": 1,
        "sample_id": "S1",
        "value": "12.1",
        "order": 30,
        "index": 3,
        "rerun_type": "manual_rerun",
        "rerun_number": 1,
        "parameter_name": "WBC",
        "device_id": "42",
        "device_name": "Sysmex XN-1000",
        "created_at": AT,
        "units": "10*3/uL",
        "run_kind": "repeat",
        "run_at": RUN,
        "abnormal_flags": ["H"],
        "requested": True,
        "replicate": 0,
        "result_id": "j-2-1-3",
        "version": 1,
        "comparator": None,
        "numeric": None,
        "invalid_reason": None,
        "result_status": None,
        "conflict": False,
        "late": False,
    }


def test_every_field_of_a_document_is_stored_by_its_own_name(store, lims):
    store.apply([rerun(version=2, deleted_at=100)], [value(version=2, deleted_at=100)])
    (found,) = lims.SampleRerun.find()
    assert set(found) == {"_id", "active_of", *SampleRerun.__struct_fields__}
    (found,) = lims.SampleRerunValues.find()
    assert set(found) == {"_id", *SampleRerunValues.__struct_fields__}


def test_a_rerun_that_is_closed_or_deleted_is_active_for_nobody(store, lims):
    for version, gone in enumerate([{"is_active": False}, {"deleted_at": 100}], 2):
        store.apply([rerun(version=version, **gone)], [])
        assert lims.SampleRerun.find_one()["active_of"] == "1:1:1"


def test_a_document_that_another_program_gave_wider_numbers_is_read(store, lims):
    store.apply([rerun()], [])
    lims.SampleRerun.update_one({}, {"$set": {"rerun_number": Int64(1), "seen_by_lims": True}})
    assert store.reruns(1, [1]) == [rerun()]


def test_the_indexes_are_these(store, lims):
    found = {
        (name, index["name"]): (list(index["key"]), bool(index.get("unique")))
        for name in ("SampleRerun", "SampleRerunValues")
        for index in lims[name].list_indexes()
    }
    report = ["lab_id", "lab_report_id"]
    assert found == {
        ("SampleRerun", "_id_"): (["_id"], False),
        ("SampleRerun", "uq_rerun_number"): ([*report, "rerun_number"], True),
        ("SampleRerun", "uq_rerun_run_key"): ([*report, "run_key"], True),
        ("SampleRerun", "uq_rerun_active_of"): (["lab_id", "active_of"], True),
        ("SampleRerun", "ix_deleted"): (["deleted_at"], False),
        ("SampleRerunValues", "_id_"): (["_id"], False),
        ("SampleRerunValues", "uq_rerun_value"): (
            [*report, "rerun_number", "index", "replicate"],
            True,
        ),
        ("SampleRerunValues", "ix_deleted"): (["deleted_at"], False),
    }


def test_indexes_are_made_once(store):
    assert store.missing_indexes() == []
    store.create_indexes()
    store.check()


def test_an_empty_database_lacks_every_index(settings):
    store = MongodbRerunStore(settings)
    with pytest.raises(MissingIndexesError, match="rerund db upgrade") as refused:
        store.check()
    assert isinstance(refused.value, StoreVersionError)
    assert refused.value.missing == [f"{index.collection}.{index.name}" for index in INDEXES]
    store.close()


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: f"{index.collection}.{index.name}")
def test_a_database_without_an_index_is_refused_until_it_is_made(store, lims, index):
    lims[index.collection].drop_index(index.name)
    with pytest.raises(MissingIndexesError, match=f"no index {index.collection}.{index.name}:"):
        store.check()
    store.create_indexes()
    store.check()


@pytest.mark.parametrize(
    "other",
    [
        {"keys": [("lab_id", 1), ("active_of", 1)]},
        {"keys": [("lab_id", 1), ("active_of", -1)], "unique": True},
        {"keys": [("active_of", 1), ("lab_id", 1)], "unique": True},
        {"keys": [("lab_id", 1), ("active_of", 1)], "unique": True, "sparse": True},
        {
            "keys": [("lab_id", 1), ("active_of", 1)],
            "unique": True,
            "partialFilterExpression": {"is_active": True},
        },
    ],
    ids=["not unique", "descending", "other order", "sparse", "partial"],
)
def test_another_index_in_place_of_a_unique_one_does_not_count(store, lims, other):
    lims.SampleRerun.drop_index("uq_rerun_active_of")
    lims.SampleRerun.create_index(other.pop("keys"), name="uq_rerun_active_of", **other)
    assert store.missing_indexes() == ["SampleRerun.uq_rerun_active_of"]


def test_an_index_of_another_name_counts(store, lims):
    lims.SampleRerun.drop_index("uq_rerun_active_of")
    lims.SampleRerun.create_index([("lab_id", 1), ("active_of", 1)], name="mine", unique=True)
    store.check()


@pytest.mark.parametrize("name", ["SampleRerun", "SampleRerunValues"])
def test_documents_are_found_by_an_index(store, lims, name):
    plan = lims[name].find(of_reports(1, [1, 2])).explain()["queryPlanner"]["winningPlan"]
    assert plan["inputStage"]["stage"] == "IXSCAN"
    assert list(plan["inputStage"]["keyPattern"])[:2] == ["lab_id", "lab_report_id"]


def test_a_value_kept_out_by_another_one_keeps_no_third_one_out(store, lims):
    lims.SampleRerunValues.insert_one({"_id": "x", **_place(2)})
    with pytest.raises(StoreRejected):
        store.apply([], [value(1), value(2), value(3)])
    assert [found.index for found in store.values(1, [1]) if found.index != 2] == [1, 3]


def _place(index):
    stored = value(index)
    return {name: getattr(stored, name) for name in SampleRerunValues.__struct_fields__}


@pytest.mark.parametrize(
    "refused",
    [
        lambda store, _: store.apply([rerun(2), rerun(3)], []),
        lambda store, _: store.apply([], [value(value=PATIENT, sample_id="\ud800")]),
        lambda store, _: store.apply([], [value(value=PATIENT, order=2**70)]),
        lambda store, lims: _read_foreign(store, lims, {"version": "one"}),
        lambda store, lims: _read_foreign(store, lims, {"type": PATIENT}),
    ],
    ids=["unique key", "no text", "number too large", "type of a field", "unknown word"],
)
def test_no_refusal_tells_what_is_in_a_document(store, lims, refused):
    store.apply([rerun(1, sample_id=PATIENT, reason=PATIENT)], [])
    with pytest.raises(StoreRejected) as caught:
        refused(store, lims)
    told = "".join(traceback.format_exception(caught.value))
    assert PATIENT not in told
    assert "1:1" not in told


def _read_foreign(store, lims, changed):
    lims.SampleRerun.update_one({}, {"$set": changed})
    store.reruns(1, [1])


def test_what_is_said_of_a_document_rejects_it_and_all_else_is_tried_again():
    def met(*codes, concern=()):
        errors = [{"index": n, "code": code, "errmsg": PATIENT} for n, code in enumerate(codes)]
        details = {"writeErrors": errors, "writeConcernErrors": list(concern)}
        with pytest.raises(StoreError) as caught, translated():
            raise BulkWriteError(details)
        assert PATIENT not in "".join(traceback.format_exception(caught.value))
        return str(caught.value)

    assert met(11000, 121) == (
        "mongodb refused the rows: error 121 refused by the validator of the collection"
    )
    assert met(112) == "mongodb is not available: error 112 write conflict"
    assert met(concern=[{"code": 64}]) == ("mongodb is not available: not confirmed by a majority")
