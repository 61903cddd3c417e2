"""The tables of the first version. Frozen: a later change is a revision of its own."""

from typing import Any

import sqlalchemy as sa

from rerund.stores.migrations.steps import create_index, create_table
from rerund.stores.types import Instant, LongText, RowId, RunTime, now, now_on_change

revision = "0001"
down_revision = None

OPTIONS: dict[str, Any] = {
    f"{server}_{option}": value
    for server in ("mysql", "mariadb")
    for option, value in (
        ("engine", "InnoDB"),
        ("charset", "utf8mb4"),
        ("collate", "utf8mb4_bin"),
    )
}


def upgrade() -> None:
    """Make every table."""
    _activity_log()
    _device()
    _device_format_mapping()
    _device_payload()
    _device_results()
    _lab_report_relation()
    _report_format()
    _report_format_parameter()
    _report_values()
    _rerun_event()
    _waiting_list()


def _activity_log() -> None:
    create_table(
        "activity_log",
        sa.Column("row_id", RowId, nullable=False),
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("rerun_number", sa.Integer(), nullable=True),
        sa.Column("old", LongText, nullable=False),
        sa.Column("new", LongText, nullable=False),
        sa.PrimaryKeyConstraint("row_id"),
        **OPTIONS,
    )
    create_index("ix_activity_report", "activity_log", ["lab_id", "lab_report_id"])


def _device() -> None:
    create_table(
        "device",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("lease_owner", sa.String(128), nullable=True),
        sa.Column("lease_until", Instant, nullable=True),
        sa.Column("updated_at", Instant, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "device_id"),
        **OPTIONS,
    )


