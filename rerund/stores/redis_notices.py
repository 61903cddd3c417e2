"""Hearing notices of Redis: a thread that connects again for ever."""

import threading
import time
from collections.abc import Callable
from typing import Any

from redis.client import PubSub
from redis.exceptions import ConnectionError as ConnectionLost

from rerund.stores.outage import Outage

LOOK_EVERY = 0.25
"""Seconds within which the thread ends when told to."""

ASK_EVERY = 10.0
"""Seconds of silence after which the server is asked for a sign; after two of them it is lost."""


class Listener:
    """Calls `notice` for each message of one channel, in its own thread.

    And once after each time that it lost the server and found it again, because something
    may have been said meanwhile. `connect` may raise anything.
    """

    def __init__(self, channel: str, connect: Callable[[], PubSub], notice: Callable[[], None]):
        self._channel = channel
        self._connect = connect
        self._notice = notice
        self._outage = Outage("notices", time.monotonic)
        self._closed = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=channel, daemon=True)

    def start(self, wait: float) -> None:
        """Begin; waits up to `wait` seconds for the subscription to hold, or to fail."""
        self._thread.start()
        self._begun.wait(wait)
        self._begun.set()

    def close(self) -> None:
        """End the thread: no notice is called after this, unless it is the caller."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _listen(self) -> None:
        while not self._closed.is_set():
            pause = 0.0
            try:
                self._hear()
            except Exception as error:  # noqa: BLE001 - the thread has nobody to tell
                pause = self._outage.failed(error)
            self._begun.set()
            self._closed.wait(pause)

    def _hear(self) -> None:
        """Take messages until told to end, or until the server is lost."""
        pubsub = self._connect()
        try:
            pubsub.subscribe(self._channel)
            self._take_messages(pubsub)
        finally:
            pubsub.close()

    def _take_messages(self, pubsub: PubSub) -> None:
        heard = asked = time.monotonic()
        while not self._closed.is_set():
            message = pubsub.get_message(timeout=LOOK_EVERY)
            now = time.monotonic()
            if message is not None:
                heard = asked = now
                self._take(message)
            elif now - heard >= 2 * ASK_EVERY:
                raise ConnectionLost("silent")
            elif now - asked >= ASK_EVERY:
                pubsub.ping()
                asked = now

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._outage.worked()
            if self._begun.is_set():
                self._notice()
            self._begun.set()
        elif message["type"] == "message":
            self._notice()
