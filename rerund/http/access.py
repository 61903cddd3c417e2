"""Who may do what: bearer tokens and roles, asked before a byte of a body is read."""

from collections.abc import Callable, Coroutine
from time import time
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from rerund.http.errors import ApiError
from rerund.http.tokens import Role, Token, Tokens

ROLES: dict[str, frozenset[Role]] = {
    "show": frozenset({"viewer", "technician"}),
    "receive": frozenset({"device"}),
    "request": frozenset({"technician"}),
    "confirm": frozenset({"technician"}),
    "cancel": frozenset({"technician"}),
    "auto_check": frozenset({"device", "technician"}),
}
"""The roles that may call each endpoint."""


class GuardedRoute(APIRoute):
    """A route that answers whoever may call it; `name` is a key of `ROLES`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Ask for the token, the role and the kind of body, then go on as any route."""
        handle, roles = super().get_route_handler(), ROLES[self.name]

        async def guarded(request: Request) -> Response:
            token = authenticated(request)
            if token.role not in roles:
                raise ApiError(403, "wrong_role", f"the role {token.role} may not do this")
            if request.method == "POST":
                _want_json(request)
            return await handle(request)

        return guarded


def authenticated(request: Request) -> Token:
    """Return the token of a request and note its name for the log. Raises ApiError (401)."""
    tokens: Tokens = request.app.state.tokens
    token = tokens.find(_presented(request))
    if token is None:
        raise _who("unknown_token", "the token is not known")
    request.scope["rerund.token"] = token.name
    if token.is_expired(time()):
        raise _who("expired_token", "the token has expired")
    request.state.token = token
    return token


def _presented(request: Request) -> str:
    found = request.headers.getlist("authorization")
    if not found:
        raise _who("no_token", "a bearer token is wanted")
    scheme, _, secret = found[0].partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not secret.strip():
        raise _who("no_token", "Authorization has to be: Bearer TOKEN")
    return secret.strip()


def _who(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, headers={"WWW-Authenticate": 'Bearer realm="rerund"'})


def _want_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, "unsupported_media_type", "the body has to be application/json", "Content-Type"
        )
