"""The connection to MongoDB or DocumentDB, and its errors in the words of the ports.

Every write is acknowledged by a majority that has it in the journal, and every read is the
primary's. Reads see what the primary has, not what a majority has confirmed: another
daemon's after-image counts from the moment it is there.

A driver's own text may quote the documents it refused, so only its names and codes are
passed on, and the original error is cut off: neither a log nor a traceback shows a patient.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from rerund.stores.ports import StoreRejected, StoreUnavailable
from rerund.stores.settings import MongodbSettings, Tls

Document = dict[str, Any]

STORE = "mongodb"
APPNAME = "rerund"

DUPLICATE_KEY = frozenset({11000, 11001, 12582})
_REFUSED = DUPLICATE_KEY | {
    22,  # InvalidBSON
    121,  # DocumentValidationFailure
    10334,  # BSONObjectTooLarge
    17280,  # KeyTooLong
    17419,  # the document would grow too large
    17420,  # the same, met while it was being made
}
"""Codes that say something about a document; with all others it may be taken later."""

_WORDS = {
    11: "unknown user",
    13: "not authorized",
    18: "authentication failed",
    64: "not confirmed by a majority in time",
    85: "an index of this name is another one",
    86: "an index of this name is another one",
    112: "write conflict",
    121: "refused by the validator of the collection",
    10107: "not the primary",
    10334: "too large",
    11000: "duplicate key",
    17280: "key too long",
}
"""What codes mean that a person may have to act on."""


class Duplicates(Exception):  # noqa: N818 - says what is the case
    """Some writes of a batch met a unique key; `positions` are those, the others are done."""

    def __init__(self, positions: frozenset[int]):
        super().__init__(len(positions))
        self.positions = positions


def connect(settings: MongodbSettings) -> MongoClient[Document]:
    """A client that connects when it is first used. Raises StoreUnavailable."""
    with translated(), TemporaryDirectory(prefix="rerund-") as directory:
        return MongoClient(
            settings.url,
            appname=APPNAME,
            connect=False,
            connectTimeoutMS=_milliseconds(settings.connect_timeout),
            serverSelectionTimeoutMS=_milliseconds(settings.connect_timeout),
            waitQueueTimeoutMS=_milliseconds(settings.connect_timeout),
            socketTimeoutMS=_milliseconds(settings.timeout),
            maxPoolSize=settings.pool_size,
            retryWrites=False,  # DocumentDB has none
            w="majority",
            journal=True,
            readPreference="primary",
            readConcernLevel="local",
            **_credentials(settings),
            **_tls(settings.tls, Path(directory)),
        )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _credentials(settings: MongodbSettings) -> dict[str, Any]:
    if settings.user is None:
        return {}
    return {
        "username": settings.user,
        "password": settings.password,
        "authSource": settings.auth_source,
    }


def _tls(tls: Tls | None, directory: Path) -> dict[str, Any]:
    """What the client is told of TLS. `directory` is private and may go when it is made."""
    if tls is None:
        return {}
    told: dict[str, Any] = {"tls": True}
    if tls.ca is not None:
        told["tlsCAFile"] = tls.ca
    if tls.cert is not None:
        told["tlsCertificateKeyFile"] = _in_one_file(tls.cert, tls.key, directory)
    return told


def _in_one_file(cert: str, key: str | None, directory: Path) -> str:
    """The driver wants certificate and key in one file, which it reads once."""
    if key is None or key == cert:
        return cert
    both = directory / "client.pem"
    both.write_bytes(Path(cert).read_bytes() + b"\n" + Path(key).read_bytes())
    return str(both)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable, StoreRejected or Duplicates for what the driver raised."""
    try:
        yield
    except BulkWriteError as error:
        raise _bulk(error.details or {}) from None
    except OperationFailure as error:
        raise _of_code(error.code) from None
    except (PyMongoError, OSError) as error:
        raise StoreUnavailable(STORE, type(error).__name__) from None
    except (BSONError, OverflowError, UnicodeError) as error:  # met before anything was sent
        raise StoreRejected(STORE, type(error).__name__) from None


def _bulk(details: Mapping[str, Any]) -> Exception:
    """The gravest of what a batch met: any that is not a duplicate goes before those."""
    errors = details.get("writeErrors", [])
    others = [error.get("code") for error in errors if error.get("code") not in DUPLICATE_KEY]
    if others:
        return _of_code(others[0])
    if details.get("writeConcernErrors"):
        return StoreUnavailable(STORE, "not confirmed by a majority")
    return Duplicates(frozenset(error["index"] for error in errors))


def _of_code(code: int | None) -> StoreRejected | StoreUnavailable:
    kind = StoreRejected if code in _REFUSED else StoreUnavailable
    words = _WORDS.get(code) if code is not None else None
    return kind(STORE, f"error {code}" + (f" {words}" if words else ""))
