"""Documents written over lower versions only, however many write the same ones at once.

Most after-images are of documents that are new, and a server inserts a batch several times
as fast as it looks each one up. So all are inserted first; those that are there already are
replaced where their version is lower; of what neither was inserted nor replaced the version is
read again. One as new, or newer, is done. Every document is thus part of a write, which
waits for a majority even when it changes nothing.
"""

from collections.abc import Collection as Keys
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection

from rerund.stores.mongodb_client import STORE, Document, Duplicates, translated
from rerund.stores.ports import StoreRejected

ATTEMPTS = 5
"""How often a document is tried that keeps meeting the unique key of another one."""


BATCH = 1000
"""Documents that a server answers at once."""


class Image(NamedTuple):
    """One document as it should be, without its `_id`."""

    id: str
    lab_id: int
    report: int
    version: int
    body: Document


def of_reports(lab_id: int, lab_report_ids: Keys[int]) -> Document:
    """The question for all documents of these reports, tombstones too.

    It has nothing beyond the first keys of an index, so that every server takes that index.
    """
    return {"lab_id": lab_id, "lab_report_id": {"$in": list(lab_report_ids)}}


def newest(images: Sequence[Image]) -> list[Image]:
    """One image of each document, the first of the highest version, in the order given."""
    found: dict[str, Image] = {}
    for image in images:
        known = found.get(image.id)
        if known is None or known.version < image.version:
            found[image.id] = image
    return list(found.values())


def write(collection: Collection[Document], images: Sequence[Image]) -> None:
    """Write each unless the stored one has the same or a higher version.

    Raises StoreUnavailable, or StoreRejected for a document that another one keeps out.
    """
    waiting = newest(images)
    for _ in range(ATTEMPTS):
        waiting = _insert(collection, waiting)
        if not waiting or _replace(collection, waiting):
            return
        waiting = _older(collection, waiting)
        if not waiting:
            return
    raise StoreRejected(STORE, "duplicate key")


def _insert(collection: Collection[Document], images: Sequence[Image]) -> list[Image]:
    """Insert those that are not there; answers the others."""
    if not images:
        return []
    inserts = [InsertOne({"_id": image.id, **image.body}) for image in images]
    try:
        with translated():
            collection.bulk_write(inserts, ordered=False)
    except Duplicates as met:
        return [images[position] for position in sorted(met.positions)]
    return []


def _replace(collection: Collection[Document], images: Sequence[Image]) -> bool:
    """Replace those with a lower version; answers whether it was all of them."""
    replacements = [ReplaceOne(_older_than(image), image.body) for image in images]
    try:
        with translated():
            done = collection.bulk_write(replacements, ordered=False)
    except Duplicates:
        return False
    return done.matched_count == len(images)


def _older_than(image: Image) -> Document:
    # `_id` first, which a server that plans by the order of the keys finds at once.
    return {"_id": image.id, "lab_id": image.lab_id, "version": {"$lt": image.version}}


def _older(collection: Collection[Document], images: Sequence[Image]) -> list[Image]:
    """Those whose stored document is not there, or has a lower version."""
    versions: dict[str, int] = {}
    for lab_id, of_lab in groupby(sorted(images, key=_lab), key=_lab):
        versions.update(_versions(collection, of_reports(lab_id, {i.report for i in of_lab})))
    return [image for image in images if versions.get(image.id, -1) < image.version]


def _lab(image: Image) -> int:
    return image.lab_id


def _versions(collection: Collection[Document], wanted: Document) -> dict[str, int]:
    with translated():
        found = collection.find(wanted, {"version": 1}, batch_size=BATCH)
        return {document["_id"]: document["version"] for document in found}
