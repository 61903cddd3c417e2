"""The rerun service as the endpoints use it: opened when the stores are there, and not before."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import Protocol

import structlog

from rerund.alerts import tell
from rerund.rerun.rules import Rules
from rerund.rerun.service import RerunService
from rerund.rerun.service_stores import Stores
from rerund.stores.ports import ReportStore, StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

TRY_AGAIN = 1.0
"""Seconds between two tries to open stores that are away."""


class OpenStores(Protocol):
    """What opening the stores gives."""

    @property
    def stores(self) -> Stores:
        """The three ports."""
        ...


Opener = Callable[[], AbstractContextManager[OpenStores]]
"""Opens the stores. Raises StoreError."""


class Backend:
    """Opens the stores once for every thread; tries again when they were away."""

    def __init__(self, opener: Opener, rules: Rules) -> None:
        self._open = opener
        self._rules = rules
        self._lock = threading.Lock()
        self._manager: AbstractContextManager[OpenStores] | None = None
        self._parts: tuple[RerunService, ReportStore] | None = None
        self._failure: tuple[float, str] = (0.0, "")

    def parts(self) -> tuple[RerunService, ReportStore]:
        """The service and its report store. Raises StoreUnavailable while they are away."""
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    self._parts = self._opened()
        return self._parts

    def close(self) -> None:
        """Close the stores, when they were opened."""
        if self._manager is not None:
            self._manager.__exit__(None, None, None)

    def _opened(self) -> tuple[RerunService, ReportStore]:
        until, reason = self._failure
        if monotonic() < until:
            raise StoreUnavailable("stores", reason)
        try:
            manager = self._open()
            stores = manager.__enter__().stores
        except StoreError as error:
            if str(error) != reason:
                log.error("store_unusable", alert=True, reason=str(error))  # noqa: TRY400
            self._failure = (monotonic() + TRY_AGAIN, str(error))
            raise StoreUnavailable("stores", str(error)) from None
        self._manager = manager
        return RerunService(stores, self._rules, tell), stores.reports
