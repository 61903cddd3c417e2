"""On a server the key of `activity_log` begins with the lab: it may be split by it. Frozen."""

from rerund.stores.migrations.steps import put_lab_first

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the primary key, in one statement."""
    put_lab_first("activity_log")
