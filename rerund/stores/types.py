"""Column types that mean the same on SQLite, MySQL and MariaDB.

DATETIME of MySQL drops microseconds and zone unless told; SQLite has no type for it. So
instants are UTC in one sortable form, and JSON is text that no server reorders.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Dialect, Float, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from drivers.result import Result

T = TypeVar("T")

SERVERS = ("mysql", "mariadb")

RowId = BigInteger().with_variant(Integer, "sqlite")
"""A key that the database numbers; SQLite does that for INTEGER only."""

LongText = Text().with_variant(mysql.LONGTEXT(), *SERVERS)


class Instant(TypeDecorator[str]):
    """ISO 8601 UTC text ending in Z, with milliseconds; microseconds where there are any."""

    impl = String(26)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """DATETIME(6) on a server, sortable text on SQLite."""
        if dialect.name in SERVERS:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(String(26))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Any ISO 8601 text, one without a zone taken as UTC, as the column keeps it."""
        del dialect
        return None if value is None else instant_to_column(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """What the column holds as ISO 8601 text."""
        del dialect
        return None if value is None else whole_instant(str(value))


class RunTime(Instant):
    """An instant by an instrument's clock: whole seconds are shown as such."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """What the column holds as ISO 8601 text."""
        text = super().process_result_value(value, dialect)
        return None if text is None else text.replace(".000Z", "Z")


@lru_cache(maxsize=4096)
def instant_to_column(text: str) -> str:
    """ISO 8601 text as `YYYY-MM-DD HH:MM:SS.ffffff` in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(" ", "microseconds")


@lru_cache(maxsize=4096)
def whole_instant(text: str) -> str:
    """Any ISO 8601 text as columns of instants are read. Raises ValueError."""
    whole = instant_to_column(text)
    date, time = whole[:10], whole[11:]
    return f"{date}T{time.removesuffix('000')}Z"


class Json(TypeDecorator[T], Generic[T]):
    """A value of one type as JSON text; `empty` is the text that NULL stands for, if any."""

    impl = LongText
    cache_ok = True

    def __init__(self, kind: Any, empty: str | None = None):
        super().__init__()
        self.kind = kind
        self.empty = empty
        self._decode = msgspec.json.Decoder(kind).decode

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:
        """The value as JSON text; None is NULL."""
        del dialect
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        """The value that the text says."""
        del dialect
        text = self.empty if value is None else value
        decoded: T | None = None if text is None else self._decode(text)
        return decoded


class Readable(Json[T]):
    """The same of what others write too: a text that says no such value is read as `empty`."""

    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        """The value that the text says, if it says one."""
        try:
            return super().process_result_value(value, dialect)
        except msgspec.MsgspecError:
            return super().process_result_value(None, dialect)


class _ShortResult(Result, omit_defaults=True):
    """A result whose JSON leaves out what is not said: half the length."""


class StoredResult(TypeDecorator[Result]):
    """A result as JSON text, without the members that have their default."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: Result | None, dialect: Dialect) -> str | None:
        """The result as JSON text."""
        del dialect
        if value is None:
            return None
        return msgspec.json.encode(_ShortResult(*msgspec.structs.astuple(value))).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Result | None:
        """The result that the text says."""
        del dialect
        return None if value is None else _decode_result(value)


_decode_result = msgspec.json.Decoder(Result).decode


class _Now(FunctionElement[str]):
    """The database's clock in the form of `Instant`."""

    type = String()
    inherit_cache = True


class _NowOnChange(_Now):
    """The same as a column default, set again by a server whenever a row changes."""

    inherit_cache = True


class NowPlus(FunctionElement[str]):
    """The database's clock so many seconds on, in the form of `Instant`."""

    type = String()
    inherit_cache = True


class UnixNow(FunctionElement[float]):
    """Unix seconds by the database's clock."""

    type = Float()
    inherit_cache = True


now = _Now()
now_on_change = _NowOnChange()


@compiles(_Now, "sqlite")
@compiles(_NowOnChange, "sqlite")
def _sqlite_now(element: object, compiler: Any, **options: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


@compiles(_Now, *SERVERS)
def _server_now(element: object, compiler: Any, **options: Any) -> str:
    return "CURRENT_TIMESTAMP(6)"


@compiles(_NowOnChange, *SERVERS)
def _server_now_on_change(element: object, compiler: Any, **options: Any) -> str:
    return "CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


@compiles(NowPlus, "sqlite")
def _sqlite_now_plus(element: NowPlus, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds'))"


@compiles(NowPlus, *SERVERS)
def _server_now_plus(element: NowPlus, compiler: Any, **options: Any) -> str:
    return f"CURRENT_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **options)} SECOND"


@compiles(UnixNow, "sqlite")
def _sqlite_unix_now(element: object, compiler: Any, **options: Any) -> str:
    return "(julianday('now') - 2440587.5) * 86400.0"


@compiles(UnixNow, *SERVERS)
def _server_unix_now(element: object, compiler: Any, **options: Any) -> str:
    return "UNIX_TIMESTAMP(NOW(6))"
