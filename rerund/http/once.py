"""`Idempotency-Key`: a POST that is sent again is done once and answered as the first time.

The key is entered in the report store before anything is decided, with the id that the
event will have. A process that dies between the decision and its answer leaves both
behind, so whoever takes the request over finds the answer in the event.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any

import structlog

from rerund.rerun.records import Begun
from rerund.rerun.refusals import Conflict, Impossible
from rerund.stores.ports import ReportStore, StoreError

log = structlog.get_logger(__name__)

STALE_AFTER = 60.0
"""Seconds after which a request that nobody ended is taken over."""

_EVENTS = uuid.UUID("6b0c0c5e-5c1e-4f0b-8d0b-2f8f0a3d7c11")

HEADER = "Idempotency-Key"

Outcome = tuple[int, dict[str, Any]]
"""Status and body of an answer."""


@dataclass(frozen=True)
class KeyedRequest:
    """A request with a key: its scope is the holder of the token and the path."""

    lab_id: int
    key: str
    body_hash: str

    @classmethod
    def of(cls, lab_id: int, holder: str, path: str, key: str, body: bytes) -> "KeyedRequest":
        """Return the request for a caller's key and a body in canonical form."""
        scope = "\n".join((holder, path, key)).encode()
        return cls(lab_id, sha256(scope).hexdigest(), sha256(body).hexdigest())

    @property
    def event_id(self) -> str:
        """The id of the event that it makes."""
        return str(uuid.uuid5(_EVENTS, f"{self.lab_id}/{self.key}"))


class Once:
    """Does each keyed request once; of one process, for all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[KeyedRequest, float] = {}

    def answer(
        self, reports: ReportStore, request: KeyedRequest, act: Callable[[str], Outcome]
    ) -> tuple[Outcome, bool]:
        """Return the answer to a request, and whether it is that of an earlier time.

        `act` is given the id of the event. Raises Conflict `in_progress` while the same
        request is being worked on, Impossible `idempotency_key_reused` for another body.
        """
        begun = self._begin(reports, request)
        if begun.state == "other_body":
            raise Impossible(
                "idempotency_key_reused", "the key was used for another request", HEADER
            )
        if begun.state == "done" and begun.status is not None and begun.answer is not None:
            return (begun.status, begun.answer), True
        if begun.state == "running" and not self._was_left(request):
            raise Conflict("in_progress", "the same request is being worked on", HEADER)
        try:
            outcome = act(begun.event_id)
        except BaseException:
            self._leave(reports, request, begun.event_id)
            raise
        self._end(reports, request, outcome)
        return outcome, False

    def _begin(self, reports: ReportStore, request: KeyedRequest) -> Begun:
        try:
            return reports.begin_request(
                request.lab_id, request.key, request.body_hash, request.event_id, STALE_AFTER
            )
        except StoreError:
            self._note_left(request)  # it may have been entered all the same
            raise

    def _end(self, reports: ReportStore, request: KeyedRequest, outcome: Outcome) -> None:
        """Keep the answer. It stands without that too: the event has it."""
        try:
            reports.end_request(request.lab_id, request.key, *outcome)
        except StoreError as error:
            log.warning("answer_not_kept", reason=str(error))
            self._note_left(request)

    def _leave(self, reports: ReportStore, request: KeyedRequest, event_id: str) -> None:
        """Free the key when nothing was decided; else the next one finds what was."""
        try:
            if reports.event(request.lab_id, event_id) is None:
                reports.abandon_request(request.lab_id, request.key)
                return
        except StoreError:
            log.debug("request_left")
        self._note_left(request)

    def _note_left(self, request: KeyedRequest) -> None:
        now = monotonic()
        with self._lock:
            recent = {left: at for left, at in self._left.items() if now - at < STALE_AFTER}
            self._left = {**recent, request: now}

    def _was_left(self, request: KeyedRequest) -> bool:
        """Whether this process began it and works on it no more; told to one thread only."""
        with self._lock:
            return self._left.pop(request, None) is not None
