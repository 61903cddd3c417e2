"""On a server the key of `device_results` begins with the lab: it may be split by it. Frozen."""

from rerund.stores.migrations.steps import put_lab_first

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change the primary key, in one statement."""
    put_lab_first("device_results")
