"""The tables of the report store, the same on SQLite, MySQL and MariaDB.

A LIMS may insert and update reports (not the rerun columns), formats, devices and
mappings, insert original waiting-list rows, and move `sampleRedrawFlag` between 0, 1 and
2. Columns are named as the fields of `rerund.rerun.records`. The migrations make exactly
these tables; `SCHEMA_VERSION` is their newest revision.
"""

from typing import Any

from sqlalchemy import BigInteger as Big
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
)

from rerund.rerun.documents import SampleRerun, SampleRerunValues
from rerund.rerun.records import Origin
from rerund.stores.types import (
    SERVERS,
    Instant,
    Json,
    LongText,
    RowId,
    RunTime,
    StoredResult,
    now,
    now_on_change,
)

SCHEMA_VERSION = "0006"

# A server compares keys byte by byte, as SQLite does; its defaults find 'abc' equal to 'ÄBC'.
TABLE_OPTIONS: dict[str, Any] = {
    f"{server}_{option}": value
    for server in ("mysql", "mariadb")
    for option, value in (
        ("engine", "InnoDB"),
        ("charset", "utf8mb4"),
        ("collate", "utf8mb4_bin"),
    )
}

LAB_FIRST = (
    "ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY (lab_id, row_id),"
    " ADD KEY ix_{table}_row (row_id)"
)
"""A server may split a table by lab only when every unique key names the lab.

SQLite numbers rows by a primary key of one column only, and splits nothing.
"""

metadata = MetaData()

Word = String(16)
Name = String(255)
Identifier = String(128)
Indexes = Json[list[int]]
Words = Json[list[str]]
Object = Json[dict[str, object]]


def _report_key(*, primary_key: bool = False) -> list[Column[Any]]:
    """`lab_id` comes first in every key: it is what a cluster would be split by."""
    return [
        Column("lab_id", Big, primary_key=primary_key, autoincrement=False, nullable=False),
        Column("lab_report_id", Big, primary_key=primary_key, autoincrement=False, nullable=False),
    ]


lab_report_relation = Table(
    "lab_report_relation",
    metadata,
    *_report_key(primary_key=True),
    Column("sample_id", Identifier, nullable=False),
    Column("report_format_id", Big, nullable=False),
    Column("registered_at", Instant, nullable=False, server_default=now),
    Column("patient_id", Identifier),
    Column("patient_name", Name),
    Column("sex", String(8)),
    Column("birth_date", String(10)),
    Column("is_completed", Boolean, nullable=False, server_default="0"),
    Column("is_signed", Boolean, nullable=False, server_default="0"),
    Column("completed_at", Instant),
    Column("sampleRedrawFlag", Integer, key="flag", nullable=False, server_default="0"),
    Column("rerun_version", Integer, nullable=False, server_default="0"),
    Column("last_rerun_number", Integer, nullable=False, server_default="0"),
    Column("auto_rerun_indexes", Indexes(list[int], empty="[]")),
    Column("results_checked", Boolean, nullable=False, server_default="0"),
    **TABLE_OPTIONS,
)
Index("ix_report_sample", lab_report_relation.c.lab_id, lab_report_relation.c.sample_id)
Index(
    "ix_report_unchecked",
    lab_report_relation.c.lab_id,
    lab_report_relation.c.results_checked,
    lab_report_relation.c.registered_at,
    sqlite_where=lab_report_relation.c.results_checked.is_(False),
)

report_format = Table(
    "report_format",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("report_format_id", Big, primary_key=True, autoincrement=False),
    Column("name", Name, nullable=False),
    Column("updated_at", Instant, nullable=False, server_default=now_on_change),
    **TABLE_OPTIONS,
)

report_format_parameter = Table(
    "report_format_parameter",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("report_format_id", Big, primary_key=True, autoincrement=False),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("order", Integer, nullable=False),
    Column("parameter_name", Name, nullable=False),
    Column("units", String(64)),
    Column("ranges", LongText),
    Column("meta", LongText),
    Column("updated_at", Instant, nullable=False, server_default=now_on_change),
    **TABLE_OPTIONS,
)

Index(
    "ix_parameter_updated",
    report_format_parameter.c.lab_id,
    report_format_parameter.c.updated_at,
)

# The lease columns change all the time and say nothing about the lab: no updated_at by itself.
device = Table(
    "device",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("device_id", String(64), primary_key=True),
    Column("name", Name, nullable=False),
    Column("lease_owner", Identifier),
    Column("lease_until", Instant),
    Column("updated_at", Instant, nullable=False, server_default=now),
    **TABLE_OPTIONS,
)

device_format_mapping = Table(
    "device_format_mapping",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("device_id", String(64), primary_key=True),
    Column("test_code", Identifier, primary_key=True),
    Column("report_format_id", Big, primary_key=True, autoincrement=False),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("order_code", Identifier),
    Column("units", String(64)),
    Column("factor", String(32)),
    Column("updated_at", Instant, nullable=False, server_default=now_on_change),
    **TABLE_OPTIONS,
)

Index("ix_mapping_updated", device_format_mapping.c.lab_id, device_format_mapping.c.updated_at)

