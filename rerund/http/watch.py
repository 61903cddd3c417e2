"""One log line a request, and no fault that reaches a caller as anything but an answer.

A line names the route, never the path: no report, sample or patient, and no secret.
"""

import sys
from pathlib import Path
from time import monotonic
from traceback import extract_tb

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rerund.http.errors import ApiError

log = structlog.get_logger(__name__)

_REFUSED = (401, 403)


class Watch:
    """Logs every request when it has been answered; answers 500 for a fault of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and tell how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 0, monotonic()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - a task boundary: the others never notice
            _tell_fault(scope, error)
            if not status:
                failed = ApiError(500, "internal", "a fault of rerund; its log names it")
                await failed.response()(scope, receive, watched)
        _tell(scope, status, monotonic() - started)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    facts = {
        "method": scope["method"],
        "route": _route(scope),
        "status": status,
        "token": scope.get("rerund.token"),
        "code": scope.get("rerund.code"),
        "ms": round(seconds * 1000, 1),
    }
    facts = {name: fact for name, fact in facts.items() if fact is not None}
    if status in _REFUSED:
        client = scope.get("client")
        log.warning("http_refused", peer=client[0] if client else None, **facts)
    elif status < 400 and scope["method"] == "GET":
        log.debug("http_request", **facts)
    else:
        log.info("http_request", **facts)


def _tell_fault(scope: Scope, error: Exception) -> None:
    """Name type and place of an error; its text may quote what was sent."""
    frames = extract_tb(sys.exc_info()[2])
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
    log.error(
        "http_failed", alert=True, route=_route(scope), error=type(error).__name__, where=where
    )


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "name", "-"))
