"""Requests that carry a key, and what they were answered. Frozen."""

from typing import Any

import sqlalchemy as sa

from rerund.stores.migrations.steps import create_table
from rerund.stores.types import Instant, LongText, now

revision = "0002"
down_revision = "0001"

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
    """Make the table, its index within the one statement."""
    create_table(
        "http_request",
        sa.Column("lab_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("started_at", Instant, server_default=now, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", LongText, nullable=True),
        sa.PrimaryKeyConstraint("lab_id", "request_key"),
        sa.UniqueConstraint("started_at", "lab_id", "request_key", name="uq_request_started"),
        **OPTIONS,
    )
