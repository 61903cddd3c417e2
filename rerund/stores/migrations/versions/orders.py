"""Orders in the waiting list: all that are open by one index, and who has taken each. Frozen.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from rerund.stores.migrations.steps import add_column
from rerund.stores.types import SERVERS

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let the index hold every row: on SQLite it held those of reruns only. Add the column."""
    if op.get_bind().dialect.name not in SERVERS:
        op.drop_index("ix_waiting_status", "waiting_list")
        op.create_index("ix_waiting_status", "waiting_list", ["lab_id", "status", "updated_at"])
    add_column("waiting_list", sa.Column("taken_by", sa.String(64), nullable=True))
