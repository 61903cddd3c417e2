"""Find the open original orders of a lab by the index of open reruns. Frozen.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from rerund.stores.types import SERVERS

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Let the index hold every row: on SQLite it held those of reruns only."""
    if op.get_bind().dialect.name not in SERVERS:
        op.drop_index("ix_waiting_status", "waiting_list")
        op.create_index("ix_waiting_status", "waiting_list", ["lab_id", "status", "updated_at"])
