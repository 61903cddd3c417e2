"""Instants as the stores keep them: ISO 8601 UTC text ending in Z."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def seconds(text: str) -> float:
    """Unix seconds of an ISO 8601 text; one without a zone is UTC."""
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 UTC text with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
