"""What callers are told when something can not be done: one shape for every answer.

`{"error": {"code": "...", "message": "...", "field": null}}`, with further members where
they help the caller on (`next`, `version`). No message repeats what was sent.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as FrameworkError

from drivers.tomlfile import key_text
from rerund.rerun.refusals import Conflict, Impossible, NotFound, Refusal
from rerund.stores.ports import StoreRejected, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY_AFTER = 2
"""Seconds after which a caller may ask again when the stores are away."""

STATUS: dict[type[Refusal], int] = {NotFound: 404, Conflict: 409, Impossible: 422}

_FRAMEWORK = {
    404: ("not_found", "there is nothing at this path"),
    405: ("method_not_allowed", "this path does not know the method"),
}


class ApiError(HTTPException):
    """An answer other than 2xx, made by this package itself."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(status, message, headers)
        self.code = code
        self.message = message
        self.field = field

    def response(self) -> Response:
        """The answer as it is sent."""
        body = error_body(self.code, self.message, self.field)
        return JSONResponse(body, self.status_code, self.headers)


def error_body(
    code: str, message: str, field: str | None, details: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the body of an answer that says no."""
    return {"error": {"code": code, "message": message, "field": field, **(details or {})}}


def refusal_answer(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Return status and body for what the service refuses."""
    body = error_body(refusal.code, refusal.message, refusal.field, refusal.details)
    return STATUS[type(refusal)], body


def note_code(scope: MutableMapping[str, Any], body: Mapping[str, Any]) -> None:
    """Note the code of an answer that says no for the log line of its request."""
    if "error" in body:
        scope["rerund.code"] = body["error"]["code"]


def add_handlers(app: FastAPI) -> None:
    """Give every error of this application its one shape, the framework's own too."""
    app.add_exception_handler(FrameworkError, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(StoreRejected, _rejected)


def _told(request: Request, error: ApiError) -> Response:
    request.scope["rerund.code"] = error.code
    return error.response()


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FrameworkError)
    if isinstance(error, ApiError):
        return _told(request, error)
    code, message = _FRAMEWORK.get(error.status_code, ("malformed", "the body can not be read"))
    headers = dict(error.headers or {})
    return _told(request, ApiError(error.status_code, code, message, headers=headers))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _told(request, _as_api_error(error))


def _as_api_error(error: RequestValidationError) -> ApiError:
    found = error.errors()
    if any(details["loc"][0] == "path" for details in found):
        return ApiError(404, "not_found", "a report is named by a whole number above 0")
    first = found[0]
    place, *path = first["loc"]
    if first["type"] == "json_invalid":
        return ApiError(400, "malformed", "the body is no valid JSON")
    field = _field(path, error.body, first["type"]) if place == "body" else str(path[-1])
    message = first["msg"].removeprefix("Value error, ")
    return ApiError(400, "malformed", message, field)


def _field(path: Sequence[str | int], body: Any, kind: str) -> str | None:
    """The place in the body, without what pydantic appends to name the branch of a union."""
    known: list[str | int] = []
    for part in path:
        if not _has(body, part):
            if kind == "missing":
                known.append(part)
            break
        known.append(part)
        body = body[part]
    return key_text(tuple(known)) or None


def _has(body: Any, part: str | int) -> bool:
    if isinstance(body, dict):
        return part in body
    return isinstance(body, list) and isinstance(part, int) and part < len(body)


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    status, body = refusal_answer(error)
    note_code(request.scope, body)
    return JSONResponse(body, status)


def _unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailable)
    log.warning("store_unavailable", store=error.store, detail=error.detail)
    return _told(request, unavailable("unavailable", "the stores can not be reached now"))


def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreRejected)
    log.error("store_rejected", alert=True, store=error.store, detail=error.detail)
    if request.method == "GET":  # which gave them nothing to take: what they hold is at fault
        return _told(request, unavailable("unavailable", "the stores can not read the report"))
    return _told(request, ApiError(422, "rejected", "the stores take no such value"))


def unavailable(code: str, message: str) -> ApiError:
    """503: nothing was decided, and the caller may ask again."""
    return ApiError(503, code, message, headers={"Retry-After": str(RETRY_AFTER)})
