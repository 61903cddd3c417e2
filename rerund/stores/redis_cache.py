"""The number cache on Redis, and notices between processes.

Nothing is decided by it: while Redis is away nothing is set and every number is unknown.
A number comes back with the next event of its report.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from redis.client import PubSub

from rerund.stores.outage import Outage
from rerund.stores.redis_client import FAILURES, Client, connect, hearing
from rerund.stores.redis_notices import Listener
from rerund.stores.settings import RedisSettings

T = TypeVar("T")


def numbers_key(lab_id: int) -> str:
    """The hash of the active numbers. By the braces a lab is in one slot of a cluster."""
    return f"lab:{{{lab_id}}}:sample-rerun:numbers"


def notices_channel(lab_id: int) -> str:
    """The channel of the notices that the waiting list changed."""
    return f"lab:{{{lab_id}}}:waiting-list"


class RedisNumberCache:
    """`NumberCache` on Redis. It connects when it is first used and never raises.

    A server that failed is not asked again for a while, of which `clock` tells the seconds.
    """

    def __init__(self, settings: RedisSettings, clock: Callable[[], float] = time.monotonic):
        self._settings = settings
        self._outage = Outage("number_cache", clock)
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._listeners: set[Listener] = set()

    def publish(self, lab_id: int, numbers: Mapping[int, int | None]) -> None:
        """Set the active number per report; None removes it."""
        active = {str(r): str(number) for r, number in numbers.items() if number is not None}
        gone = [str(report) for report, number in numbers.items() if number is None]
        if numbers:
            self._call(lambda client: _publish(client, numbers_key(lab_id), active, gone))

    def active_number(self, lab_id: int, lab_report_id: int) -> int | None:
        """The active number, None when there is none or it is not known."""
        return self._call(lambda client: _number(client, numbers_key(lab_id), str(lab_report_id)))

    def notify(self, lab_id: int) -> None:
        """Say that the waiting list of the lab changed."""
        self._call(lambda client: client.publish(notices_channel(lab_id), ""))

    def subscribe(self, lab_id: int, notice: Callable[[], None]) -> Callable[[], None]:
        """Call `notice` (from a thread of its own) after each `notify`, and after each
        reconnect; answers the unsubscribe call.
        """
        listener = Listener(notices_channel(lab_id), self._hearing, notice)
        with self._lock:
            self._listeners.add(listener)
        listener.start(self._settings.timeout)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.discard(listener)
            listener.close()

        return unsubscribe

    def problem(self) -> str | None:
        """Ask whether the server answers us; None when it does, else the kind of failure."""
        try:
            self._connected().ping()
        except FAILURES as error:
            return type(error).__name__
        return None

    def close(self) -> None:
        """End the subscriptions and close the connections."""
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener.close()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, call: Callable[[Client], T]) -> T | None:
        """What the server answers; None when it is away."""
        if not self._outage.may_try():
            return None
        try:
            answer = call(self._connected())
        except FAILURES as error:
            self._outage.failed(error)
            return None
        self._outage.worked()
        return answer

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = connect(self._settings)
            return self._client

    def _hearing(self) -> PubSub:
        return hearing(self._connected())


def _publish(client: Client, key: str, active: Mapping[Any, Any], gone: list[str]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        if active:
            pipeline.hset(key, mapping=active)
        if gone:
            pipeline.hdel(key, *gone)
        pipeline.execute()


def _number(client: Client, key: str, field: str) -> int | None:
    found = client.hget(key, field)
    try:
        return None if found is None else int(found)
    except ValueError:  # somebody else's
        return None