waiting_list = Table(
    "waiting_list",
    metadata,
    *_report_key(primary_key=True),
    Column("device_id", String(64), primary_key=True, server_default=""),
    Column("rerun_number", Integer, primary_key=True, autoincrement=False, server_default="0"),
    Column("rerun_type", Word),
    Column("requested", Indexes(list[int]), nullable=False),
    Column("remaining", Indexes(list[int]), nullable=False),
    Column("priority", Word),
    Column("status", Word, nullable=False, server_default="pending"),
    Column("reason", Name),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False, server_default=now),
    Column("updated_at", Instant, nullable=False, server_default=now),
    Column("taken_by", String(64)),
    **TABLE_OPTIONS,
)
Index(
    "ix_waiting_status",
    waiting_list.c.lab_id,
    waiting_list.c.status,
    waiting_list.c.updated_at,
)

# What the results of one payload have in common: a third of the ledger's size if it were in each.
device_payload = Table(
    "device_payload",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("payload_id", String(64), primary_key=True),
    Column("origin", Json[Origin](Origin), nullable=False),
    **TABLE_OPTIONS,
)

device_results = Table(
    "device_results",
    metadata,
    Column("row_id", RowId, primary_key=True),
    *_report_key(),
    Column("index", Integer, nullable=False),
    Column("result_id", Identifier, nullable=False),
    Column("sample_id", Identifier, nullable=False),
    Column("device_id", String(64), nullable=False),
    Column("test_code", Identifier, nullable=False),
    Column("run_at", RunTime),
    Column("run_key", Name, nullable=False),
    Column("identity", String(64)),
    Column("received_at", Instant, nullable=False),
    Column("entry_id", Big, nullable=False),
    Column("outcome", Word, nullable=False),
    Column("reason", String(32)),
    Column("rerun_number", Integer, nullable=False),
    Column("settled", Word),
    Column("requested", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("value", LongText, nullable=False),
    Column("units", String(64)),
    Column("result", StoredResult, nullable=False),
    Column("payload_id", String(64), nullable=False),
    UniqueConstraint("lab_id", "result_id", "lab_report_id", "index", name="uq_result"),
    **TABLE_OPTIONS,
)
Index("ix_result_sample", *(device_results.c[n] for n in ("lab_id", "sample_id", "received_at")))
Index("ix_result_device", *(device_results.c[n] for n in ("lab_id", "device_id", "received_at")))
Index("ix_result_report", device_results.c.lab_id, device_results.c.lab_report_id)
Index(
    "ix_result_unmatched",
    device_results.c.lab_id,
    device_results.c.outcome,
    device_results.c.sample_id,
    sqlite_where=device_results.c.outcome == "unmatched",
)

report_values = Table(
    "report_values",
    metadata,
    *_report_key(primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("value", LongText, nullable=False),
    Column("units", String(64)),
    Column("numeric", String(64)),
    Column("comparator", String(2)),
    Column("invalid_reason", String(64)),
    Column("abnormal_flags", Words(list[str]), nullable=False),
    Column("result_status", Word),
    Column("run_at", RunTime),
    Column("device_id", String(64), nullable=False),
    Column("device_name", Name, nullable=False),
    Column("device_value", LongText, nullable=False),
    Column("device_units", String(64)),
    Column("result_id", Identifier, nullable=False),
    Column("rerun_number", Integer, nullable=False),
    Column("note", Name),
    Column("updated_at", Instant, nullable=False),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

rerun_event = Table(
    "rerun_event",
    metadata,
    *_report_key(primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("event_id", Name, nullable=False),
    Column("kind", Word, nullable=False),
    Column("rerun_number", Integer),
    Column("flag_before", Integer, nullable=False),
    Column("flag_after", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reruns", Json[list[SampleRerun]](list[SampleRerun]), nullable=False),
    Column("values", Json[list[SampleRerunValues]](list[SampleRerunValues]), nullable=False),
    Column("active_number", Integer),
    Column("inputs", Object(dict[str, object]), nullable=False),
    Column("answer", Object(dict[str, object]), nullable=False),
    Column("applied_at", Instant),
    UniqueConstraint("lab_id", "event_id", name="uq_event"),
    **TABLE_OPTIONS,
)
Index(
    "ix_event_unapplied",
    rerun_event.c.lab_id,
    rerun_event.c.applied_at,
    rerun_event.c.lab_report_id,
    sqlite_where=rerun_event.c.applied_at.is_(None),
)

activity_log = Table(
    "activity_log",
    metadata,
    Column("row_id", RowId, primary_key=True),
    *_report_key(),
    Column("code", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("user_id", Big, nullable=False),
    Column("event_id", Name, nullable=False),
    Column("rerun_number", Integer),
    Column("old", Object(dict[str, object]), nullable=False),
    Column("new", Object(dict[str, object]), nullable=False),
    **TABLE_OPTIONS,
)
Index("ix_activity_report", activity_log.c.lab_id, activity_log.c.lab_report_id)

# The unique key that begins with `started_at` is there for its index: what is old is forgotten.
http_request = Table(
    "http_request",
    metadata,
    Column("lab_id", Big, primary_key=True, autoincrement=False),
    Column("request_key", String(64), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("event_id", Name, nullable=False),
    Column("started_at", Instant, nullable=False, server_default=now),
    Column("status", Integer),
    Column("answer", Object(dict[str, object])),
    UniqueConstraint("started_at", "lab_id", "request_key", name="uq_request_started"),
    **TABLE_OPTIONS,
)


def _put_lab_first(table: Table, connection: Connection, **options: object) -> None:
    del options
    if connection.dialect.name in SERVERS:
        connection.exec_driver_sql(LAB_FIRST.format(table=table.name))


for _numbered in (device_results, activity_log):
    event.listen(_numbered, "after_create", _put_lab_first)
