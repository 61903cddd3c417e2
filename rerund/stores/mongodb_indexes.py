"""The collections and their indexes, without which nothing in them is guaranteed.

Every unique key begins with `lab_id`, so that it may be the shard key. The index of the
tombstones is sparse: documents that are not deleted have no `deleted_at` and are not in it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pymongo.database import Database

from rerund.stores.mongodb_client import STORE, Document
from rerund.stores.versions import StoreVersionError

RERUNS = "SampleRerun"
VALUES = "SampleRerunValues"

_OF_REPORT = ("lab_id", "lab_report_id")


class DocumentIndex(NamedTuple):
    """One index of one collection, every key ascending."""

    collection: str
    name: str
    keys: tuple[str, ...]
    unique: bool = True
    sparse: bool = False


INDEXES = (
    DocumentIndex(RERUNS, "uq_rerun_number", (*_OF_REPORT, "rerun_number")),
    DocumentIndex(RERUNS, "uq_rerun_run_key", (*_OF_REPORT, "run_key")),
    DocumentIndex(RERUNS, "uq_rerun_active_of", ("lab_id", "active_of")),
    DocumentIndex(VALUES, "uq_rerun_value", (*_OF_REPORT, "rerun_number", "index", "replicate")),
    *(
        DocumentIndex(collection, "ix_deleted", ("deleted_at",), unique=False, sparse=True)
        for collection in (RERUNS, VALUES)
    ),
)


class MissingIndexesError(StoreVersionError):
    """A document store lacks indexes: nothing is read or written."""

    def __init__(self, missing: list[str]):
        super().__init__(STORE, None)
        self.missing = missing

    def __str__(self) -> str:
        return f"{self.store} has no index {', '.join(self.missing)}: rerund db upgrade"


def missing_indexes(database: Database[Document]) -> list[str]:
    """The indexes that are not there, or not as they should be, as `Collection.name`."""
    found = {name: _found(database, name) for name in (RERUNS, VALUES)}
    return [
        f"{index.collection}.{index.name}"
        for index in INDEXES
        if (index.keys, index.unique, index.sparse) not in found[index.collection]
    ]


def _found(database: Database[Document], collection: str) -> set[tuple[Any, ...]]:
    return {_shape(index) for index in database[collection].list_indexes()}


def _shape(index: Mapping[str, Any]) -> tuple[Any, ...]:
    """Keys, unique, sparse; a partial or descending index is none of ours."""
    ascending = all(direction == 1 for direction in index["key"].values())
    if not ascending or "partialFilterExpression" in index:
        return ()
    return tuple(index["key"]), bool(index.get("unique")), bool(index.get("sparse"))


def create_indexes(database: Database[Document]) -> None:
    """Make the collections and the indexes that are not there."""
    for index in INDEXES:
        keys = [(key, 1) for key in index.keys]
        database[index.collection].create_index(
            keys, name=index.name, unique=index.unique, sparse=index.sparse
        )
