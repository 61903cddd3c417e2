"""How much one caller may want: size and time of a body, and requests under way at once."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rerund.http.errors import ApiError, unavailable

BODY_TIMEOUT = 10.0
"""Seconds in which a body has to be here."""


class Limits:
    """Refuses a body that is too large (413) or too slow (408), and too many at once (503)."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_requests: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_requests = max_requests
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        error = self._refused(scope)
        if error is not None:
            scope["rerund.code"] = error.code
            await error.response()(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, self._bounded(receive), send)
        finally:
            self._running -= 1

    def _refused(self, scope: Scope) -> ApiError | None:
        if self._running >= self._max_requests:
            return unavailable("busy", "too many requests are under way")
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if any(value.isdigit() and int(value) > self._max_body_bytes for value in lengths):
            return self._too_large()
        return None

    def _too_large(self) -> ApiError:
        return ApiError(413, "too_large", f"a body has at most {self._max_body_bytes} bytes")

    def _bounded(self, receive: Receive) -> Receive:
        """The same body, cut off by an error where it becomes too large or too late."""
        received = 0
        until = asyncio.get_running_loop().time() + BODY_TIMEOUT

        async def bounded() -> Message:
            nonlocal received
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, "timeout", "the body came too slowly") from None
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        return bounded
