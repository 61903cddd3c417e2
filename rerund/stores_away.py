"""Stores that are away: tried again for ever, and told once, not at every try."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from rerund.stores.opening import OpenStores
from rerund.stores.ports import StoreError
from rerund.stores.versions import StoreVersionError

log = structlog.get_logger(__name__)

FIRST_RETRY, LAST_RETRY = 0.5, 30.0


class StoresAway:
    """Tells each reason once while stores are away, and when they are back."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told = ""

    def __bool__(self) -> bool:
        return bool(self._told)

    def failed(self, error: StoreError) -> None:
        """Note that a try failed."""
        reason = str(error)
        if reason != self._told:
            self._told = reason
            self._tell(reason)

    def worked(self) -> None:
        """Note that a try worked."""
        if self._told:
            self._told = ""
            log.info("stores_back")


def opened_when_there(
    open_stores: Callable[[], OpenStores],
    places: Mapping[str, str],
    gone: threading.Event,
    *,
    first_retry: float = FIRST_RETRY,
) -> OpenStores | None:
    """Return the stores as soon as they can be opened; None once nobody waits for them.

    Raises StoreVersionError, because waiting changes no version.
    """
    away = StoresAway(partial(_tell_unusable, places))
    retry = first_retry
    while not gone.is_set():
        try:
            opened = open_stores()
        except StoreVersionError:
            raise
        except StoreError as error:
            away.failed(error)
            gone.wait(retry)
            retry = min(2 * retry, LAST_RETRY)
        else:
            away.worked()
            return opened
    return None


def _tell_unusable(places: Mapping[str, str], reason: str) -> None:
    log.error("store_unusable", alert=True, reason=reason, **places)
