"""Results are not looked up by their run: its rows are those of the sample. Frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INDEX, TABLE = "ix_result_identity", "device_results"


def upgrade() -> None:
    """Drop the index, unless an attempt that failed later has done it already."""
    if INDEX in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)}:
        op.drop_index(INDEX, TABLE)
