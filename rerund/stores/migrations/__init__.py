"""Alembic revisions of the report store."""
