"""The rerun store on MongoDB or DocumentDB: what a LIMS may read there.

Only operations that both have. Nothing is decided by a read here, and no operation needs a
transaction: see `rerund.stores.ports`.
"""

from collections.abc import Collection as Keys
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.stores.mongodb_client import STORE, connect, translated
from rerund.stores.mongodb_indexes import (
    RERUNS,
    VALUES,
    MissingIndexesError,
    create_indexes,
    missing_indexes,
)
from rerund.stores.mongodb_writes import BATCH, Image, of_reports, write
from rerund.stores.order import rerun_order, takes_the_active_key, value_order
from rerund.stores.ports import StoreRejected
from rerund.stores.settings import MongodbSettings

D = TypeVar("D", SampleRerun, SampleRerunValues)


def _image(document: SampleRerun | SampleRerunValues, **derived: Any) -> Image:
    """A document as it is stored: `deleted_at` only where it is deleted."""
    body = {**msgspec.to_builtins(document), **derived}
    if body["deleted_at"] is None:
        del body["deleted_at"]
    return Image(document.id, document.lab_id, document.lab_report_id, document.version, body)


def _rerun_image(rerun: SampleRerun) -> Image:
    return _image(rerun, active_of=rerun.active_of)


class MongodbRerunStore:
    """`RerunStore` in the collections `SampleRerun` and `SampleRerunValues`.

    May be used from several threads. It connects when it is first used.
    """

    def __init__(self, settings: MongodbSettings):
        self._client = connect(settings)
        self._database = self._client[settings.database]

    def check(self) -> None:
        """Raise MissingIndexesError for a database that `rerund db upgrade` has not seen."""
        missing = self.missing_indexes()
        if missing:
            raise MissingIndexesError(missing)

    def missing_indexes(self) -> list[str]:
        """The indexes that are not there, or not as they should be."""
        with translated():
            return missing_indexes(self._database)

    def create_indexes(self) -> None:
        """Make what is missing of the collections and their indexes."""
        with translated():
            create_indexes(self._database)

    def reruns(self, lab_id: int, lab_report_ids: Keys[int]) -> list[SampleRerun]:
        """The reruns of these reports, by report and number."""
        return sorted(self._alive(RERUNS, SampleRerun, lab_id, lab_report_ids), key=rerun_order)

    def values(self, lab_id: int, lab_report_ids: Keys[int]) -> list[SampleRerunValues]:
        """The rerun values of these reports, by report, order, number and replicate."""
        found = self._alive(VALUES, SampleRerunValues, lab_id, lab_report_ids)
        return sorted(found, key=value_order)

    def _alive(self, name: str, kind: type[D], lab_id: int, reports: Keys[int]) -> list[D]:
        if not reports:
            return []
        with translated():
            found = list(self._database[name].find(of_reports(lab_id, reports), batch_size=BATCH))
        alive = [document for document in found if document.get("deleted_at") is None]
        try:
            return msgspec.convert(alive, list[kind])  # type: ignore[valid-type]
        except msgspec.ValidationError:
            raise StoreRejected(STORE, f"a document of {name} that is none of ours") from None

    def apply(self, reruns: Sequence[SampleRerun], values: Sequence[SampleRerunValues]) -> None:
        """Write each document unless the stored one has the same or a higher version."""
        for active in (False, True):
            part = [_rerun_image(r) for r in reruns if takes_the_active_key(r) == active]
            write(self._database[RERUNS], part)
        write(self._database[VALUES], [_image(value) for value in values])

    def purge(self, deleted_before: float) -> int:
        """Remove tombstones older than this (Unix seconds); answers how many.

        Those of every lab, so all shards are asked, each by its index of the tombstones.
        """
        old = {"deleted_at": {"$exists": True, "$lt": deleted_before}}
        with translated():
            return sum(
                self._database[name].delete_many(old).deleted_count for name in (RERUNS, VALUES)
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