def _device_format_mapping() -> None:
    create_table(
        "device_format_mapping",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("test_code", sa.String(128), nullable=False),
        sa.Column("report_format_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("order_code", sa.String(128), nullable=True),
        sa.Column("units", sa.String(64), nullable=True),
        sa.Column("factor", sa.String(32), nullable=True),
        sa.Column("updated_at", Instant, server_default=now_on_change, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "device_id", "test_code", "report_format_id", "index"),
        **OPTIONS,
    )
    create_index("ix_mapping_updated", "device_format_mapping", ["lab_id", "updated_at"])


def _device_payload() -> None:
    create_table(
        "device_payload",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload_id", sa.String(64), nullable=False),
        sa.Column("origin", LongText, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "payload_id"),
        **OPTIONS,
    )


def _device_results() -> None:
    create_table(
        "device_results",
        sa.Column("row_id", RowId, nullable=False),
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.String(128), nullable=False),
        sa.Column("sample_id", sa.String(128), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("test_code", sa.String(128), nullable=False),
        sa.Column("run_at", RunTime, nullable=True),
        sa.Column("run_key", sa.String(255), nullable=False),
        sa.Column("identity", sa.String(64), nullable=True),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("rerun_number", sa.Integer(), nullable=False),
        sa.Column("settled", sa.String(16), nullable=True),
        sa.Column("requested", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("units", sa.String(64), nullable=True),
        sa.Column("result", LongText, nullable=False),
        sa.Column("payload_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("row_id"),
        sa.UniqueConstraint("lab_id", "result_id", "lab_report_id", "index", name="uq_result"),
        **OPTIONS,
    )
    create_index("ix_result_device", "device_results", ["lab_id", "device_id", "received_at"])
    create_index("ix_result_identity", "device_results", ["lab_id", "identity"])
    create_index("ix_result_report", "device_results", ["lab_id", "lab_report_id"])
    create_index("ix_result_sample", "device_results", ["lab_id", "sample_id", "received_at"])
    create_index(
        "ix_result_unmatched",
        "device_results",
        ["lab_id", "outcome", "sample_id"],
        sqlite_where=sa.text("outcome = 'unmatched'"),
    )


def _lab_report_relation() -> None:
    create_table(
        "lab_report_relation",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sample_id", sa.String(128), nullable=False),
        sa.Column("report_format_id", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", Instant, server_default=now, nullable=False),
        sa.Column("patient_id", sa.String(128), nullable=True),
        sa.Column("patient_name", sa.String(255), nullable=True),
        sa.Column("sex", sa.String(8), nullable=True),
        sa.Column("birth_date", sa.String(10), nullable=True),
        sa.Column("is_completed", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("is_signed", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("completed_at", Instant, nullable=True),
        sa.Column("sampleRedrawFlag", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rerun_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_rerun_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("auto_rerun_indexes", LongText, nullable=True),
        sa.Column("results_checked", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "lab_report_id"),
        **OPTIONS,
    )
    create_index("ix_report_sample", "lab_report_relation", ["lab_id", "sample_id"])
    create_index(
        "ix_report_unchecked",
        "lab_report_relation",
        ["lab_id", "results_checked", "registered_at"],
        sqlite_where=sa.text("results_checked IS 0"),
    )


def _report_format() -> None:
    create_table(
        "report_format",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("report_format_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("updated_at", Instant, server_default=now_on_change, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "report_format_id"),
        **OPTIONS,
    )


def _report_format_parameter() -> None:
    create_table(
        "report_format_parameter",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("report_format_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("parameter_name", sa.String(255), nullable=False),
        sa.Column("units", sa.String(64), nullable=True),
        sa.Column("ranges", LongText, nullable=True),
        sa.Column("meta", LongText, nullable=True),
        sa.Column("updated_at", Instant, server_default=now_on_change, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "report_format_id", "index"),
        **OPTIONS,
    )
    create_index("ix_parameter_updated", "report_format_parameter", ["lab_id", "updated_at"])


def _report_values() -> None:
    create_table(
        "report_values",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", LongText, nullable=False),
        sa.Column("units", sa.String(64), nullable=True),
        sa.Column("numeric", sa.String(64), nullable=True),
        sa.Column("comparator", sa.String(2), nullable=True),
        sa.Column("invalid_reason", sa.String(64), nullable=True),
        sa.Column("abnormal_flags", LongText, nullable=False),
        sa.Column("result_status", sa.String(16), nullable=True),
        sa.Column("run_at", RunTime, nullable=True),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("device_name", sa.String(255), nullable=False),
        sa.Column("device_value", LongText, nullable=False),
        sa.Column("device_units", sa.String(64), nullable=True),
        sa.Column("result_id", sa.String(128), nullable=False),
        sa.Column("rerun_number", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(255), nullable=True),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "lab_report_id", "index"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def _rerun_event() -> None:
    create_table(
        "rerun_event",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("rerun_number", sa.Integer(), nullable=True),
        sa.Column("flag_before", sa.Integer(), nullable=False),
        sa.Column("flag_after", sa.Integer(), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("reruns", LongText, nullable=False),
        sa.Column("values", LongText, nullable=False),
        sa.Column("active_number", sa.Integer(), nullable=True),
        sa.Column("inputs", LongText, nullable=False),
        sa.Column("answer", LongText, nullable=False),
        sa.Column("applied_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("lab_id", "lab_report_id", "version"),
        sa.UniqueConstraint("lab_id", "event_id", name="uq_event"),
        **OPTIONS,
    )
    create_index(
        "ix_event_unapplied",
        "rerun_event",
        ["lab_id", "applied_at", "lab_report_id"],
        sqlite_where=sa.text("applied_at IS NULL"),
    )


def _waiting_list() -> None:
    create_table(
        "waiting_list",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lab_report_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.String(64), server_default="", nullable=False),
        sa.Column(
            "rerun_number", sa.Integer(), server_default="0", autoincrement=False, nullable=False
        ),
        sa.Column("rerun_type", sa.String(16), nullable=True),
        sa.Column("requested", LongText, nullable=False),
        sa.Column("remaining", LongText, nullable=False),
        sa.Column("priority", sa.String(16), nullable=True),
        sa.Column("status", sa.String(16), server_default="pending", nullable=False),
        sa.Column("reason", sa.String(255), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant, server_default=now, nullable=False),
        sa.Column("updated_at", Instant, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("lab_id", "lab_report_id", "device_id", "rerun_number"),
        **OPTIONS,
    )
    create_index(
        "ix_waiting_status",
        "waiting_list",
        ["lab_id", "status", "updated_at"],
        sqlite_where=sa.text("rerun_number > 0"),
    )
