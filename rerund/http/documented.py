"""The answers of each endpoint as OpenAPI has them: all of them, errors too."""

from typing import Any

from fastapi.security import HTTPBearer
from pydantic import BaseModel

from rerund.http import answers

Responses = dict[int | str, dict[str, Any]]

BEARER = HTTPBearer(
    scheme_name="token",
    description="A token that `rerund token add` printed. Its role says what it may do.",
    auto_error=False,
)

_COMMON = {
    401: ("no_token", "No token, one that is not known, or one that has expired"),
    403: ("wrong_role", "The role of the token may not do this"),
    404: ("not_found", "There is no such report in the lab of the token"),
    500: ("internal", "A fault of rerund; nothing is known of what was done"),
    503: ("unavailable", "Nothing was decided: the stores are away, or too much is under way"),
}
_POST = {
    400: ("malformed", "No JSON, a member that is missing or unknown, or one of a wrong type"),
    408: ("timeout", "The body came too slowly"),
    409: ("changed", "The state of the report does not allow it, or the key is in use"),
    413: ("too_large", "The body is too large"),
    415: ("unsupported_media_type", "The body is not application/json"),
    422: ("impossible", "The report could never take it, or the key was used for another body"),
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
}


def _error(status: int, code: str, description: str) -> dict[str, Any]:
    example = {"error": {"code": code, "message": description, "field": None}}
    answer: dict[str, Any] = {
        "model": answers.Error,
        "description": description,
        "content": {"application/json": {"example": example}},
    }
    if status in _HEADERS:
        answer["headers"] = _HEADERS[status]
    return answer


def responses(status: int, model: type[BaseModel], *, post: bool) -> Responses:
    """Return every answer of an endpoint that answers `model` with `status`."""
    good = {"model": model, "description": (model.__doc__ or "").partition("\n")[0]}
    errors = _COMMON | (_POST if post else {400: ("malformed", "The request can not be read")})
    found: Responses = {status: good}
    for number, (code, text) in sorted(errors.items()):
        found[number] = _error(number, code, text)
    return found


def without_own_errors(document: dict[str, Any]) -> dict[str, Any]:
    """Take out the answers to malformed requests that FastAPI adds: ours are 400."""
    own = ("HTTPValidationError", "ValidationError")
    for operation in _operations(document):
        answers_of = operation["responses"]
        for status in [s for s, answer in answers_of.items() if own[0] in str(answer["content"])]:
            del answers_of[status]
    for name in own:
        document["components"]["schemas"].pop(name, None)
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]
